import os
from pathlib import Path

import pytest

from iicl.data import datasets
from iicl.data.datasets import kinetics400

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[4] / ".." / "shared" / "data"))
HEAD = "label,youtube_id,time_start,time_end,split,is_cc\n"


def write(root: Path, name: str, rows: str = "", head: str = HEAD) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(head + rows if name.endswith(".csv") else "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rows = '"air drumming",_dbc-uKJQNs,40,50,train,0\n"eating, fast",a,0,10,train,1\n'
    write(tmp_path, "train.csv", rows + "abseiling,gone,7,17,train,0\n")
    write(
        tmp_path, "annotations/val.csv", "abseiling,-3B32lodo2M,59,69,val,0\nabseiling,b,1,11,val,0"
    )
    write(tmp_path, "test.csv", "c,1,11,test\n", "youtube_id,time_start,time_end,split\n")
    for name in (
        "train/air_drumming/_dbc-uKJQNs_000040_000050.mp4",
        "a_000000_000010.mkv",
        "val/-3B32lodo2M_000059_000069.mp4",
        "abseiling/b_000001_000011.mp4",
        "abseiling/b_000001_000012.mp4",
    ):
        write(tmp_path, name)
    return tmp_path


def test_lists_and_media_are_found_where_copies_have_them(root: Path) -> None:
    assert datasets.detect("kinetics400", root) == "kinetics400"
    listing = kinetics400.discover(root)
    assert {item.id: (item.labels, item.splits["1"]) for item in listing.items} == {
        "-3B32lodo2M_000059_000069": (("abseiling",), "test"),
        "_dbc-uKJQNs_000040_000050": (("air drumming",), "train"),
        "a_000000_000010": (("eating, fast",), "train"),
        "b_000001_000011": (("abseiling",), "test"),
        "gone_000007_000017": (("abseiling",), "train"),
    }
    assert {item.id: item.path for item in listing.items} == {
        "-3B32lodo2M_000059_000069": root / "val" / "-3B32lodo2M_000059_000069.mp4",
        "_dbc-uKJQNs_000040_000050": root / "train/air_drumming/_dbc-uKJQNs_000040_000050.mp4",
        "a_000000_000010": root / "a_000000_000010.mkv",
        "b_000001_000011": root / "abseiling" / "b_000001_000011.mp4",
        "gone_000007_000017": None,
    }
    assert listing.items[0].group == "-3B32lodo2M"
    assert listing.num_official == {"1/train": 3, "1/test": 2}


@pytest.mark.parametrize("name", [m for m in kinetics400.MARKERS if m.endswith(".csv")])
def test_every_official_name_is_read(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "abseiling,x,0,10,,0\n")
    assert datasets.detect("kinetics400", tmp_path) == "kinetics400"
    split = "train" if "train" in name else "test"
    assert kinetics400.discover(tmp_path).num_official == {f"1/{split}": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("abseiling,x,zero,10,train,0\n", "train.csv:5.*zero"),
        ("abseiling,x,10,10,train,0\n", "train.csv:5"),
        (",x,0,10,train,0\n", "train.csv:5"),
        ("abseiling,x\n", "train.csv:5"),
        ("singing,a,0,10,train,0\n", "train.csv:5: segment 'a_000000_000010' is listed twice"),
    ],
)
def test_wrong_rows_are_refused(root: Path, row: str, message: str) -> None:
    with open(root / "train.csv", "a") as stream:
        stream.write(row)
    with pytest.raises(ValueError, match=message):
        kinetics400.discover(root)


def test_two_lists_of_a_split_and_lists_without_labels_are_refused(root: Path) -> None:
    write(root, "annotations/train.csv")
    with pytest.raises(ValueError, match="two train lists"):
        kinetics400.discover(root)
    (root / "train.csv").unlink()
    write(root, "annotations/train.csv", head="youtube_id,time_start,time_end,split\n")
    with pytest.raises(ValueError, match="needs the columns label"):
        kinetics400.discover(root)


def test_the_real_rows_are_read(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    real = (REAL / "annotations" / "kinetics400_sample.csv").read_text()
    (tmp_path / "val.csv").write_text(real)
    listing = kinetics400.discover(tmp_path)
    assert [(item.id, item.labels) for item in listing.items] == [
        ("-3B32lodo2M_000059_000069", ("abseiling",)),
        ("_dbcJuKJQNs_000040_000050", ("air drumming",)),
    ]

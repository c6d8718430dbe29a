import errno
import os
from pathlib import Path

import pytest

from iicl.data import datasets
from iicl.data.datasets import audioset, folder, ucf101

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


@pytest.mark.parametrize("name", datasets.names())
def test_every_reader_fulfils_the_contract(name: str, tmp_path: Path) -> None:
    reader = datasets.reader(name)
    assert all(
        key.split("/")[1] in ("train", "test") and count > 0
        for key, count in reader.NUM_OFFICIAL.items()
    )
    doc = reader.__doc__ or ""
    assert "Source" in doc or "Source," in doc
    assert "Layout" in doc
    for root in (tmp_path / "absent", tmp_path):
        with pytest.raises(ValueError, match=str(root)) as error:
            reader.discover(root)
        assert "\n" not in str(error.value)


def test_an_unknown_reader_is_an_error_that_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"'kinetics'.*audioset, dcase2013, esc50, .*ucf101"):
        datasets.reader("kinetics")


HANDSTAND = "HandstandPushups/v_HandStandPushups_g01_c01.avi"


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    lists = {
        "train": [
            "Archery/v_Archery_g08_c01.avi 3",
            "Archery/v_Archery_g09_c01.avi 3",
            f"{HANDSTAND} 37",
        ],
        "test": ["Archery/v_Archery_g01_c02.avi"],
    }
    (tmp_path / "ucfTrainTestlist").mkdir()
    for fold in (1, 2, 3):
        for split, lines in lists.items():
            path = tmp_path / "ucfTrainTestlist" / f"{split}list0{fold}.txt"
            path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    for name in ("Archery/v_Archery_g08_c01.avi", HANDSTAND, "Archery/v_Archery_g01_c02.avi"):
        (tmp_path / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "UCF-101" / name).touch()
    return tmp_path


def test_ucf101_reads_crlf_lists_verbatim(ucf: Path) -> None:
    listing = ucf101.discover(ucf)
    by_id = {item.id: item for item in listing.items}
    assert list(by_id) == sorted(by_id)
    assert len(by_id) == 4
    item = by_id[HANDSTAND]
    assert item.path == ucf / "UCF-101" / HANDSTAND
    assert item.labels == ("HandstandPushups",)
    assert item.group == "HandstandPushups/g01"
    assert item.splits == {"1": "train", "2": "train", "3": "train"}
    assert by_id["Archery/v_Archery_g01_c02.avi"].splits["1"] == "test"
    assert by_id["Archery/v_Archery_g09_c01.avi"].path is None
    assert listing.num_official == {
        f"{f}/{s}": n for f in "123" for s, n in (("train", 3), ("test", 1))
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainlist02.txt", None, "trainlist02.txt"),
        ("testlist01.txt", "Archery/v_Archery_g08_c01.avi\r\n", "train and in test"),
        ("testlist03.txt", "Archery v_Archery_g08.avi\r\n", r"testlist03.txt:1"),
        ("testlist03.txt", f"{HANDSTAND}\r\n{HANDSTAND}\r\n", "testlist03.txt:2.*twice"),
    ],
)
def test_ucf101_refuses_wrong_lists(ucf: Path, name: str, text: str | None, message: str) -> None:
    path = ucf / "ucfTrainTestlist" / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ucf101.discover(ucf)


def test_ucf101_counts_are_those_of_the_real_lists() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    listing = ucf101.discover(REAL)
    assert listing.num_official == ucf101.NUM_OFFICIAL
    assert len(listing.items) == 13_320
    assert sum(item.path is not None for item in listing.items) == 450
    assert len({item.labels for item in listing.items}) == 101
    sides: dict[tuple[str, str], set[str]] = {}
    for item in listing.items:
        for fold, split in item.splits.items():
            sides.setdefault((fold, item.group), set()).add(split)
    assert all(len(splits) == 1 for splits in sides.values())


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    (tmp_path / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/t/dd88,"Gush, splash"\n'
    )
    head = "# Segments csv created\n# num_ytids=3, num_segs=3\n# YTID, start_seconds, ...\n"
    (tmp_path / "balanced_train_segments.csv").write_text(
        head + '--PJ, 30.000, 40.000, "/m/09x0r,/t/dd88"\nwhole, 1.500, 11.500, "/t/dd88"\n'
        'gone, 0.000, 10.000, "/m/09x0r"\n'
    )
    (tmp_path / "eval_segments.csv").write_text(head + 'ev, 0.000, 10.000, "/m/09x0r"\n')
    for name in ("video/--PJ_30000_40000.mp4", "whole.webm", "eval_segments/ev_000000_000010.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_audioset_reads_segments(audio: Path) -> None:
    listing = audioset.discover(audio)
    by_id = {item.id: item for item in listing.items}
    segment = by_id["--PJ_30000_40000"]
    assert segment.path == audio / "video" / "--PJ_30000_40000.mp4"
    assert segment.labels == ("Speech", "Gush, splash")
    assert (segment.start_seconds, segment.end_seconds) == (None, None)
    whole = by_id["whole_1500_11500"]
    assert (whole.path, whole.start_seconds, whole.end_seconds) == (audio / "whole.webm", 1.5, 11.5)
    assert by_id["gone_0_10000"].path is None
    assert by_id["ev_0_10000"].splits == {"1": "test"}
    assert by_id["ev_0_10000"].path == audio / "eval_segments" / "ev_000000_000010.wav"
    assert listing.num_official == {"1/train": 3, "1/test": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('x, 1.0, 2.0, "/m/unknown"', "eval_segments.csv:5.*unknown"),
        ("x, 1.0, 2.0", "eval_segments.csv:5"),
        ('x, one, 2.0, "/m/09x0r"', "eval_segments.csv:5.*one"),
        (
            'ev, 0.000, 10.000, "/m/09x0r"',
            "eval_segments.csv:5: segment 'ev_0_10000' is listed twice",
        ),
    ],
)
def test_audioset_refuses_wrong_rows(audio: Path, row: str, message: str) -> None:
    with open(audio / "eval_segments.csv", "a") as stream:
        stream.write(row + "\n")
    with pytest.raises(ValueError, match=message):
        audioset.discover(audio)


def test_audioset_needs_its_label_file(audio: Path) -> None:
    (audio / "class_labels_indices.csv").unlink()
    with pytest.raises(ValueError, match="class_labels_indices"):
        audioset.discover(audio)


def test_audioset_reads_the_real_rows() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    names = audioset._read_labels(REAL / "annotations" / "class_labels_indices.csv")
    path = REAL / "annotations" / "audioset_balanced_train_sample.csv"
    _, segment, labels = next(audioset._read_segments(path, names))
    assert segment == ("--PJHxphWEs", 30.0, 40.0)
    assert "Speech" in labels


def test_folder_takes_any_name(tmp_path: Path) -> None:
    names = ["a[1];#!&/x [0]*?.mp4", "ünï çø/deep/er/名.avi", "plain/y.mkv", "plain/notes.txt"]
    for name in [*names, "plain/.hidden", "README.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = folder.discover(tmp_path)
    assert [item.id for item in listing.items] == sorted(names)
    assert {item.labels[0] for item in listing.items} == {"a[1];#!&", "ünï çø", "plain"}
    assert all(item.splits == {"1": "train"} for item in listing.items)
    assert listing.num_official == {"1/train": 4}


def test_folder_knows_train_and_test(tmp_path: Path) -> None:
    for name in ("train/a/x.mp4", "test/a/x.mp4", "test/b/y.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = folder.discover(tmp_path)
    rows = {item.id: (item.splits["1"], item.labels) for item in listing.items}
    assert rows == {
        "test/a/x.mp4": ("test", ("a",)),
        "test/b/y.mp4": ("test", ("b",)),
        "train/a/x.mp4": ("train", ("a",)),
    }
    assert listing.num_official == {"1/train": 1, "1/test": 2}


def test_folder_says_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("train/a/x.mp4", "test/a/x.mp4", "test/beside.mp4", "val/a/x.mp4", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [item.id for item in folder.discover(tmp_path).items] == [
        "test/a/x.mp4",
        "train/a/x.mp4",
    ]
    assert [record.getMessage().split(": ")[1:] for record in caplog.records] == [
        ["not in a class folder and left out", "'val'"],
        ["not in a class folder and left out", "'beside.mp4'"],
    ]


def test_folder_follows_links_that_end(tmp_path: Path) -> None:
    for name in ("elsewhere/y.mp4", "root/a/x.mp4", "root/a/.hidden/z.mp4", "root/a/x2.mp4/in.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root = tmp_path / "root"
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "broken.mp4").symlink_to("nowhere")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    assert {item.id: item.labels for item in folder.discover(root).items} == {
        "a/broken.mp4": ("a",),
        "a/linked/y.mp4": ("a",),
        "a/up": ("a",),  # refused, with its reason, when it is read
        "a/x.mp4": ("a",),
        "a/x2.mp4/in.mp4": ("a",),
        "b/y.mp4": ("b",),
    }
    (root / "c").symlink_to(".")
    with pytest.raises(ValueError, match="c is a link to a folder that holds it"):
        folder.discover(root)


def test_folder_refuses_what_it_cannot_look_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "closed").mkdir(parents=True)
    (tmp_path / "a" / "x.mp4").touch()
    scandir = os.scandir

    def denied(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(PermissionError, match="closed"):
        folder.discover(tmp_path)


def test_folder_without_sub_folders_is_one_class(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "x.mp4").touch()
    assert [item.labels for item in folder.discover(tmp_path / "only").items] == [("only",)]


def test_detect_prefers_the_official_layout(ucf: Path) -> None:
    assert datasets.detect("ucf101", ucf) == "ucf101"
    with pytest.raises(ValueError, match="no such folder"):
        datasets.detect("ucf101", ucf / "absent")

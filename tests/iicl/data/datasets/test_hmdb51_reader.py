import os
import shutil
from pathlib import Path

import pytest

from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.datasets import hmdb51
from iicl.data.prepare import prepare

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[4] / ".." / "shared" / "data"))
ODD = "Film_[1];#!&(x)_wave_wave_f_cm_np10_ba_bad_0.avi"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for fold, codes in (("1", "12"), ("2", "20"), ("3", "01")):
        names = (ODD, "Other_wave_u_nm_np1_fr_med_3.avi")
        lines = [f"{name} {code} \n" for name, code in zip(names, codes, strict=True)]
        (lists / f"wave_test_split{fold}.txt").write_text("".join(lines))
    (tmp_path / "hmdb51_org" / "wave").mkdir(parents=True)
    (tmp_path / "hmdb51_org" / "wave" / ODD).touch()
    return tmp_path


def test_codes_are_splits_and_unused_is_none(root: Path) -> None:
    listing = hmdb51.discover(root)
    odd, other = listing.items
    assert odd.id == f"wave/{ODD}"
    assert odd.path == root / "hmdb51_org" / "wave" / ODD
    assert odd.labels == ("wave",)
    assert odd.splits == {"1": "train", "2": "test"}
    assert odd.group == "wave/Film_[1];#!&(x)_wave"
    assert (other.path, other.splits) == (None, {"1": "test", "3": "train"})
    assert listing.num_official == {
        "1/train": 1,
        "1/test": 1,
        "2/train": 0,
        "2/test": 1,
        "3/train": 1,
        "3/test": 0,
    }


def test_class_folders_may_lie_in_the_root(root: Path) -> None:
    shutil.move(root / "hmdb51_org" / "wave", root / "wave")
    (root / "hmdb51_org").rmdir()
    assert hmdb51.discover(root).items[0].path == root / "wave" / ODD


@pytest.mark.parametrize(
    ("fold", "text", "message"),
    [
        (2, None, "lacks wave_test_split2.txt"),
        (1, "A_wave_x.avi 3 \n", "split1.txt:1"),
        (1, "A_wave_x.avi\n", "split1.txt:1"),
        (3, "A_jump_x.avi 1 \n", "split3.txt:1.*wave"),
        (3, "A_wave_x.avi 1 \nA_wave_x.avi 2 \n", "split3.txt:2.*twice"),
    ],
)
def test_wrong_lists_are_refused(root: Path, fold: int, text: str | None, message: str) -> None:
    path = root / "testTrainMulti_7030_splits" / f"wave_test_split{fold}.txt"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        hmdb51.discover(root)


def test_the_real_lists_hold_what_the_card_says() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    listing = hmdb51.discover(REAL)
    assert listing.num_official == hmdb51.NUM_OFFICIAL
    assert len(listing.items) == 6766
    assert len({item.labels for item in listing.items}) == 51
    sides: dict[tuple[str, ...], set[str]] = {}
    for item in listing.items:
        for fold, split in item.splits.items():
            sides.setdefault((fold, item.group), set()).add(split)
            sides.setdefault((fold, "any class", item.group.split("/", 1)[1]), set()).add(split)
    straddling = [key for key, splits in sides.items() if len(splits) > 1]
    assert straddling
    assert all("any class" in key for key in straddling)
    films = [key for key in sides if "any class" in key]
    assert 0.08 < len(straddling) / len(films) < 0.12


def test_real_clips_are_prepared(tmp_path: Path) -> None:
    clips = REAL / "loader_clips"
    name = "RATRACE_wave_f_nm_np1_fr_goo_37.avi"
    if not (clips / name).is_file():
        pytest.skip(f"no real data at {REAL}")
    lists = tmp_path / "testTrainMulti_7030_splits"
    lists.mkdir()
    for fold in "123":
        shutil.copy(REAL / lists.name / f"wave_test_split{fold}.txt", lists)
    (tmp_path / "hmdb51_org" / "wave").mkdir(parents=True)
    shutil.copy(clips / name, tmp_path / "hmdb51_org" / "wave" / name)
    assert datasets.detect("hmdb51", tmp_path) == "hmdb51"
    manifest = prepare(
        "hmdb51",
        tmp_path,
        tmp_path.with_name(f"{tmp_path.name}-out"),
        corpus="hmdb51",
        preparation=Preparation(short_side=32),
        num_workers=1,
    )
    (usable,) = [item for item in manifest.items if item.views]
    assert usable.id == f"wave/{name}"
    assert usable.views == ("video",)
    assert usable.splits == {"1": "train", "2": "test", "3": "train"}

"""Which layouts are read, and which are refused before anything is decoded."""

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl import cli
from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.manifest import Listing, Manifest, ManifestItem
from iicl.data.prepare import prepare
from iicl.data.writing import leaks
from tests.iicl.data.datasets import miniatures

CORPORA = [name for name in datasets.names() if name != "folder"]


def files(root: Path, *names: str) -> Path:
    for name in names:
        miniatures.put(root / name)
    return root


def moved(root: Path, corpus: str, **new_names: str) -> Path:
    """The miniature of a corpus with top folders renamed."""
    miniatures.write(root, corpus)
    for old, new in new_names.items():
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / old.replace("__", "-"), root / new)
    return root


def read(corpus: str, root: Path) -> Listing:
    assert datasets.detect(corpus, root) == corpus
    return datasets.reader(corpus).discover(root)


def without_paths(listing: Listing) -> list[tuple[object, ...]]:
    return [(item.id, item.labels, item.splits, item.group) for item in listing.items]


@pytest.mark.parametrize(
    ("corpus", "new_names"),
    [
        ("ucf101", {"UCF__101": "videos", "ucfTrainTestlist": "annotations"}),
        ("ucf101", {"UCF__101": "videos"}),
        ("hmdb51", {"hmdb51_org": "videos", "testTrainMulti_7030_splits": "annotations"}),
        ("kinetics400", {"train": "videos_train", "val": "videos_val"}),
        ("kinetics400", {"train": "train_256", "val": "val_256"}),
        ("audioset", {"video": "data/eval_segments"}),
        ("audioset", {"video": "data/eval_segments/video"}),
        ("audioset", {"video": "eval_segments/video"}),
        ("esc50", {"audio": "other", "meta/esc50.csv": "esc50.csv", "other": "audio/audio"}),
        ("esc50", {"audio": "other", "other": "audio/audio/44100"}),
    ],
)
def test_other_common_layouts_give_the_same_items(
    tmp_path: Path, corpus: str, new_names: dict[str, str]
) -> None:
    official = datasets.reader(corpus).discover(miniatures.write(tmp_path / "official", corpus))
    listing = read(corpus, moved(tmp_path / "other", corpus, **new_names))
    assert without_paths(listing) == without_paths(official)
    assert listing.num_official == official.num_official
    assert all(item.path is not None and item.path.is_file() for item in listing.items)


@pytest.mark.parametrize("tree", ["{}", "videos_{}", "{}_256"])
def test_kinetics_class_folders_give_label_and_split(tmp_path: Path, tree: str) -> None:
    train, val = tree.format("train"), tree.format("val")
    clip = "-3B32lodo2M_000059_000069.mp4"
    files(tmp_path, f"{train}/air drumming/any.mp4", f"{train}/abseiling/{clip}")
    files(tmp_path, f"{val}/abseiling/b.avi", "test/air drumming/c.mp4", "train.json")
    listing = read("kinetics400", tmp_path)
    named, other, test = (
        f"{train}/abseiling/{clip}",
        f"{train}/air drumming/any.mp4",
        f"{val}/abseiling/b.avi",
    )
    assert without_paths(listing) == [
        (named, ("abseiling",), {"1": "train"}, "-3B32lodo2M"),
        (other, ("air drumming",), {"1": "train"}, other),
        (test, ("abseiling",), {"1": "test"}, test),
    ]
    assert listing.num_official == {"1/train": 246_245, "1/test": 20_000}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a.mp4", "val/b.mp4"], "train/a.mp4 is in no class folder, and no csv file"),
        (["train/a/x.mp4", "val/part_0/y.mp4"], "val/part_0 does not have the name of a class"),
        (["train/0/x.mp4", "val/0/y.mp4"], "train/0 does not have the name of a class"),
        (["train/a/x/img_1.jpg", "val/a/y/img_1.jpg"], "train/a/x is a folder where a clip"),
        (["train/a/x.mp4", "val/.DS_Store"], "no clip in any class folder of .*val"),
        (["val/a/x.mp4"], "needs one of train.csv, .*, or both train and val"),
        (["val_256/a/x.mp4", "train/a/x.mp4"], "or both train and val"),
    ],
)
def test_kinetics_folders_without_classes_or_splits_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    files(tmp_path, *names)
    assert datasets.detect("kinetics400", tmp_path) == "kinetics400"
    with pytest.raises(ValueError, match=message):
        datasets.reader("kinetics400").discover(tmp_path)


UNKNOWN = {
    "class folders": ["a/x.mp4", "b/y.mp4"],
    "splits of class folders": ["train/a/x.mp4", "validation/a/y.mp4", "test/b/z.mp4"],
    "two splits": ["train/a/x.mp4", "test/a/y.mp4"],
    "flat splits": ["train/x.mp4", "test/y.mp4"],
    "ActivityNet": ["annotations/activity_net.v1-3.min.json", "videos/v_abc.mp4"],
    "lists of MMAction2": ["x_train_split_1_videos.txt", "videos/a/x.avi"],
    "pictures": ["rawframes/a/x/img_00001.jpg"],
    "a folder of all": ["data/a/x.mp4"],
    "files": ["x.mp4"],
    "nothing": [],
}


@pytest.mark.parametrize("layout", UNKNOWN)
@pytest.mark.parametrize("corpus", CORPORA)
def test_every_corpus_refuses_unknown_layouts_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: str, layout: str
) -> None:
    files(tmp_path / "copy", *UNKNOWN[layout])
    (tmp_path / "copy").mkdir(exist_ok=True)
    assert cli.main(["prepare", corpus, str(tmp_path / "copy"), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'copy'} is not laid out as {corpus}: it holds none of" in line
    assert all(marker in line for marker in datasets.reader(corpus).MARKERS)
    assert line.endswith("to read class folders, add --reader folder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_right_folder_is_named_if_another_level_is_given(tmp_path: Path, corpus: str) -> None:
    right = miniatures.write(tmp_path / "above" / "right", corpus)
    (tmp_path / "above" / "__MACOSX").mkdir()
    (right / "below").mkdir()
    for given in (tmp_path / "above", right / "below"):
        with pytest.raises(ValueError, match=re.escape(f"(but {right} does: give that folder)")):
            datasets.detect(corpus, given)
    assert datasets.detect(corpus, right) == corpus


@pytest.mark.parametrize(
    ("name", "reason"),
    [("train.JSON", "JSON lists"), ("annotations/x.json", "JSON lists"), ("rawframes/x", "pictur")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        datasets.detect("hmdb51", files(tmp_path, name))


@pytest.mark.parametrize("names", [["rawframes/a/x/1.jpg"], ["flow/a/1.jpg"]])
def test_ucf101_lists_without_videos_are_refused(tmp_path: Path, names: list[str]) -> None:
    root = moved(tmp_path, "ucf101", ucfTrainTestlist="annotations")
    shutil.rmtree(root / "UCF-101")
    pictures = "; rawframes holds pictures" if "rawframes" in names[0] else "$"
    with pytest.raises(ValueError, match=f"UCF101 needs the folder UCF-101 or videos.*{pictures}"):
        read("ucf101", files(root, *names))


@pytest.mark.parametrize(
    ("layout", "parts"),
    [
        ("splits of class folders", ""),
        ("two splits", ""),
        ("flat splits", ""),
        ("class folders", ""),
        ("files", ""),
        ("ActivityNet", "'annotations' and 'videos'"),
        ("lists of MMAction2", "'videos'"),
        ("pictures", "'rawframes'"),
        ("a folder of all", "'data'"),
    ],
)
def test_class_folders_can_be_anything_else_and_stand_in(
    tmp_path: Path, layout: str, parts: str
) -> None:
    root = files(tmp_path, *UNKNOWN[layout])
    for corpus, stand_in in (("mine", False), ("ucf101", True)):
        if parts:
            with pytest.raises(ValueError, match=parts):
                datasets.detect(corpus, root, stand_in=stand_in)
        else:
            assert datasets.detect(corpus, root, stand_in=stand_in) == "folder"


@pytest.mark.parametrize(
    ("names", "is_classes"),
    [
        (["train/x.mp4", "bus/y.mp4"], True),
        (["train horn/x.mp4", "train whistle/y.mp4"], True),
        (["train/a/x.mp4", "bus/y.mp4"], False),
        (["train/x.mp4"], False),
        (["train/a/x.mp4", "val/a/x.mp4"], False),
        (["Training/a/x.mp4", "b/x.mp4"], False),
        (["videos_train/a/x.mp4", "videos_val/a/x.mp4"], False),
        (["UCF-101/a/x.mp4", "ucfTrainTestlist/trainlist01.txt"], False),
        (["scenes_stereo/bus01.wav"], False),
        (["annotations/x.txt", "Archery/x.avi"], False),
    ],
)
def test_parts_of_a_corpus_are_told_from_classes(
    tmp_path: Path, names: list[str], is_classes: bool
) -> None:
    root = files(tmp_path, *names)
    if is_classes:
        assert datasets.detect("mine", root) == "folder"
    else:
        with pytest.raises(ValueError, match=r"parts of a corpus.*--reader folder"):
            datasets.detect("mine", root)
    assert datasets.detect("folder", root) == "folder"


def test_a_part_of_a_corpus_stands_in_for_none(tmp_path: Path) -> None:
    root = miniatures.write(tmp_path, "ucf101")
    shutil.rmtree(root / "ucfTrainTestlist")
    with pytest.raises(ValueError, match="'UCF-101' is part of a corpus and cannot stand in"):
        datasets.detect("ucf101", root / "UCF-101", stand_in=True)


def test_cut_segments_and_class_folders_are_prepared(
    tmp_path: Path, write_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Real clips: Kinetics by folders, and an AudioSet segment that its whole video cannot fill."""
    clip = write_clip(tmp_path / "clip.mkv", seconds=2.0)
    tree = tmp_path / "tree"
    for name in ("train/a/x.mkv", "train/b/y.mkv", "val/a/z.mkv"):
        miniatures.put(tree / name, clip.read_bytes())
    options = ["--short-side", "32", "--max-fps", "8", "--workers", "1"]
    assert cli.main(["prepare", "kinetics400", str(tree), str(tmp_path / "k"), *options]) == 0
    manifest = Manifest.read(tmp_path / "k")
    assert (manifest.reader, manifest.classes) == ("kinetics400", ["a", "b"])
    assert [item.splits["1"] for item in manifest.items] == ["train", "train", "test"]

    segments = miniatures.write(tmp_path / "audioset", "audioset")
    row = 'whole, 1.000, 11.000, "/m/2"\n'
    with open(segments / "eval_segments.csv", "a") as stream:
        stream.write(row)
    (segments / miniatures.MEDIA["audioset"][0]).unlink()
    shutil.copy(clip, segments / "whole.mkv")
    capsys.readouterr()
    assert cli.main(["prepare", "audioset", str(segments), str(tmp_path / "a"), *options]) == 0
    printed = capsys.readouterr().out
    assert "1 missing, the first: id_of-test_0_10000: missing: no id_of-test_0_10000, " in printed
    reasons = {item.id: item.reason for item in Manifest.read(tmp_path / "a").items}
    assert re.search(r"video ends after 1\.0\d s of 10\.00 s", reasons["whole_1000_11000"])
    assert reasons["id_of-test_0_10000"].endswith(", data/eval_segments/audio")


def test_equal_bytes_in_train_and_in_test_are_a_warning(
    tmp_path: Path, write_clip: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "clip.mkv", seconds=0.6).read_bytes()
    other = write_clip(tmp_path / "other.mkv", seconds=1.2).read_bytes()
    for name, content in (
        ("train/a/x.mkv", clip),
        ("train/a/again.mkv", other),
        ("train/a/twice.mkv", other),
        ("test/a/y.mkv", clip),
        ("test/b/z.mkv", clip),
        ("test/b/broken.mkv", b""),
        ("train/b/broken.mkv", b""),
    ):
        miniatures.put(tmp_path / "source" / name, content)
    with caplog.at_level(logging.WARNING):
        prepare(
            "folder",
            tmp_path / "source",
            tmp_path / "out",
            corpus="mine",
            preparation=Preparation(short_side=32, max_fps=8),
            num_workers=1,
        )
    assert [record.getMessage() for record in caplog.records] == [
        "the same bytes are in train and in test of one fold, for 2 clips of test; the first:"
        " fold 1, train 'train/a/x.mkv', test 'test/a/y.mkv'"
    ]


def test_equal_bytes_count_within_one_fold_only() -> None:
    def item(name: str, splits: dict[str, str], digest: str) -> ManifestItem:
        return ManifestItem(name, ("a",), splits, name, views=("video",), digest=digest)

    items = [
        item("x", {"1": "train", "2": "test"}, "same"),
        item("y", {"1": "train", "2": "test"}, "same"),
        item("z", {"1": "test", "3": "train"}, "same"),
        item("w", {"1": "test"}, "other"),
    ]
    assert leaks.across_splits(items) == [("1", "x", "z")]
    assert leaks.across_splits(items[:2]) == []

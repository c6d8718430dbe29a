"""Kinetics-400: ten-second YouTube segments of 400 human actions, one label each.

Source: Kay et al., arXiv 1705.06950, https://deepmind.com/kinetics; the lists are CC BY 4.0, the
media belong to their uploaders. Layout: csv files with the columns ``label, youtube_id, time_start,
time_end, split`` and perhaps ``is_cc``, in the root or in ``annotations/``: ``train.csv`` or
``kinetics_train.csv``, and ``val.csv``, ``validate.csv`` or ``kinetics_val.csv``. The train list is
"train" of fold 1. The val list is its "test", as is usual, because the test list was published
without labels: the 40,000 rows of ``test.csv`` are not part of the corpus and never read.
Known losses: videos vanish from YouTube, so no two copies are the same; some 7,000 are silent.

Media are ``<youtube_id>_<start>_<end>`` with six digits each, in seconds, one file per segment.
They are looked for in ``train/`` or ``val/`` (as the row's list is named), in the root, and then in
``videos_train/`` and ``train_256/`` (or ``val``): in the folder itself and in all folders inside.
The names of inner folders do not matter, because the csv file gives the label.

If there is no csv file, the folders ``train/<class>/`` and ``val/<class>/`` are read (or both with
``videos_`` before or ``_256`` behind ``train`` and ``val``). They give label and split, and every
file in them is an item. ``num_official`` is then the official size, because nothing says which
clips are lost.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from iicl.data import lists
from iicl.data.folders import media_by_stem, visible, where
from iicl.data.manifest import Listing, SourceItem

# Section 2 of the paper: 306,245 clips, of which each class has 50 in val and 100 in test.
NUM_OFFICIAL = {"1/train": 246_245, "1/test": 20_000}
_LISTS = {
    "train": ("train.csv", "kinetics_train.csv"),
    "val": ("val.csv", "validate.csv", "kinetics_val.csv"),
}
_SPLITS = {"train": "train", "val": "test"}
_TREES = ("{}", "videos_{}", "{}_256")
_CSV_FILES = tuple(
    folder + name for names in _LISTS.values() for folder in ("", "annotations/") for name in names
)
MARKERS = (*_CSV_FILES, *(tree.format("val") for tree in _TREES))
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")
_YTID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"(?P<ytid>[A-Za-z0-9_-]{11})_\d{6}_\d{6}\.\w+")
_PART = re.compile(r"([a-z]{1,6}[_-]?)?\d+")  # "part_0", as archives are unpacked, or "0"
_SECOND = re.compile(r"\d{1,6}", re.ASCII)


def discover(root: Path) -> Listing:
    """Lists the segments of all lists that exist, or the files of both folders without lists.

    Args:
        root: folder that holds the csv files or ``annotations``, or ``train`` and ``val`` with
            class folders.

    Raises:
        ValueError: if there are neither lists nor folders, or two lists of one split, or if a row
            cannot be read or is repeated, or a folder holds something that is no clip of a class.
    """
    list_files = {name: path for name in _LISTS if (path := _find_list(root, name))}
    if not list_files:
        return _read_folders(root)
    items: dict[str, SourceItem] = {}
    num_official: dict[str, int] = {}
    for name, path in list_files.items():
        folders = [name, ".", *(tree.format(name) for tree in _TREES[1:])]
        media = media_by_stem(_with_folders_in_it(root, folders), _SUFFIXES)
        place = f"{where(_SUFFIXES, folders)} and in folders of these"
        num_before = len(items)
        for number, label, ytid, start, end in _read_rows(path):
            key = f"{ytid}_{start:06d}_{end:06d}"
            if key in items:
                raise ValueError(f"{path}:{number}: segment {lists.quoted(key)} is listed twice")
            items[key] = SourceItem(
                id=key,
                path=media.get(key),
                labels=(label,),
                splits={"1": _SPLITS[name]},
                group=ytid,
                sought="" if key in media else f"{key} {place}",
            )
        if len(items) == num_before:
            raise ValueError(f"{path} lists no segment")
        num_official[f"1/{_SPLITS[name]}"] = len(items) - num_before
    return Listing([items[key] for key in sorted(items)], num_official)


def _find_list(root: Path, name: str) -> Path | None:
    folders = (root, root / "annotations")
    paths = [folder / file for folder in folders for file in _LISTS[name]]
    paths = [path for path in paths if os.path.lexists(path)]
    if len(paths) > 1:
        raise ValueError(f"two {name} lists, remove one: {' and '.join(map(str, paths))}")
    return paths[0] if paths else None


def _with_folders_in_it(root: Path, names: list[str]) -> Iterator[Path]:
    for name in names:
        yield root / name
        yield from (path for path in visible(root / name) if path.is_dir())


def _read_rows(path: Path) -> Iterator[tuple[int, str, str, int, int]]:
    """Line number, label, YouTube id, start second and end second of the rows of one list."""
    for number, (label, ytid, start, end) in lists.table(path, _COLUMNS):
        if (
            not label
            or not _YTID.fullmatch(ytid)
            or not _SECOND.fullmatch(start)
            or not _SECOND.fullmatch(end)
            or int(start) >= int(end)
        ):
            row = lists.quoted(", ".join((label, ytid, start, end)))
            raise ValueError(
                f"{path}:{number}: {row} is not '{', '.join(_COLUMNS)}' with a YouTube id of"
                " letters, digits, - and _ and an end after the start, in whole seconds"
            )
        yield number, label, ytid, int(start), int(end)


def _read_folders(root: Path) -> Listing:
    """Lists the files of the class folders of both splits."""
    for tree in _TREES:
        folders = {name: root / tree.format(name) for name in _SPLITS}
        if all(folder.is_dir() for folder in folders.values()):
            break
    else:
        raise ValueError(
            f"Kinetics-400 needs one of {', '.join(_CSV_FILES)} in {root}, or both train and val"
            " with class folders"
        )
    items = []
    for name, folder in folders.items():
        for file in _clips(folder):
            key = file.relative_to(root).as_posix()
            match = _NAME.fullmatch(file.name)
            group = match["ytid"] if match else key
            splits = {"1": _SPLITS[name]}
            items.append(SourceItem(key, file, (file.parent.name,), splits, group))
    return Listing(sorted(items, key=lambda item: item.id), dict(NUM_OFFICIAL))


def _clips(folder: Path) -> list[Path]:
    """The files of the class folders of one split."""
    clips = []
    for class_folder in visible(folder):
        if not class_folder.is_dir():
            raise ValueError(
                f"{class_folder} is in no class folder, and no csv file gives its class"
            )
        if _PART.fullmatch(class_folder.name):
            raise ValueError(
                f"{class_folder} does not have the name of a class, and no csv file gives classes"
            )
        for file in visible(class_folder):
            if file.is_dir():
                raise ValueError(f"{file} is a folder where a clip is expected")
            clips.append(file)
    if not clips:
        raise ValueError(f"no clip in any class folder of {folder}")
    return clips

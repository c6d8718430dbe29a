"""ESC-50: 2,000 environmental recordings of 50 classes, 5 s, mono, 44.1 kHz; or its part ESC-10.

Source: Piczak, ACM Multimedia 2015, https://github.com/karolpiczak/ESC-50, CC BY-NC 3.0; ESC-10
(10 classes, 400 recordings) is CC BY 3.0. Layout: one of two, with different class names.

- The present one has ``meta/esc50.csv`` with the columns ``filename, fold, category, src_file``
  (other columns are not read) and ``audio/``. The copy at Kaggle has ``esc50.csv`` and
  ``audio/audio/``, perhaps with ``44100/`` inside.
- The older one, in which ESC-10 is still published, has class folders ``<number> - <class>/`` with
  files ``<fold>-<Freesound id>-<take>.ogg``; other files and folders are not part of the corpus.

There are five folds; a clip of fold k is "test" of fold k and "train" of the other folds. A group
is a Freesound id, that is, the recording that clips were cut from; the author says that a group
lies within one fold. Known losses: none; there is no picture.
"""

import os
import re
from pathlib import Path

from iicl.data import lists
from iicl.data.folders import visible
from iicl.data.manifest import Listing, SourceItem

_FOLDS = ("1", "2", "3", "4", "5")
NUM_OFFICIAL = {
    f"{fold}/{split}": count for fold in _FOLDS for split, count in (("train", 1600), ("test", 400))
}
MARKERS = ("meta/esc50.csv", "esc50.csv", "[0-9][0-9][0-9] - *")

_TABLES = ("meta/esc50.csv", "esc50.csv")
_AUDIO = ("audio", "audio/audio", "audio/audio/44100")
_COLUMNS = ("filename", "fold", "category", "src_file")
_CLASS_FOLDER = re.compile(r"\d{3} - (?P<label>.+)")
_NAME = re.compile(r"(?P<fold>[1-5])-(?P<recording>\d+)-[A-Z]\.ogg")


def discover(root: Path) -> Listing:
    """Lists the recordings of either layout.

    Args:
        root: folder that holds the table and ``audio``, or the class folders.

    Raises:
        ValueError: if the folder has neither layout, a row or a name cannot be read, or a row is
            repeated.
    """
    tables = [root / name for name in _TABLES if os.path.lexists(root / name)]
    items = _read_table(root, tables[0]) if tables else _read_folders(root)
    if not items:
        raise ValueError(
            f"ESC-50 needs {' or '.join(_TABLES)} with rows, or class folders '001 - Dog bark',"
            f" in {root}"
        )
    test_folds = [fold for item in items for fold in _FOLDS if item.splits[fold] == "test"]
    num_official = {}
    for fold in _FOLDS:
        num_official[f"{fold}/test"] = test_folds.count(fold)
        num_official[f"{fold}/train"] = len(items) - test_folds.count(fold)
    return Listing(sorted(items, key=lambda item: item.id), num_official)


def _read_table(root: Path, path: Path) -> list[SourceItem]:
    files = {file.name: file for name in reversed(_AUDIO) for file in visible(root / name)}
    items: dict[str, SourceItem] = {}
    for number, (name, fold, label, recording) in lists.table(path, _COLUMNS):
        if not (name and label and recording) or fold not in _FOLDS:
            row = lists.quoted(", ".join((name, fold, label, recording)))
            raise ValueError(f"{path}:{number}: {row} is not a clip of fold 1-5")
        if name in items:
            raise ValueError(f"{path}:{number}: {lists.quoted(name)} is listed twice")
        items[name] = _item(name, files.get(name), label, fold, recording)
    return list(items.values())


def _read_folders(root: Path) -> list[SourceItem]:
    items = []
    for folder in visible(root):
        match = _CLASS_FOLDER.fullmatch(folder.name)
        if match is None:
            continue
        for file in visible(folder):
            if file.suffix.lower() != ".ogg":
                continue
            name = _NAME.fullmatch(file.name)
            if name is None:
                raise ValueError(f"{file} is not named '<fold>-<Freesound id>-<take>.ogg'")
            key = f"{folder.name}/{file.name}"
            items.append(_item(key, file, match["label"], name["fold"], name["recording"]))
    return items


def _item(name: str, path: Path | None, label: str, fold: str, recording: str) -> SourceItem:
    splits = {other: "test" if other == fold else "train" for other in _FOLDS}
    sought = "" if path else f"{name} in {', '.join(_AUDIO)}"
    return SourceItem(name, path, (label,), splits, group=recording, sought=sought)

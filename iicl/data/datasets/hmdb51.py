"""HMDB51: 6,766 clips of 51 human actions, mostly from films.

Source: Kuehne et al., ICCV 2011,
https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database; CC BY 4.0, the films
belong to their makers. Layout:
``testTrainMulti_7030_splits/<class>_test_split<k>.txt`` for k = 1, 2, 3 (other files there are not
read), lines ``<name>.avi <code> `` with code 1 train, 2 test, 0 unused in this fold; videos in
``hmdb51_org/<class>/`` if that folder is there, else in ``<class>/`` of the root; in copies made
for MMAction2 the folders are called ``annotations/`` and ``videos/``. Three folds of 70 train and
30 test clips a class. Names contain ``[ ] ; # ! & (`` and are matched verbatim. Files that no
list names are not part of the corpus.

A group is a film within a class: the part of a name before ``_<class>_``. In the official lists,
train and test never share such a group. They do share films: one film in ten has train clips of one
class and test clips of another class in the same fold. Known losses: none; ``prepare`` finds out
which clips have sound.
"""

import re
from pathlib import Path

from iicl.data import lists
from iicl.data.folders import needed_folder, visible
from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL = {
    f"{fold}/{split}": count for fold in "123" for split, count in (("train", 3570), ("test", 1530))
}
MARKERS = ("testTrainMulti_7030_splits", "hmdb51_org", "annotations/*_test_split1.txt")

_LISTS = ("testTrainMulti_7030_splits", "annotations")
_VIDEOS = ("hmdb51_org", "videos", ".")
_LIST_NAME = re.compile(r"(?P<label>.+)_test_split(?P<fold>[123])\.txt")
_LINE = re.compile(r"(?P<name>\S.{0,250}\.avi) (?P<code>[012]) ?")
_SPLITS = {"1": "train", "2": "test"}


def discover(root: Path) -> Listing:
    """Lists the clips of all official lists.

    Args:
        root: folder that holds ``testTrainMulti_7030_splits`` or ``annotations``.

    Raises:
        ValueError: if there are no lists, a class lacks one of its three lists, or a line cannot be
            read or is repeated.
    """
    list_folder = needed_folder("HMDB51", root, _LISTS)
    list_files = _find_lists(list_folder)
    videos = needed_folder("HMDB51", root, _VIDEOS)
    num_official = dict.fromkeys(NUM_OFFICIAL, 0)
    items = []
    for label in sorted({label for label, _ in list_files}):
        splits: dict[str, dict[str, str]] = {}
        for fold in "123":
            if (label, fold) not in list_files:
                raise ValueError(f"{list_folder} lacks {label}_test_split{fold}.txt")
            for name, code in _read_list(list_files[label, fold], label).items():
                folds = splits.setdefault(name, {})
                if code in _SPLITS:
                    folds[fold] = _SPLITS[code]
                    num_official[f"{fold}/{_SPLITS[code]}"] += 1
        folder = videos / label
        place = folder.relative_to(root).as_posix()
        present = {file.name for file in visible(folder)}
        items += [
            SourceItem(
                id=f"{label}/{name}",
                path=folder / name if name in present else None,
                labels=(label,),
                splits=folds,
                group=f"{label}/{_film(name, label)}",
                sought="" if name in present else f"{name} in {place}",
            )
            for name, folds in splits.items()
        ]
    return Listing(sorted(items, key=lambda item: item.id), num_official)


def _find_lists(folder: Path) -> dict[tuple[str, str], Path]:
    """(class, fold) -> list file."""
    matches = {file: _LIST_NAME.fullmatch(file.name) for file in visible(folder)}
    list_files = {(m["label"], m["fold"]): file for file, m in matches.items() if m}
    if not list_files:
        raise ValueError(f"HMDB51 needs lists named <class>_test_split<k>.txt in {folder}")
    return list_files


def _read_list(path: Path, label: str) -> dict[str, str]:
    """Name -> code of one list."""
    entries: dict[str, str] = {}
    for number, line in lists.lines(path):
        match = _LINE.fullmatch(line)
        if match is None or not _film(match["name"], label):
            raise ValueError(
                f"{path}:{number}: {lists.quoted(line)} is not '<film>_{label}_<rest>.avi <0-2>'"
            )
        if match["name"] in entries:
            raise ValueError(f"{path}:{number}: {lists.quoted(match['name'])} is listed twice")
        entries[match["name"]] = match["code"]
    return entries


def _film(name: str, label: str) -> str:
    """The film that a clip was cut from; empty if the name does not state it."""
    return name.rpartition(f"_{label}_")[0]

"""UCF101: 13,320 clips of 101 human actions from YouTube.

Source: Soomro, Zamir and Shah, CRCV-TR-12-01, 2012, https://www.crcv.ucf.edu/data/UCF101.php;
for research use. Layout: ``UCF-101/<Class>/v_<Class>_gXX_cYY.avi`` and ``ucfTrainTestlist/`` with
``trainlist01.txt`` to ``testlist03.txt``, CRLF line ends, a label number on train lines only; in
copies made for MMAction2 the folders are called ``videos/`` and ``annotations/``.
Three folds; train and test never share a group (``g01`` to ``g25`` of a class). Known losses: none;
about half of the classes have no sound. Folder ``HandstandPushups`` holds
``v_HandStandPushups_*``: paths are matched verbatim and the class is the folder. Files on no list
are not part of the corpus.
"""

import re
from pathlib import Path

from iicl.data import lists
from iicl.data.folders import needed_folder, visible
from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL = {
    "1/train": 9537,
    "1/test": 3783,
    "2/train": 9586,
    "2/test": 3734,
    "3/train": 9624,
    "3/test": 3696,
}
MARKERS = ("UCF-101", "ucfTrainTestlist", "annotations/trainlist01.txt")

_VIDEOS = ("UCF-101", "videos")
_LISTS = ("ucfTrainTestlist", "annotations")

_LINE = re.compile(
    r"(?P<id>(?P<label>[^/]{1,255})/[^/]{0,235}_(?P<group>g\d{1,4})_c\d{1,4}\.avi)(?: \d+)?"
)


def discover(root: Path) -> Listing:
    """Lists the clips of the six official lists.

    Args:
        root: folder that holds ``UCF-101`` and ``ucfTrainTestlist``, or ``videos`` and
            ``annotations``.

    Raises:
        ValueError: if a folder or a list is missing, a line cannot be read, or a clip is both in
            train and in test of one fold.
    """
    videos = needed_folder("UCF101", root, _VIDEOS)
    list_folder = needed_folder("UCF101", root, _LISTS)
    matches: dict[str, re.Match] = {}
    splits: dict[str, dict[str, str]] = {}
    num_official: dict[str, int] = {}
    for key in NUM_OFFICIAL:
        fold, split = key.split("/")
        entries = _read_list(list_folder / f"{split}list0{fold}.txt")
        num_official[key] = len(entries)
        for name, match in entries.items():
            matches[name] = match
            if splits.setdefault(name, {}).setdefault(fold, split) != split:
                raise ValueError(
                    f"{list_folder}: {lists.quoted(name)} is in train and in test of fold {fold}"
                )
    present = {
        f"{folder.name}/{file.name}" for folder in visible(videos) for file in visible(folder)
    }
    items = [
        SourceItem(
            id=name,
            path=videos / name if name in present else None,
            labels=(matches[name]["label"],),
            splits=splits[name],
            group=f"{matches[name]['label']}/{matches[name]['group']}",
            sought="" if name in present else f"{name} in {videos.name}",
        )
        for name in sorted(matches)
    ]
    return Listing(items, num_official)


def _read_list(path: Path) -> dict[str, re.Match]:
    """Entries of one list by id."""
    entries: dict[str, re.Match] = {}
    for number, line in lists.lines(path):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(
                f"{path}:{number}: {lists.quoted(line)} is not '<Class>/v_<Class>_gXX_cYY.avi'"
            )
        if match["id"] in entries:
            raise ValueError(f"{path}:{number}: {lists.quoted(match['id'])} is listed twice")
        entries[match["id"]] = match
    return entries

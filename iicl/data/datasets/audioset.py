"""AudioSet: ten-second YouTube segments with 527 sound event labels, several per segment.

Source: Gemmeke et al., ICASSP 2017, https://research.google.com/audioset; the lists are CC BY 4.0,
the media belong to their uploaders. Layout: any of ``balanced_train_segments.csv`` (22,160),
``unbalanced_train_segments.csv`` (2,041,789) and ``eval_segments.csv`` (20,371), each with ``#``
header lines and ``, `` between fields, and ``class_labels_indices.csv``. Train lists are "train"
and the eval list is "test" of fold 1; labels are display names. Known losses: videos
vanish from YouTube, so no two copies are the same.

Media files are looked for in ``video/``, in a folder named like the list (``eval_segments/``), in
the root and in the folders that audiosetdl makes (``data/eval_segments/`` with ``video/`` and
``audio/``). Their names are ``<ytid>_<start ms>_<end ms>`` or ``<ytid>_<start s>_<end s>`` with six
digits (the file is the segment), or ``<ytid>`` (the whole video, from which the segment is cut).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from iicl.data import lists
from iicl.data.folders import media_by_stem, where
from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL = {"1/train": 22_160 + 2_041_789, "1/test": 20_371}
_LISTS = {
    "balanced_train_segments.csv": "train",
    "unbalanced_train_segments.csv": "train",
    "eval_segments.csv": "test",
}
_LABELS = "class_labels_indices.csv"
MARKERS = (*_LISTS, _LABELS)
_FOLDERS = (
    "video",
    "{list}",
    ".",
    "{list}/video",
    "data/{list}/video",
    "data/{list}",
    "audio",
    "{list}/audio",
    "data/{list}/audio",
)
_YTID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = re.compile(r"\d{1,6}(\.\d+)?", re.ASCII)
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".wav", ".flac", ".m4a", ".ogg", ".mp3")


def discover(root: Path) -> Listing:
    """Lists the segments of all lists that exist.

    Args:
        root: folder that holds the csv files.

    Raises:
        ValueError: if there is no list or no label file, or if a row cannot be read or is repeated.
    """
    list_files = [root / name for name in _LISTS if os.path.lexists(root / name)]
    if not list_files:
        raise ValueError(f"AudioSet needs one of {', '.join(_LISTS)} in {root}")
    display_names = _read_labels(root / _LABELS)
    items: dict[str, SourceItem] = {}
    num_official: dict[str, int] = {}
    for path in list_files:
        split = _LISTS[path.name]
        folders = [folder.format(list=path.stem) for folder in _FOLDERS]
        media = media_by_stem((root / folder for folder in folders), _SUFFIXES)
        place = where(_SUFFIXES, folders)
        num_before = len(items)
        for number, (ytid, start, end), labels in _read_segments(path, display_names):
            item = _item(ytid, start, end, labels, split, media, place)
            if item.id in items:
                raise ValueError(
                    f"{path}:{number}: segment {lists.quoted(item.id)} is listed twice"
                )
            items[item.id] = item
        if len(items) == num_before:
            raise ValueError(f"{path} lists no segment")
        key = f"1/{split}"
        num_official[key] = num_official.get(key, 0) + len(items) - num_before
    return Listing([items[name] for name in sorted(items)], num_official)


def _item(
    ytid: str,
    start: float,
    end: float,
    labels: tuple[str, ...],
    split: str,
    media: dict[str, Path],
    place: str,
) -> SourceItem:
    name = f"{ytid}_{round(start * 1000)}_{round(end * 1000)}"
    name_in_seconds = f"{ytid}_{round(start):06d}_{round(end):06d}"
    segment = media.get(name) or media.get(name_in_seconds)
    whole = media.get(ytid) if segment is None else None
    return SourceItem(
        id=name,
        path=segment or whole,
        labels=labels,
        splits={"1": split},
        group=ytid,
        start_seconds=start if whole else None,
        end_seconds=end if whole else None,
        sought="" if segment or whole else f"{name}, {name_in_seconds} or {ytid} {place}",
    )


def _read_labels(path: Path) -> dict[str, str]:
    """Machine id -> display name."""
    names: dict[str, str] = {}
    for number, (mid, name) in lists.table(path, ("mid", "display_name")):
        if not mid or not name or names.get(mid, name) != name:
            row = lists.quoted(f"{mid}, {name}")
            raise ValueError(f"{path}:{number}: {row} has an empty field, or its mid has two names")
        names[mid] = name
    return names


def _read_segments(
    path: Path, display_names: dict[str, str]
) -> Iterator[tuple[int, tuple[str, float, float], tuple[str, ...]]]:
    """Line number, (ytid, start seconds, end seconds) and display names of the rows of one list."""
    for number, fields in lists.rows(path, comments=True):
        try:
            segment, mids = _segment(fields), fields[3].split(",")
            if unknown := [mid for mid in mids if mid not in display_names]:
                raise ValueError(f"{_LABELS} has no {lists.quoted(unknown[0])}")
        except ValueError as error:
            row = lists.quoted(", ".join(fields))
            raise ValueError(
                f"{path}:{number}: {row} is not 'YTID, start, end, \"labels\"': {error}"
            ) from None
        # The labels are a set: repeated labels are dropped.
        yield number, segment, tuple(dict.fromkeys(display_names[mid] for mid in mids))


def _segment(fields: list[str]) -> tuple[str, float, float]:
    """YouTube id, start and end in seconds."""
    if len(fields) != 4:
        raise ValueError(f"{len(fields)} fields and not 4")
    ytid, start, end, _ = fields
    if not _YTID.fullmatch(ytid):
        raise ValueError("a YouTube id has letters, digits, - and _")
    if not _SECONDS.fullmatch(start) or not _SECONDS.fullmatch(end) or float(start) >= float(end):
        raise ValueError("the end is not after the start, in seconds below 1,000,000")
    return ytid, float(start), float(end)

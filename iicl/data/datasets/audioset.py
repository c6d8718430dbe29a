"""AudioSet: ten-second YouTube segments with 527 sound event labels, several per segment.

Source: Gemmeke et al., ICASSP 2017, https://research.google.com/audioset; the lists are CC BY 4.0,
the media belong to their uploaders. Layout: any of ``balanced_train_segments.csv`` (22,160),
``unbalanced_train_segments.csv`` (2,041,789) and ``eval_segments.csv`` (20,371), each with ``#`` header
lines and ``, `` between fields, and ``class_labels_indices.csv``. Train lists are "train" and the eval
list is "test" of fold 1; labels are display names. Known losses: videos vanish from YouTube, no two
copies are the same.

Media are looked for in ``video/``, in a folder named as the list (``eval_segments/``) and in the root, as
``<ytid>_<start ms>_<end ms>`` or ``<ytid>_<start s>_<end s>`` with six digits (a file that is the
segment), or ``<ytid>`` (the whole video, from which the segment is cut).
"""

import csv
from pathlib import Path

from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL = {"1/train": 22_160 + 2_041_789, "1/test": 20_371}
_LISTS = {
    "balanced_train_segments.csv": "train",
    "unbalanced_train_segments.csv": "train",
    "eval_segments.csv": "test",
}
_LABELS = "class_labels_indices.csv"
MARKERS = (*_LISTS, _LABELS)
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".wav", ".flac", ".m4a", ".ogg", ".mp3")


def discover(root: Path) -> Listing:
    """Lists the segments of the lists that are there.

    Args:
        root: folder that holds the csv files.

    Raises:
        ValueError: if there is no list or no label file, or a row cannot be read or comes twice.
    """
    lists = [root / name for name in _LISTS if (root / name).is_file()]
    if not lists:
        raise ValueError(f"AudioSet needs one of {', '.join(_LISTS)} in {root}")
    display_names = _read_labels(root / _LABELS)
    items: dict[str, SourceItem] = {}
    num_official: dict[str, int] = {}
    for path in lists:
        media = _media([root / "video", root / path.stem, root])
        key = f"1/{_LISTS[path.name]}"
        rows = _read_segments(path, display_names)
        num_official[key] = num_official.get(key, 0) + len(rows)
        for ytid, start, end, labels in rows:
            item = _item(ytid, start, end, labels, _LISTS[path.name], media)
            if item.id in items:
                raise ValueError(f"{path}: segment {item.id} is listed twice")
            items[item.id] = item
    return Listing([items[name] for name in sorted(items)], num_official)


def _item(
    ytid: str,
    start: float,
    end: float,
    labels: tuple[str, ...],
    split: str,
    media: dict[str, Path],
) -> SourceItem:
    name = f"{ytid}_{round(start * 1000)}_{round(end * 1000)}"
    segment = media.get(name) or media.get(f"{ytid}_{round(start):06d}_{round(end):06d}")
    whole = media.get(ytid) if segment is None else None
    return SourceItem(
        id=name,
        path=segment or whole,
        labels=labels,
        splits={"1": split},
        group=ytid,
        start_seconds=start if whole else None,
        end_seconds=end if whole else None,
    )


def _media(folders: list[Path]) -> dict[str, Path]:
    """Media files by stem; the first folder and the first suffix win."""
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            files = [file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES]
            for file in sorted(files, key=lambda f: _SUFFIXES.index(f.suffix.lower())):
                found.setdefault(file.stem, file)
    return found


def _read_labels(path: Path) -> dict[str, str]:
    """Machine id -> display name."""
    if not path.is_file():
        raise ValueError(f"AudioSet needs the label file {path}")
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if not rows or not {"mid", "display_name"} <= rows[0].keys():
        raise ValueError(f"{path} needs the columns index, mid, display_name")
    return {row["mid"]: row["display_name"] for row in rows}


def _read_segments(
    path: Path, display_names: dict[str, str]
) -> list[tuple[str, float, float, tuple[str, ...]]]:
    """Rows (ytid, start seconds, end seconds, display names) of one list."""
    rows = []
    with open(path, encoding="utf-8", newline="") as stream:
        for number, fields in enumerate(csv.reader(stream, skipinitialspace=True), 1):
            if not fields or fields[0].startswith("#"):
                continue
            try:
                ytid, start, end, mids = fields
                labels = tuple(display_names[mid] for mid in mids.split(","))
                rows.append((ytid, float(start), float(end), labels))
            except (ValueError, KeyError) as error:
                raise ValueError(
                    f"{path}:{number}: {fields} is not 'YTID, start, end, \"known labels\"' ({error})"
                ) from None
    return rows

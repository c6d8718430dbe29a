"""Kinetics-400: ten-second YouTube segments of 400 human actions, one label each.

Source: Kay et al., arXiv 1705.06950, https://deepmind.com/kinetics; the lists are CC BY 4.0, the
media belong to their uploaders. Layout: csv files with the columns ``label, youtube_id, time_start,
time_end, split`` and perhaps ``is_cc``, in the root or in ``annotations/``: ``train.csv`` or
``kinetics_train.csv``, and ``val.csv``, ``validate.csv`` or ``kinetics_val.csv``. The train list is
"train" of fold 1. The val list is its "test", as is usual, because the test list was published
without labels: the 40,000 rows of ``test.csv`` are not part of the corpus and never read.
Known losses: videos vanish from YouTube, no two copies are the same, and some 7,000 are silent.

Media are ``<youtube_id>_<start>_<end>`` with six digits each, in seconds, one file per segment.
They are looked for in ``train/`` or ``val/`` (the row's list), then in the root, and there in the
folder itself and in all folders in it, whatever these are called: the label is the csv's.
"""

import csv
from pathlib import Path

from iicl.data.manifest import Listing, SourceItem

# 306,245 clips with 50 a class in val and 100 a class in test, by the paper's section 2.
NUM_OFFICIAL = {"1/train": 246_245, "1/test": 20_000}
_LISTS = {
    "train": ("train.csv", "kinetics_train.csv"),
    "val": ("val.csv", "validate.csv", "kinetics_val.csv"),
}
_SPLITS = {"train": "train", "val": "test"}
MARKERS = tuple(
    folder + name for names in _LISTS.values() for folder in ("", "annotations/") for name in names
)
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")


def discover(root: Path) -> Listing:
    """Lists the segments of the lists that are there.

    Args:
        root: folder that holds the csv files or ``annotations``.

    Raises:
        ValueError: if there is no list, or two of one split, or a row cannot be read or comes
            twice.
    """
    items: dict[str, SourceItem] = {}
    num_official: dict[str, int] = {}
    for name, split in _SPLITS.items():
        path = _find_list(root, name)
        if path is None:
            continue
        media = _media((root / name, root))
        rows = _read_rows(path)
        num_official[f"1/{split}"] = len(rows)
        for label, ytid, start, end in rows:
            key = f"{ytid}_{start:06d}_{end:06d}"
            if key in items:
                raise ValueError(f"{path}: segment {key} is listed twice")
            items[key] = SourceItem(
                id=key, path=media.get(key), labels=(label,), splits={"1": split}, group=ytid
            )
    if not items:
        raise ValueError(f"Kinetics-400 needs one of {', '.join(MARKERS)} with rows in {root}")
    return Listing([items[key] for key in sorted(items)], num_official)


def _find_list(root: Path, name: str) -> Path | None:
    folders = (root, root / "annotations")
    found = [folder / file for folder in folders for file in _LISTS[name]]
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        raise ValueError(f"two {name} lists, remove one: {' and '.join(map(str, found))}")
    return found[0] if found else None


def _media(bases: tuple[Path, ...]) -> dict[str, Path]:
    """Media files by stem; the first base, folder and suffix win."""
    found: dict[str, Path] = {}
    for base in bases:
        if not base.is_dir():
            continue
        for folder in [base, *sorted(path for path in base.iterdir() if path.is_dir())]:
            files = [file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES]
            for file in sorted(files, key=lambda f: _SUFFIXES.index(f.suffix.lower())):
                found.setdefault(file.stem, file)
    return found


def _read_rows(path: Path) -> list[tuple[str, str, int, int]]:
    """Rows (label, YouTube id, start second, end second) of one list."""
    rows = []
    with open(path, encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        if not set(_COLUMNS) <= set(table.fieldnames or ()):
            raise ValueError(f"{path} needs the columns {', '.join(_COLUMNS)}")
        for row in table:
            label, ytid, start, end = (row[column] for column in _COLUMNS)
            try:
                if not label or not ytid or int(start) >= int(end):
                    raise ValueError("a field is empty or the end not after the start")
                rows.append((label, ytid, int(start), int(end)))
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{path}:{table.line_num}: {list(row.values())} is not "
                    f"'{', '.join(_COLUMNS)}' ({error})"
                ) from None
    return rows

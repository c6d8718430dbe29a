"""Anyone's own clips: class folders of media files.

Source, licence and counts are the user's; there is no official list. Layout: any file at any depth
below ``<root>/<class>/``. If the root holds both ``train/`` and ``test/``, class folders are looked for
in these and they are the splits of fold 1; otherwise every item is "train". A root without any
sub-folder is one class of its own name. Hidden files, and files beside the class folders (a README), are
not part of the corpus; any other file is listed, with a reason if it turns out not to be media.
"""

import os
from pathlib import Path

from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL: dict[str, int] = {}
MARKERS: tuple[str, ...] = ()


def discover(root: Path) -> Listing:
    """Lists all files of all class folders.

    Args:
        root: folder of class folders, or of ``train`` and ``test`` with class folders each.

    Raises:
        ValueError: if ``root`` is no folder or there is no file in any class folder.
    """
    if not root.is_dir():
        raise ValueError(f"no such folder: {root}")
    splits = {"train": root / "train", "test": root / "test"}
    if not all(folder.is_dir() for folder in splits.values()):
        splits = {"train": root}
    items = [
        SourceItem(
            id=file.relative_to(root).as_posix(),
            path=file,
            labels=(label,),
            splits={"1": split},
            group=file.relative_to(root).as_posix(),
        )
        for split, base in splits.items()
        for label, folder in _class_folders(base).items()
        for file in _files(folder)
    ]
    if not items:
        raise ValueError(f"no file in any class folder of {root}")
    num_official = {
        f"1/{split}": sum(item.splits["1"] == split for item in items) for split in splits
    }
    return Listing(sorted(items, key=lambda item: item.id), num_official)


def _class_folders(base: Path) -> dict[str, Path]:
    folders = {
        folder.name: folder
        for folder in base.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    }
    return folders or {base.resolve().name: base}


def _files(folder: Path) -> list[Path]:
    return [
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".")
    ]

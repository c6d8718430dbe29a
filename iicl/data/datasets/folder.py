"""A user's own clips: class folders of media files.

Source and licence are the user's; there is no official list. Layout: any file at any depth below
``<root>/<class>/``. If the root holds both ``train/`` and ``test/``, the class folders are in these
two, which are the splits of fold 1; otherwise every item is "train". A root without any sub-folder
is one class with the name of the root.

Hidden files and folders (``._clip.mp4``, ``__MACOSX/``) are not part of the corpus. Neither are
files beside the class folders (a README); a warning names them. Every other file is listed, and
gets a reason if it turns out not to be media. Links to folders are followed, except to folders that
contain the link.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from iicl.data.folders import is_hidden, visible
from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL: dict[str, int] = {}
MARKERS: tuple[str, ...] = ()

logger = logging.getLogger(__name__)


def discover(root: Path) -> Listing:
    """Lists all files of all class folders.

    Args:
        root: folder of class folders, or of ``train`` and ``test`` with class folders each.

    Raises:
        ValueError: if ``root`` is not a folder, there is no file in any class folder, or a class
            folder is a link to a folder that contains it.
        OSError: if a folder cannot be read, because its files would be missing from the list.
    """
    if not root.is_dir():
        raise ValueError(f"no such folder: {root}")
    splits = {"train": root / "train", "test": root / "test"}
    if not all(folder.is_dir() for folder in splits.values()):
        splits = {"train": root}
    else:
        _say_left_out(root, splits)
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
    folders = {folder.name: folder for folder in visible(base) if folder.is_dir()}
    for folder in folders.values():
        if _holds(folder, base):
            raise ValueError(f"{folder} is a link to a folder that holds it")
    if folders:
        _say_left_out(base, folders)
    return folders or {base.resolve().name: base}


def _files(folder: Path) -> list[Path]:
    files = []
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        loops = [name for name in folders if _holds(Path(parent, name), Path(parent))]
        folders[:] = [name for name in folders if name not in loops and not is_hidden(name)]
        files += [Path(parent, name) for name in names + loops if not is_hidden(name)]
    return files


def _holds(folder: Path, inner: Path) -> bool:
    """Whether a link leads to a folder above it, so that following it would never end."""
    return folder.is_symlink() and inner.resolve().is_relative_to(folder.resolve())


def _say_left_out(base: Path, used: Iterable[str]) -> None:
    others = {path.name for path in visible(base)} - set(used)
    if others:
        names = ", ".join(sorted(map(ascii, others))[:3]) + ", ..." * (len(others) > 3)
        logger.warning("%s: not in a class folder and left out: %s", base, names)


def _raise(error: OSError) -> None:
    raise error

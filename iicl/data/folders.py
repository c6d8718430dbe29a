"""Finds media files in the folders of a source."""

from collections.abc import Iterable, Sequence
from pathlib import Path

# macOS and network storage put copies and previews into these folders.
_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name belongs to no corpus, for example ``._clip.mp4``."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def visible(folder: Path) -> list[Path]:
    """Sorted files and folders in a folder, without hidden ones; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_hidden(path.name))


def needed_folder(corpus: str, root: Path, names: Sequence[str]) -> Path:
    """The first of several folders that exists.

    Raises:
        ValueError: if none exists.
    """
    for name in names:
        if (root / name).is_dir():
            return root / name
    frames = "; rawframes holds pictures, not clips" * (root / "rawframes").is_dir()
    raise ValueError(f"{corpus} needs the folder {' or '.join(names)} in {root}{frames}")


def where(suffixes: Sequence[str], names: Iterable[str]) -> str:
    """Part of a message: which suffixes were looked for, in which folders of the source."""
    folders = ", ".join("the source itself" if name == "." else name for name in names)
    return f"({', '.join(suffixes)}) in {folders}"


def media_by_stem(folders: Iterable[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    """Name without suffix -> media file.

    If several files share a name, the first folder counts, and in it the first suffix.
    """
    media: dict[str, Path] = {}
    for folder in folders:
        files = [file for file in visible(folder) if file.suffix.lower() in suffixes]
        for file in sorted(files, key=lambda file: suffixes.index(file.suffix.lower())):
            media.setdefault(file.stem, file)
    return media

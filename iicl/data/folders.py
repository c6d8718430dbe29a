"""Looks for media in the folders of a source."""

from collections.abc import Iterable, Sequence
from pathlib import Path

# Folders of copies and previews that macOS and network storage leave beside the files.
_SYSTEM_FOLDERS = ("__MACOSX", "@eaDir")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is no part of any corpus, as ``._clip.mp4``."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def visible(folder: Path) -> list[Path]:
    """The files and folders in a folder, sorted, without hidden ones; none if it is not there."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_hidden(path.name))


def needed_folder(corpus: str, root: Path, names: Sequence[str]) -> Path:
    """The first of several folders that is there.

    Raises:
        ValueError: if none is.
    """
    for name in names:
        if (root / name).is_dir():
            return root / name
    frames = "; rawframes are pictures and not clips" * (root / "rawframes").is_dir()
    raise ValueError(f"{corpus} needs the folder {' or '.join(names)} in {root}{frames}")


def where(suffixes: Sequence[str], names: Iterable[str]) -> str:
    """For a message: which suffixes were looked for in which folders of the source."""
    folders = ", ".join("the source itself" if name == "." else name for name in names)
    return f"({', '.join(suffixes)}) in {folders}"


def media_by_stem(folders: Iterable[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    """Media files by name without suffix; of equal names the first folder, then suffix, wins."""
    media: dict[str, Path] = {}
    for folder in folders:
        files = [file for file in visible(folder) if file.suffix.lower() in suffixes]
        for file in sorted(files, key=lambda file: suffixes.index(file.suffix.lower())):
            media.setdefault(file.stem, file)
    return media

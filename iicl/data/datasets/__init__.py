"""Readers of official layouts, one module per corpus, found by its file name.

A reader lists what a source folder holds, without reading media. Each module has

- ``NUM_OFFICIAL``: "<fold>/<split>" -> size of the official list;
- ``MARKERS``: names or patterns of names; every layout that the reader knows has at least one of
  them in its root;
- ``discover(root) -> Listing``.
"""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Protocol, cast

from iicl.data.folders import visible
from iicl.data.manifest import Listing

# Names of folders in which corpora keep splits, media and lists. Classes rarely have such names.
_PART = re.compile(
    r"((videos?|clips?|audios?|frames?)[_-]?)?"
    r"(train(ing)?|test(ing)?|val(id(ation|ate)?)?|dev|eval(uation)?)"
    r"([_-]?(videos?|clips?|audios?|frames?|set|data|segments|\d+))?"
    r"|videos?|clips?|audios?|(raw)?frames|rgb|flow|data|annotations?|meta(data)?|labels?"
    r"|lists?|splits?",
    re.IGNORECASE,
)


class Reader(Protocol):
    """What a dataset module must have."""

    NUM_OFFICIAL: dict[str, int]
    MARKERS: tuple[str, ...]

    def discover(self, root: Path) -> Listing:
        """Lists the corpus below ``root``; ValueError if the reader does not know its layout."""


def names() -> list[str]:
    """Sorted names of all readers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reader(name: str) -> Reader:
    """The reader with this name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no reader named {name!r}; there are: {', '.join(names())}")
    return cast(Reader, importlib.import_module(f"{__name__}.{name}"))


def detect(corpus: str, root: Path, *, stand_in: bool = False) -> str:
    """Name of the reader for a source; looks at a few file names and reads no lists.

    Args:
        corpus: name of the corpus that the source is given for.
        root: the source folder.
        stand_in: whether class folders may replace a corpus that has a reader of its own.

    Returns:
        The name of the corpus's own reader if there is one, otherwise "folder".

    Raises:
        ValueError: if ``root`` is not a folder, or the reader does not know its layout.
    """
    if not root.is_dir():
        raise ValueError(f"no such folder: {root}")
    if corpus == "folder" or (corpus in names() and _is_layout_of(corpus, root)):
        return corpus
    parts = " and ".join(map(ascii, _parts(corpus, root)))
    if corpus not in names():
        if not parts:
            return "folder"
        raise ValueError(
            f"{root} holds {parts}, which are parts of a corpus and no classes; --reader folder"
            f" takes them as classes, other readers are {', '.join(_readers_of_corpora())}"
        )
    if stand_in and not parts:
        return "folder"
    remedy = "to read class folders, add --reader folder"
    if stand_in:
        remedy = f"what is called {parts} is part of a corpus and cannot stand in for one"
    raise ValueError(
        f"{root} is not laid out as {corpus}: it holds none of"
        f" {', '.join(reader(corpus).MARKERS)}{_hint(corpus, root)}; {remedy}"
    )


def _readers_of_corpora() -> list[str]:
    return [name for name in names() if name != "folder"]


def _is_layout_of(corpus: str, root: Path) -> bool:
    return any(any(root.glob(marker)) for marker in reader(corpus).MARKERS)


def _parts(corpus: str, root: Path) -> list[str]:
    """Names of the folders in ``root`` that are parts of a corpus and not classes."""
    folders = {path.name: path for path in visible(root) if path.is_dir()}
    if {"train", "test"} <= folders.keys():
        return []  # the folder reader takes them as splits
    own = {marker.split("/")[0] for n in _readers_of_corpora() for marker in reader(n).MARKERS}
    parts = [name for name in folders if name in own or _PART.fullmatch(name)]
    if corpus in names() and root.resolve().name in own:
        parts.append(root.resolve().name)
    if (
        parts == ["train"]
        and len(folders) > 1
        and not any(map(Path.is_dir, visible(root / "train")))
    ):
        return []  # the class of trains (vehicles), beside other classes
    return parts


def _hint(corpus: str, root: Path) -> str:
    """Part of a message: what lies near ``root`` that suggests what the user may do, or empty."""
    for folder in (*filter(Path.is_dir, visible(root)), root.resolve().parent):
        if _is_layout_of(corpus, folder):
            return f" (but {folder} does: give that folder)"
    if any(
        path.suffix.lower() == ".json" for path in visible(root) + visible(root / "annotations")
    ):
        return " (JSON lists are not read)"
    return " (rawframes holds pictures, not clips)" * (root / "rawframes").is_dir()

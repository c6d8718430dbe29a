"""Readers of official layouts, one module per corpus, found by its file name.

A reader lists what a source folder holds and reads no media. Each module has ``NUM_OFFICIAL``
("<fold>/<split>" -> size of the official list), ``MARKERS`` (names in the root that betray the
official layout) and ``discover(root) -> Listing``.
"""

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from iicl.data.manifest import Listing


class Reader(Protocol):
    """What a dataset module offers."""

    NUM_OFFICIAL: dict[str, int]
    MARKERS: tuple[str, ...]

    def discover(self, root: Path) -> Listing:
        """Lists the corpus below ``root``; ValueError if it is not the official layout."""


def names() -> list[str]:
    """Sorted names of all readers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no reader named {name!r}; there are: {', '.join(names())}")
    return cast(Reader, importlib.import_module(f"{__name__}.{name}"))


def detect(corpus: str, root: Path) -> str:
    """Which reader fits a source given for a corpus.

    Args:
        corpus: name of the corpus that the source stands for.
        root: the source folder.

    Returns:
        The corpus's own reader if anything of its official layout is there, otherwise "folder".

    Raises:
        ValueError: if ``root`` is no folder.
    """
    if not root.is_dir():
        raise ValueError(f"no such folder: {root}")
    if corpus in names() and any((root / marker).exists() for marker in reader(corpus).MARKERS):
        return corpus
    return "folder"

"""Views: kinds of data of an item, one module each, found by its file name.

A view says how its samples are read in a worker and what a method gets of them. Its module imports
no torch, except inside ``transform``, so that planning can ask for its constants. No module of a
view is imported here by name: a new view leaves the code of every other as it was.
"""

import importlib
import pkgutil
from typing import Protocol, cast


class View(Protocol):
    """What the module of a view offers."""

    REQUIRES: str | None
    """The view of the manifest that an item must have; None: every item has it."""

    ENCODER: str | None
    """Name of the encoder that is used unless another is asked for; None: nothing encodes it."""

    TAKES: frozenset[str]
    """The settings of a :class:`iicl.samples.Sample` that mean something to it."""


def names() -> list[str]:
    """Sorted names of all views."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> View:
    """The view of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no view named {name!r}; there are: {', '.join(names())}")
    return cast(View, importlib.import_module(f"{__name__}.{name}"))

"""Views: kinds of data of an item, one module each, found by its file name.

:class:`iicl.data.view.View` says what the module of a view offers. It imports no torch, except
inside functions, so that planning can ask for its constants. No view is imported here by name: a
new view leaves the code of every other as it was.
"""

import functools
import importlib
import pkgutil
from typing import Any


def names() -> list[str]:
    """Sorted names of all views."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


@functools.cache
def get(name: str) -> Any:
    """The module of a view, a :class:`iicl.data.view.View`.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no view named {name!r}; there are: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")

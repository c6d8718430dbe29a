"""Pretext methods, one folder each, found by name.

A folder holds ``settings.py`` with ``Settings``, which imports no torch and says what the method
costs, and ``method.py`` with
``build(settings, phase, encoders, facts)``, which makes the :class:`iicl.methods.base.Method`.

Modules are imported by name when they are asked for: a method that nobody uses changes nobody's
code hash.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iicl.methods.settings import MethodSettings

if TYPE_CHECKING:
    from iicl.config import CorpusFacts
    from iicl.encoders.choice import Encoders
    from iicl.methods.base import Method


def names() -> list[str]:
    """Sorted names of all methods."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@functools.cache
def settings_class(name: str) -> type[MethodSettings]:
    """The settings of the method of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no method named {name!r}; legal: {', '.join(names())}")
    settings: type[MethodSettings] = importlib.import_module(f"{__name__}.{name}.settings").Settings
    return settings


def read_settings(settings: Mapping[str, Any]) -> MethodSettings:
    """The settings of the method that the key ``name`` names.

    Raises:
        ValueError: if there is no such method, or a setting is unknown or out of range.
    """
    if not isinstance(settings, Mapping) or "name" not in settings:
        raise ValueError(f"a method needs a name; legal: {', '.join(names())}")
    return settings_class(settings["name"]).model_validate(settings)


def build(
    settings: MethodSettings, phase: str, encoders: "Encoders", facts: "CorpusFacts"
) -> "Method":
    """Make a method with freshly initialised weights, drawn from torch's global generator.

    Args:
        settings: of the method; their ``name`` is its folder in this package.
        phase: what the method is built for; some train fewer parts in their first phase.
        encoders: sizes of the encoders.
        facts: of the corpus that it is pretrained on.

    Raises:
        ValueError: if the settings do not fit together, or the corpus lacks what the method needs.
    """
    method: Method = importlib.import_module(f"{__name__}.{settings.name}.method").build(
        settings, phase, encoders, facts
    )
    return method

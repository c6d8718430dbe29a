"""The methods, encoders and views that there are, in words. Imports no torch."""

import importlib
import textwrap
from collections.abc import Iterator
from types import ModuleType

from iicl import encoders, methods, views
from iicl.config import Config


def catalogue() -> str:
    """What a table can name: each method, encoder and view with its settings and their defaults."""
    return "\n".join([*_methods(), "", *_encoders(), "", *_views()])


def _methods() -> Iterator[str]:
    yield "methods (method: NAME, its settings beside it):"
    for name in methods.names():
        settings = methods.settings_class(name)
        yield from _entry(methods, name, _settings(settings, {"name"}))
        source = f"printed as {settings.SYSTEM}; {settings.REFERENCE}"
        yield textwrap.fill(source, 96, initial_indent="    ", subsequent_indent="    ")
        for sentence in settings.DEPARTURES:
            yield textwrap.fill(sentence, 96, initial_indent="    - ", subsequent_indent="      ")


def _encoders() -> Iterator[str]:
    yield "encoders (encoders: {VIEW: NAME, VIEW_SETTING: VALUE}):"
    for name in encoders.names():
        yield from _entry(encoders, name, _settings(encoders.settings_class(name), set()))


def _views() -> Iterator[str]:
    yield "views (what the samples of a method are of):"
    for name in views.names():
        encoder = views.get(name).ENCODER
        yield from _entry(views, name, f"default encoder: {encoder}" if encoder else "no encoder")


def _entry(package: ModuleType, name: str, text: str) -> Iterator[str]:
    module = importlib.import_module(f"{package.__name__}.{name}")
    yield f"  {name}: {(module.__doc__ or '').splitlines()[0]}"
    if text:
        yield textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="    ")


def _settings(settings: type[Config], hidden: set[str]) -> str:
    """Names of settings with their defaults."""
    fields = {n: field for n, field in settings.model_fields.items() if n not in hidden}
    return ", ".join(f"{name} = {field.default!r}" for name, field in fields.items())

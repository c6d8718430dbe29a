"""Which encoder each view has, and its sizes, as a table writes them. Imports no torch."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from iicl import encoders, views
from iicl.encoders.settings import EncoderSettings

ALWAYS_WRITTEN = ("video", "audio")
"""Views whose encoders every pretraining writes, whether it reads them or not."""


class Encoders(BaseModel):
    """The encoder of each view.

    It is written flat: ``video: r2plus1d`` names the encoder of the view ``video``, and
    ``video_width: 64`` is the setting ``width`` of that encoder. The name is written only where it
    is not the view's default.

    Attributes:
        by_view: settings of encoders; a view that is not in it has its default encoder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    by_view: dict[str, SerializeAsAny[EncoderSettings]]

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, flat: Any) -> Any:
        if isinstance(flat, Encoders):
            return flat
        if not isinstance(flat, Mapping):
            raise PydanticCustomError("no_settings", "keys with values are expected")
        by_view: dict[str, EncoderSettings] = {}
        problems: list[InitErrorDetails] = []
        rest = dict(flat)
        legal: list[str] = []
        for view, default in default_names().items():
            given = view in rest
            name = rest.pop(view, default)
            try:
                settings = _that_fits(view, name)
            except ValueError as problem:
                problems.append(_problem((view,), name, str(problem)))
                settings = encoders.settings_class(default)
            keys = {f"{view}_{field}": field for field in settings.model_fields}
            legal += [view, *keys]
            own = {keys[key]: rest.pop(key) for key in list(rest) if key in keys}
            if not (given or own or view in ALWAYS_WRITTEN):
                continue
            try:
                by_view[view] = settings.model_validate(own)
            except ValidationError as refused:
                for error in refused.errors():
                    place = (f"{view}_{error['loc'][0]}", *error["loc"][1:])
                    problems.append(_problem(place, error["input"], error["msg"]))
        problems += [
            _problem((key,), value, f"unknown setting; legal: {', '.join(legal)}")
            for key, value in rest.items()
        ]
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return {"by_view": by_view}

    @model_serializer
    def _to_flat(self) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        defaults = default_names()
        for view, settings in self.by_view.items():
            if defaults[view] != settings.NAME:
                flat[view] = settings.NAME
            flat |= {f"{view}_{key}": value for key, value in settings.model_dump().items()}
        return flat

    def of(self, view: str) -> EncoderSettings:
        """The settings of a view's encoder.

        Raises:
            ValueError: if the view has none.
        """
        if view in self.by_view:
            return self.by_view[view]
        defaults = default_names()
        if view not in defaults:
            raise ValueError(f"the view {view!r} has no encoder; legal: {', '.join(defaults)}")
        return encoders.settings_class(defaults[view])()

    def for_views(self, names: Iterable[str]) -> "Encoders":
        """These, with the encoders of some views written out."""
        defaults = default_names()
        added = {view: self.of(view) for view in names if view in defaults}
        return self.model_copy(update={"by_view": {**self.by_view, **added}})


@functools.cache
def default_names() -> Mapping[str, str]:
    """View -> name of its default encoder, for every view that has one."""
    by_view = {view: views.get(view).ENCODER for view in views.names()}
    return {view: name for view, name in by_view.items() if name is not None}


def _that_fits(view: str, name: str) -> type[EncoderSettings]:
    """The settings of the encoder of that name.

    Raises:
        ValueError: if there is none, or it does not take what the view gives.
    """
    settings, kind = encoders.settings_class(name), views.get(view).INPUT
    if kind != settings.INPUT:
        legal = [n for n in encoders.names() if kind == encoders.settings_class(n).INPUT]
        raise ValueError(
            f"the encoder {name} takes {settings.INPUT!r}, the view {view} gives {kind!r};"
            f" legal: {', '.join(legal)}"
        )
    return settings


def _problem(place: tuple[int | str, ...], value: object, message: str) -> InitErrorDetails:
    kind = PydanticCustomError("encoders", "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=place, input=value)

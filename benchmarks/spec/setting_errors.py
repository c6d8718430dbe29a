"""From a setting that a stage refuses to the line of the file that holds it."""

from collections.abc import Sequence
from typing import Any

from benchmarks.spec.scale import Scale
from benchmarks.spec.table import Settings, Table
from slurm.strict_yaml import KeyPath


def _words(problem: ValueError) -> str:
    """A validation error as one line."""
    errors = getattr(problem, "errors", None)
    if errors is None:
        return str(problem)
    first = errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])} is {first['input']!r}: {first['msg']}"


def _parts(problem: ValueError) -> list[str]:
    """The keys that lead to the value that a validation error is about."""
    errors = getattr(problem, "errors", None)
    return [str(part) for part in errors()[0]["loc"]] if errors else []


def _holds(settings: Any, path: Sequence[str]) -> bool:
    """Whether nested settings set the value at ``path``."""
    for key in path:
        if not isinstance(settings, dict):
            return isinstance(settings, list)  # the path goes on inside it
        if key not in settings:
            return False
        settings = settings[key]
    return True


def setting_error(
    problem: ValueError,
    table: Table,
    scale: Scale,
    stage: str,
    sources: Sequence[tuple[KeyPath, Settings]],
) -> ValueError:
    """The error at the line that holds the offending setting of a measuring stage."""
    for part in reversed(_parts(problem)):
        for where, settings in sources:
            if part in settings:
                return table.error((*where, part), _words(problem))
        if part in scale.stages.get(stage, {}):
            return scale.error(("stages", stage, part), _words(problem))
        if part in scale.clip:
            return scale.error(("clip", part), _words(problem))
    return table.error(sources[-1][0], _words(problem))


def pretraining_error(
    problem: ValueError, table: Table, row: str, flat: Settings, scale: Scale
) -> ValueError:
    """The error at the line that holds the offending setting of a pretraining."""
    parts = _parts(problem)
    if _holds({"clip": table.all_rows[row].clip}, parts):
        return table.error((table.section(row), row, *parts), _words(problem))
    if _holds({"clip": table.defaults.clip}, parts):
        return table.error(("defaults", *parts), _words(problem))
    # The settings of a method stand flat in a table, below "method" and its name in the error.
    for first in range(len(parts)):
        if _holds(flat, parts[first:]):
            return table.setting_error(row, parts[first], _words(problem))
    of_method = scale.methods.get(flat["method"])
    if of_method is not None and any(
        _holds(of_method.settings, parts[first:]) for first in range(len(parts))
    ):
        return method_error(problem, scale, flat["method"])
    if parts and parts[0] == "method":
        return table.setting_error(row, "method", _words(problem))
    for section in (
        ("stages", "pretrain"),
        ("pretrain_on", flat["corpus"]),
        (),
    ):
        section_settings: Any = scale.model_dump()
        for key in section:
            section_settings = section_settings.get(key, {})
        if parts and parts[0] in section_settings:
            return scale.error((*section, *parts), _words(problem))
    return table.setting_error(row, "method", _words(problem))


def method_error(problem: ValueError, scale: Scale, method: str) -> ValueError:
    """The error at the line of a scale that holds the offending setting of a method."""
    parts, where = _parts(problem), ("methods", method)
    for first in range(len(parts)):
        if _holds(scale.methods[method].settings, parts[first:]):
            return scale.error((*where, "settings", *parts[first:]), _words(problem))
    return scale.error(where, _words(problem))


def encoder_error(problem: ValueError, scale: Scale, encoder: str) -> ValueError:
    """The error at the line of a scale that holds the offending size of an encoder."""
    return scale.error(("encoders", encoder, *_parts(problem)), _words(problem))

"""YAML read strictly: no duplicate keys, no YAML 1.1 surprises, and every value knows its line.

``on``, ``yes`` and ``1:30`` are text, ``1e-3`` is a number, dates are text; anchors, aliases and
merge keys are refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class SpecError(ValueError):
    """A mistake in a file that a person wrote; the message begins with ``file:line``."""


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own class attribute)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


@dataclass(frozen=True)
class Document:
    """A file's values and the line each of them stands on."""

    path: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at the line of ``where``, or of the nearest enclosing key in the file."""
        while where not in self.lines:
            where = where[:-1]
        return SpecError(f"{self.path}:{self.lines[where]}: {message}")

    def validate(self, model: type[M]) -> M:
        """The file as ``model``.

        Raises:
            SpecError: for the first value that does not fit, with the legal ones.
        """
        try:
            return model.model_validate(self.data)
        except ValidationError as problems:
            problem = problems.errors()[0]
            raise self.error(*explain(problem, model)) from None


def unknown(document: Document, where: KeyPath, value: str, known: Iterable[str]) -> SpecError:
    """An error about a name that is none of those known."""
    return document.error(where, f"unknown {value!r}; known: {', '.join(known)}")


def explain(problem: Any, model: type[BaseModel]) -> tuple[KeyPath, str]:
    """Where a pydantic error is, and what to say about it in a person's words."""
    where: KeyPath = tuple(problem["loc"])
    name = ".".join(str(part) for part in where)
    if problem["type"] == "extra_forbidden":
        legal = _legal_keys(model, where[:-1])
        return where, f"unknown key {name!r}" + (f"; known: {', '.join(legal)}" if legal else "")
    if problem["type"] == "missing":
        return where[:-1], f"{name} is missing"
    return where, f"{name} is {problem['input']!r}: {problem['msg']}"


def _legal_keys(model: type[BaseModel], where: KeyPath) -> list[str]:
    """Keys of the mapping at ``where`` in a model whose mappings hold models."""
    for part in where:
        if part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            inner = [annotation, *getattr(annotation, "__args__", ())]
            models = [a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)]
            if not models:
                return []
            model = models[0]
    return list(model.model_fields)


def load(path: Path) -> Document:
    """Read a YAML file that holds one mapping.

    Raises:
        SpecError: if it is no such file.
    """
    lines: dict[KeyPath, int] = {(): 1}
    try:
        text = path.read_text(encoding="utf-8")
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if getattr(event, "anchor", None) is not None:
                assert event.start_mark is not None
                line = event.start_mark.line + 1
                raise SpecError(f"{path}:{line}: anchors and aliases are not allowed")
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SpecError(f"{path}:1: a mapping is expected")
        data = _construct(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise SpecError(f"{path}:{line}: {problem.problem}") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError) as problem:
        raise SpecError(f"{path}:1: not readable as text: {problem.reason}") from None
    return Document(path, data, lines)


def _construct(
    loader: _Loader, node: yaml.Node, where: KeyPath, lines: dict[KeyPath, int], path: Path
) -> Any:
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, n, (*where, i), lines, path) for i, n in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            key = loader.construct_object(key_node)
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise SpecError(f"{path}:{line}: key {key!r} must be text or a whole number")
            if key in mapping:
                first = lines[(*where, key)]
                raise SpecError(f"{path}:{line}: duplicate key {key!r}, first on line {first}")
            lines[(*where, key)] = line
            mapping[key] = _construct(loader, value, (*where, key), lines, path)
        return mapping
    return loader.construct_object(node)

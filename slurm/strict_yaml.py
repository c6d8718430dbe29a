"""YAML read strictly: no duplicate keys, no YAML 1.1 surprises, and every value knows its line.

``on``, ``yes``, ``010`` and ``1:30`` are text, ``1e-3`` is a number, dates are text; anchors,
aliases, merge keys and tags are refused. A byte order mark at the beginning is skipped.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

KeyPath = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

MAX_DEPTH = 32  # mappings and lists inside each other
MAX_SHOWN = 100  # characters of a value in a message


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
class YamlFile:
    """A file's values and the line each of them stands on."""

    path: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at the line of ``where``, or of the nearest enclosing key in the file."""
        while where not in self.lines:
            where = where[:-1]
        return SpecError(f"{self.path}:{self.lines[where]}: {message}")

    def validate(self, model: type[M], **given: Any) -> M:
        """The file as ``model``.

        Args:
            model: what the file must hold.
            given: fields of ``model`` that are known already; the file must not hold them.

        Raises:
            SpecError: for the first value that does not fit, with the legal ones.
        """
        for key in given:
            if key in self.data:
                raise self.error((key,), _unknown_key(key, model, given))
        try:
            return model.model_validate({**self.data, **given})
        except ValidationError as problems:
            problem = problems.errors()[0]
            if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
                message = _unknown_key(problem["loc"][0], model, given)
                raise self.error(problem["loc"], message) from None
            raise self.error(*explain(problem, model)) from None


def unknown(file: YamlFile, where: KeyPath, value: str, known: Iterable[str]) -> SpecError:
    """An error about a name that is not among the known ones."""
    return file.error(where, f"unknown {value!r}; known: {', '.join(known)}")


# Pydantic's own words name types of Python.
_YAML_WORDS = {
    "dict_type": "Input should be keys with values",
    "list_type": "Input should be a list",
    "tuple_type": "Input should be a list",
}


def explain(problem: Any, model: type[BaseModel]) -> tuple[KeyPath, str]:
    """Where a pydantic error is, and what to say about it in a person's words."""
    where: KeyPath = tuple(problem["loc"])
    is_key = where[-1:] == ("[key]",)  # pydantic's mark: the key is wrong, not its value
    where = where[:-1] if is_key else where
    name = ".".join(str(part) for part in where)
    message = _YAML_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return where, _unknown_key(name, _model_at(model, where[:-1]))
    if problem["type"] == "missing":
        return where[:-1], f"{name} is missing"
    if is_key:
        return where, f"key {_cut(repr(name))}: {message}"
    if not where:
        return where, message
    if problem["type"] == "string_type" and isinstance(problem["input"], int | float):
        message += "; put it in quotes"
    return where, f"{name} is {_cut(repr(problem['input']))}: {message}"


def _unknown_key(name: str | int, model: type[BaseModel] | None, given: Iterable[str] = ()) -> str:
    """What to say of a key that ``model`` does not have: its keys but those ``given``."""
    message = f"unknown key {_cut(repr(name))}"
    if model is None:
        return message
    keys = [_with_default(key, model) for key in model.model_fields if key not in given]
    return f"{message}; known, with defaults: {', '.join(keys)}"


def _with_default(key: str, model: type[BaseModel]) -> str:
    """A key and its default as a file may say it: ``nodes 1``, ``setup []``."""
    field = model.model_fields[key]
    if field.is_required():
        return f"{key} (must be given)"
    return f"{key} {to_json(field.get_default(call_default_factory=True)).decode()}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _model_at(model: type[BaseModel], where: KeyPath) -> type[BaseModel] | None:
    """The model of the mapping at ``where`` in a model whose mappings hold models."""
    for part in where:
        if part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            inner = [annotation, *getattr(annotation, "__args__", ())]
            models = [a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)]
            if not models:
                return None
            model = models[0]
    return model


def load(path: Path) -> YamlFile:
    """Read a YAML file that holds one mapping.

    Raises:
        SpecError: if it is no such file.
    """
    lines: dict[KeyPath, int] = {(): 1}
    text = _text(path)
    try:
        _check_events(text, path)
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SpecError(f"{path}:1: a mapping is expected, lines such as `key: value`")
        data = _construct(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        words = " ".join(", ".join(filter(None, (problem.context, problem.problem))).split())
        raise SpecError(f"{path}:{line}: {words}") from None
    return YamlFile(path, data, lines)


def _text(path: Path) -> str:
    """The file's text.

    Raises:
        SpecError: if it is not UTF-8, or holds a character that YAML does not allow.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise SpecError(f"{path}:{line}: not readable as UTF-8 text: {problem.reason}") from None
    if bad := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise SpecError(f"{path}:{line}: control character {bad.group()!r} is not allowed")
    return text


def _check_events(text: str, path: Path) -> None:
    """Refuse deep nesting, and anchors, aliases and tags: a value is what its line says."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        problem = ""
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} mappings or lists inside each other"
        elif getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases are not allowed"
        elif (tag := getattr(event, "tag", None)) is not None:
            problem = f"tags such as {_cut(tag)} are not allowed"
        if problem:
            assert event.start_mark is not None
            raise SpecError(f"{path}:{event.start_mark.line + 1}: {problem}")


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
            key = _scalar(loader, key_node, path)
            if not isinstance(key, str | int) or isinstance(key, bool):
                text_of_key = _cut(repr(key))
                raise SpecError(f"{path}:{line}: key {text_of_key} must be text or a whole number")
            if key in mapping:
                first = lines[(*where, key)]
                text_of_key = _cut(repr(key))
                raise SpecError(
                    f"{path}:{line}: duplicate key {text_of_key}, first on line {first}"
                )
            lines[(*where, key)] = line
            mapping[key] = _construct(loader, value, (*where, key), lines, path)
        return mapping
    return _scalar(loader, node, path)


def _scalar(loader: _Loader, node: yaml.Node, path: Path) -> Any:
    where = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.ScalarNode):
        raise SpecError(f"{where}: a key must be text or a whole number")
    try:
        value = loader.construct_object(node)
    except ValueError as problem:  # Python refuses whole numbers of thousands of digits
        raise SpecError(f"{where}: {_cut(node.value)} is no number: {problem}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{where}: {_cut(node.value)} is beyond the largest number")
    return value

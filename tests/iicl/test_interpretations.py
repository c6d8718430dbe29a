"""The list of interpretations and the settings say the same."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import TypeAdapter

from iicl import config, pretraining, protocols
from iicl.interpretations import INTERPRETATIONS

SETTINGS = [(entry.number, setting) for entry in INTERPRETATIONS for setting in entry.settings]


OF_METHODS = {
    "iicl": "IICL",
    "avts": "AVTS",
    "xdc": "XDC",
    "avid": "AVID",
    "avid_cma": "AVIDCMA",
    "vcop": "VCOP",
    "st_puzzle": "STPuzzle",
    "speednet": "SpeedNet",
}
MODULES = {config: "", pretraining: "", protocols: ""} | {
    importlib.import_module(f"iicl.methods.{name}.settings"): alias
    for name, alias in OF_METHODS.items()
}
"""Modules with settings -> what an entry calls the class ``Settings`` of the module."""


def model(name: str) -> type[config.Config]:
    for module, alias in MODULES.items():
        if name == alias:
            return module.Settings
        if name in vars(module):
            return vars(module)[name]
    raise AssertionError(name)


def comments(source: str) -> dict[str, set[int]]:
    """Numbers cited as ``[n]`` on the line of each field, or in the docstring of its class.

    Entries that name no setting are cited where they explain a class, and belong to no field.
    """
    of_fields = {str(number) for number, _ in SETTINGS}
    lines = source.splitlines()
    found: dict[str, set[int]] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        whole_class = set(re.findall(r"\[(\d+)\]", ast.get_docstring(node) or ""))
        for field in node.body:
            if isinstance(field, ast.AnnAssign):
                _, _, comment = lines[field.end_lineno - 1].partition("#")
                cited = whole_class & of_fields | set(re.findall(r"\[(\d+)\]", comment))
                if cited:
                    found[f"{node.name}.{field.target.id}"] = {int(n) for n in cited}
    return found


def test_numbers_are_complete() -> None:
    assert [entry.number for entry in INTERPRETATIONS] == list(range(1, 66))


def test_every_entry_says_something() -> None:
    for entry in INTERPRETATIONS:
        for text in (entry.title, entry.paper, entry.default, entry.alternatives):
            assert text.strip()
            assert "  " not in text, entry.number
    assert len({entry.title for entry in INTERPRETATIONS}) == len(INTERPRETATIONS)


@pytest.mark.parametrize(("number", "setting"), SETTINGS, ids=[s.field for _, s in SETTINGS])
def test_setting_exists_with_the_stated_default(number: int, setting) -> None:
    owner, name = setting.field.split(".")
    field = model(owner).model_fields[name]
    assert field.default == setting.default
    assert type(field.default) is type(setting.default)
    values: TypeAdapter = TypeAdapter(Annotated[field.annotation, field])
    for alternative in setting.alternatives:
        assert values.validate_python(alternative) == alternative
        assert alternative != setting.default
    assert setting.alternatives


def test_named_choices_are_all_listed() -> None:
    """A value added to a Literal setting must be argued too."""
    for number, setting in SETTINGS:
        owner, name = setting.field.split(".")
        schema = model(owner).model_json_schema()["properties"][name]
        if "enum" in schema:
            assert {setting.default, *setting.alternatives} == set(schema["enum"]), number


def test_settings_and_comments_cite_each_other() -> None:
    cited: dict[str, set[int]] = {}
    for number, setting in SETTINGS:
        cited.setdefault(setting.field, set()).add(number)
    assert cited == {
        re.sub(r"^Settings\.", f"{alias}.", field) if alias else field: numbers
        for module, alias in MODULES.items()
        for field, numbers in comments(inspect.getsource(module)).items()
    }


@pytest.mark.parametrize("module", list(MODULES))
def test_every_citation_exists(module) -> None:
    numbers = {int(n) for n in re.findall(r"\[(\d+)\]", inspect.getsource(module))}
    assert numbers
    assert numbers <= {entry.number for entry in INTERPRETATIONS}


def test_imports_no_torch() -> None:
    code = "import sys, iicl.interpretations; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

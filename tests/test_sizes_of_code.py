"""Files, functions and calls stay small enough to be read at one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("iicl", "benchmarks", "slurm")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 300, 60, 8
LONG_FILES = {"benchmarks/stages.py": "the only door to iicl: a function for each question"}
LONG_CALLS = {  # records, built with a keyword for each field
    ("benchmarks/render/compose.py", "Document"),
    ("iicl/data/synthetic/scene.py", "Event"),
    ("iicl/data/writing/assembly.py", "Manifest"),
    ("iicl/data/writing/shards.py", "ManifestItem"),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def long_functions(text: str) -> dict[str, int]:
    """Lines of the functions that have too many, decorators and inner functions counted."""
    lines = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[node.name] = node.end_lineno - first + 1
    return {name: number for name, number in lines.items() if number > MAX_FUNCTION_LINES}


def long_calls(text: str) -> list[str]:
    """Functions and classes that are called with too many arguments."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(node.func)
        for node in calls
        if len(node.args) + len(node.keywords) > MAX_ARGUMENTS
    ]


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_a_file_and_its_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert (len(text.splitlines()) > MAX_FILE_LINES) == (name_of(path) in LONG_FILES)
    assert long_functions(text) == {}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_calls_have_few_arguments(path: Path) -> None:
    name, text = name_of(path), path.read_text()
    assert set(long_calls(text)) == {call for file, call in LONG_CALLS if file == name}


def test_what_is_too_long_is_seen() -> None:
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert long_functions(f"def f():\n{body}") == {"f": MAX_FUNCTION_LINES + 1}
    assert long_functions(f"def f():\n{body[9:]}") == {}
    assert long_calls("f(a, b, c, d, *e, f=1, g=2, h=3)") == []
    assert long_calls("a.f(a, b, c, d, e, f, g=1, h=2, **i)") == ["a.f"]

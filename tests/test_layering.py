"""Who may import whom, read from the source of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(p for room in ("iicl", "slurm", "benchmarks") for p in (ROOT / room).rglob("*.py"))
LAYERS = [{"models", "losses", "data", "views"}, {"methods"}, {"training"}, {"evaluation"}]
TORCH = {"torch", "torchvision", "torchaudio", "av"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module, and whether the import stands inside a function."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module, id(node) in inside
            yield from ((f"{node.module}.{alias.name}", id(node) in inside) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_respect_the_layers(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    for name, inside in imports(path):
        room = name.split(".")[0]
        if parts[0] in ("iicl", "slurm"):
            assert room not in {"iicl", "slurm", "benchmarks"} - {parts[0]}, name
        if parts[0] == "slurm" or (parts[0] == "benchmarks" and parts[1] != "throughput"):
            assert room not in TORCH, name
        if parts[0] == "benchmarks" and parts[1] != "throughput" and room == "iicl":
            assert parts[1] == "stages", f"{name}: only stages.py reaches iicl"
            assert inside, f"{name}: stages.py imports iicl inside functions only"
        if parts[0] == "iicl" and room == "iicl" and len(name.split(".")) > 1:
            ours, theirs = layer(parts[1]), layer(name.split(".")[1])
            if ours is not None and theirs is not None:
                assert theirs <= ours, f"{'.'.join(parts)} imports {name}"


def layer(name: str) -> int | None:
    return next((i for i, names in enumerate(LAYERS) if name in names), None)

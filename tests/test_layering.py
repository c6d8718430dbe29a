"""Who may import whom, and what classes are called, read from the source of every module."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(p for room in ("iicl", "slurm", "benchmarks") for p in (ROOT / room).rglob("*.py"))
LAYERS = [
    {"encoders", "models", "losses", "data", "views"},
    {"methods"},
    {"training"},
    {"evaluation"},
]
# Of benchmarks/, from the ground up: a room may import what stands above it in this list, no more.
FLOORS = [
    {"spec"},
    {"store"},
    {"stages"},
    {"plan"},
    {"results", "launch", "capacity"},
    {"render"},
    {"command", "report"},
    {"run", "validity"},
]
MAX_FLOORS = 8
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


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


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
            own, imported = layer(parts[1]), layer(name.split(".")[1])
            if own is not None and imported is not None:
                assert imported <= own, f"{'.'.join(parts)} imports {name}"


def layer(name: str) -> int | None:
    return next((i for i, names in enumerate(LAYERS) if name in names), None)


def rooms() -> dict[str, set[str]]:
    """For each room of benchmarks/ the other rooms that it imports."""
    graph: dict[str, set[str]] = {}
    for name, path in NAMES.items():
        parts = name.split(".")
        if parts[0] == "benchmarks" and len(parts) > 1 and parts[1] != "throughput":
            imported = {i.split(".")[1] for i, _ in imports(path) if i.startswith("benchmarks.")}
            graph.setdefault(parts[1], set()).update(imported - {parts[1]})
    return graph


def test_every_room_of_the_suite_imports_lower_floors_only() -> None:
    floors = {room: number for number, names in enumerate(FLOORS) for room in names}
    assert floors.keys() == rooms().keys()
    for room, imported in rooms().items():
        assert [other for other in imported if floors[other] >= floors[room]] == [], room


def test_no_chain_of_rooms_is_deep() -> None:
    graph = rooms()

    def depth(room: str) -> int:
        return 1 + max((depth(other) for other in graph[room]), default=0)

    assert max(map(depth, graph)) <= MAX_FLOORS


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for type checkers count too."""
    graph = {
        name: {other for other, _ in imports(path) if other in NAMES and other != name}
        for name, path in NAMES.items()
    }
    assert circle(graph) == []


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some modules that import each other; empty if there are none."""
    finished: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name not in finished:
            for other in sorted(graph[name]):
                if found := visit(other, [*way, name]):
                    return found
            finished.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_class_of_the_suite_shares_its_name() -> None:
    """Public classes of benchmarks/ and slurm/; none of iicl/ has one of their names either."""
    places: dict[str, list[str]] = {}
    for name, path in NAMES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name)
    shared = {
        name: where
        for name, where in places.items()
        if len(where) > 1 and any(not module.startswith("iicl.") for module in where)
    }
    assert shared == {}

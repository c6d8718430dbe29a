"""Which run is this? A hash of everything that can change its result, code included.

The run id is ``<stage>-<method>-<corpus>[-f<fold>]-s<seed>-<spec8>.<code4>``. Where a run is
carried out (site, ranks, number of workers) is in neither hash; its precision is.
"""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.store.files import digest

PACKAGE = "iicl"

BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Fields of a statement that hold statements, or parts of it that hold some."""


def run_id(method: str, resolved: Mapping[str, Any], spec: str, code: str) -> str:
    """A name that a person can read and that no other run has."""
    fold = [f"f{resolved['fold']}"] if "fold" in resolved else []
    parts = [resolved["stage"], method, resolved["corpus"], *fold, f"s{resolved['seed']}"]
    return f"{'-'.join(parts)}-{spec[:8]}.{code[:4]}"


def code_hash(root: Path, modules: Iterable[str], upstream: Iterable[str] = ()) -> str:
    """Hash of the code below ``root`` that ``modules`` import, and of the upstream runs' code.

    Comments, docstrings and layout do not count: they cannot change a result.

    Args:
        root: the folder that holds the package ``iicl``.
        modules: dotted names inside the package.
        upstream: code hashes of the runs whose files the run reads.

    Raises:
        ValueError: if a module does not exist.
    """
    return _code_hash(str(root), tuple(sorted(set(modules))), tuple(sorted(upstream)))


@functools.cache
def _code_hash(root: str, modules: tuple[str, ...], upstream: tuple[str, ...]) -> str:
    return digest([_sources(root, modules), upstream])


@functools.cache
def _sources(root: str, modules: tuple[str, ...]) -> str:
    folder = Path(root)
    return digest(
        {m: _hash_and_imports(str(_file(folder, m)), m)[0] for m in _closure(folder, modules)}
    )


def clear() -> None:
    """Forget the code that was read: it may have changed."""
    _code_hash.cache_clear()
    _sources.cache_clear()
    _imports.cache_clear()
    _file.cache_clear()
    _hash_and_imports.cache_clear()


def _closure(root: Path, modules: tuple[str, ...]) -> list[str]:
    """All modules of the package that importing ``modules`` can reach, parents included."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        waiting += _imports(root, name)
    return sorted(reached)


@functools.cache
def _imports(root: Path, name: str) -> list[str]:
    """The modules of the package that a module imports."""
    return [
        wanted
        for wanted, must_exist in _hash_and_imports(str(_file(root, name)), name)[1]
        # `from iicl.x import y`: y is a module or a name inside x; only files can tell.
        if must_exist or _exists(root, wanted)
    ]


def _exists(root: Path, module: str) -> bool:
    path = root.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@functools.cache
def _file(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise ValueError(f"no module {module!r} below {root}")


@functools.cache
def _hash_and_imports(file: str, name: str) -> tuple[str, tuple[tuple[str, bool], ...]]:
    """Hash of a module's normalised code, and the package's modules it imports anywhere in it."""
    path = Path(file)
    tree = ast.parse(path.read_text(), filename=file)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports: set[tuple[str, bool]] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            imports.update((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            imports.add((base, True))
            imports.update((f"{base}.{alias.name}", False) for alias in node.names)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    inside = tuple(sorted(i for i in imports if i[0].split(".")[0] == PACKAGE))
    # Unparsed text, because a dump of the tree differs between versions of Python.
    return digest(ast.unparse(tree)), inside


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A module and all statements in it: imports and docstrings stand in no expression."""
    yield node
    for name in BLOCKS:
        for inside in getattr(node, name, ()):
            yield from _statements(inside)


def _drop_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:] or [ast.Pass()]

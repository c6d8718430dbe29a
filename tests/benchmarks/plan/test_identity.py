"""Which change makes which runs stale, on a copy of a small package."""

from pathlib import Path

import pytest

from benchmarks.plan import identity
from benchmarks.store import files

FILES = {
    "__init__.py": "",
    "losses.py": '"""Losses."""\n\n\ndef loss(x):\n    """Half."""\n    return x / 2  # half\n',
    "methods/__init__.py": "",
    "methods/iicl.py": "from iicl import losses\n\n\ndef step(y):\n    return losses.loss(y)\n",
    "training/__init__.py": "",
    "training/pretrain.py": (
        "from pathlib import Path\n\n\ndef run():\n"
        "    from ..methods.iicl import step\n    import iicl.training.checkpoint\n"
        "    return step(1)\n"
    ),
    "training/checkpoint.py": "KEEP = 2\n",
    "evaluation/__init__.py": "",
    "evaluation/features.py": "def run():\n    return 1\n",
    "evaluation/retrieval.py": "def run():\n    return 2\n",
    "evaluation/linear.py": "def run():\n    return 3\n",
    "unrelated.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "iicl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def hashes(package: Path) -> dict[str, str]:
    """The code of a pretraining and of what follows it."""
    identity.clear()
    found: dict[str, str] = {}
    found["pretrain"] = identity.code_hash(package, ["iicl.training.pretrain"])
    found["features"] = identity.code_hash(
        package, ["iicl.evaluation.features"], [found["pretrain"]]
    )
    for name in ("retrieval", "linear"):
        modules = [f"iicl.evaluation.{name}"]
        found[name] = identity.code_hash(package, modules, [found["features"]])
    return found


def changed(package: Path, file: str, old: str, new: str) -> set[str]:
    before = hashes(package)
    path = package / "iicl" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    after = hashes(package)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# half", "# the half of it"),
        ('"""Half."""', '"""The half of x."""'),
        ('    """Half."""\n', ""),
        ('"""Losses."""', '"""All losses."""'),
        ("x / 2", "(x  /  2)"),
        ("\n\n\ndef", "\n\n\n\n\ndef"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(package: Path, old: str, new: str) -> None:
    assert changed(package, "losses.py", old, new) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("losses.py", "x / 2", "x / 3", {"pretrain", "features", "retrieval", "linear"}),
        ("losses.py", "2", "2.0", {"pretrain", "features", "retrieval", "linear"}),
        ("methods/iicl.py", "loss(y)", "loss(-y)", {"pretrain", "features", "retrieval", "linear"}),
        ("training/checkpoint.py", "2", "3", {"pretrain", "features", "retrieval", "linear"}),
        ("evaluation/features.py", "1", "4", {"features", "retrieval", "linear"}),
        ("evaluation/retrieval.py", "2", "5", {"retrieval"}),
        ("__init__.py", "", "X = 1\n", {"pretrain", "features", "retrieval", "linear"}),
        ("unrelated.py", "1", "2", set()),
    ],
)
def test_a_change_makes_its_users_stale(
    package: Path, file: str, old: str, new: str, stale: set[str]
) -> None:
    assert changed(package, file, old, new) == stale


def test_a_missing_module_is_named(package: Path) -> None:
    with pytest.raises(ValueError, match=r"no module 'iicl.nothing'"):
        identity.code_hash(package, ["iicl.nothing"])


def test_a_run_id_reads_as_what_it_is() -> None:
    resolved = {"stage": "retrieval", "corpus": "ucf101", "fold": 1, "seed": 0}
    name = identity.run_id("iicl", resolved, "a" * 64, "b" * 64)
    assert name == "retrieval-iicl-ucf101-f1-s0-aaaaaaaa.bbbb"


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert files.digest({"a": 1, "b": 2}) == files.digest({"b": 2, "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 1.5})

"""A method, an encoder and a view are each one new folder or file, which changes nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.addition import ENCODER, METHOD, TABLE, VIEW

ROOT = Path(__file__).parents[1]

PLAN = """\
import json, sys, tempfile
from pathlib import Path
from benchmarks import stages
from benchmarks.plan import builder, corpora
from benchmarks.spec.read_tables import find_tables
from benchmarks.spec.scale import load_scale
from benchmarks.store.home import Home

root = Path.cwd()
scale = load_scale(root / "benchmarks" / "scales" / "smoke.yaml")
with tempfile.TemporaryDirectory() as folder:
    home = Home(Path(folder))
    plan = builder.make(
        find_tables(root / "tables", sys.argv[1:]), scale, seeds=[0], precision="float32",
        corpora=corpora.resolve(scale, {}, home, stages, root), home=home, stages=stages, code=root,
    )
    runs = {run.id: [run.code, run.work.flops] for run in plan.runs.values()}
print(json.dumps(runs))
assert "torch" not in sys.modules
"""
ALL = ("all", "figure3", "interpretations")


def copy_of_the_project(folder: Path) -> Path:
    for name in ("iicl", "benchmarks", "slurm", "tables"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        assert not path.exists(), f"{name} is there already"
        path.write_text(text)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def planned(folder: Path, *tables: str) -> dict[str, Any]:
    """Run id -> hash of its code and its price."""
    finished = run(folder, "-c", PLAN, *tables)
    assert finished.returncode == 0, finished.stderr
    plan: dict[str, Any] = json.loads(finished.stdout)
    return plan


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a view, an encoder and a method more, and a table of them."""
    folder = copy_of_the_project(tmp_path_factory.mktemp("project"))
    for added in (VIEW, ENCODER, METHOD):
        write(folder, added)
    write(folder, {"tables/pull.yaml": TABLE})
    return folder


def test_no_other_run_changes_its_name_or_its_code(project: Path) -> None:
    assert planned(project, *ALL) == planned(ROOT, *ALL)


def test_the_plan_prices_what_was_added(project: Path) -> None:
    plan = planned(project, "pull")
    trained = {name: flops for name, (_, flops) in plan.items() if name.startswith("pretrain-pull")}
    # One epoch, 3 batches of 8 of the 24 items of UCF101; two encoders of 3 x 12 weights, forward
    # and backward.
    assert list(trained.values()) == [(1 + 1) * 3 * 8 * 2 * (36 + 36) * 3.0] * 2
    features = [flops for name, (_, flops) in plan.items() if name.startswith("features-pull")]
    assert features == [48 * 2 * 2.0 * 36] * 2 * 2  # of two views of two rows


def test_the_code_of_a_run_holds_its_method_encoder_and_view(project: Path) -> None:
    before = planned(project, "pull")
    for name in (
        "iicl/methods/pull/method.py",
        "iicl/methods/pull/settings.py",
        "iicl/encoders/mean/network.py",
        "iicl/views/halves.py",
    ):
        path = project / name
        text = path.read_text()
        path.write_text(text + "\nADDED = 1\n")
        after = planned(project, "pull")
        path.write_text(text)
        pretrain = [run for run in before if run.startswith("pretrain")]
        assert pretrain
        assert not set(before) & set(after), name


def test_a_table_of_what_was_added_is_made(project: Path, tmp_path: Path) -> None:
    words = ["benchmarks/run.py", "--table", "pull", "--scale", "smoke", "--precision", "float32"]
    words += ["--cluster", "inline", "--yes", "--home", str(tmp_path / "home")]
    finished = run(project, *words, "--out", str(tmp_path / "out"))
    assert finished.returncode == 0, finished.stderr
    assert "strong" in (tmp_path / "out" / "pull.md").read_text()


def test_the_contract_of_methods_holds_for_what_was_added(project: Path) -> None:
    (project / "tests").mkdir()
    shutil.copytree(ROOT / "tests" / "iicl", project / "tests" / "iicl")
    shutil.copy(ROOT / "pyproject.toml", project)
    tests = [f"tests/iicl/methods/test_method_{name}.py" for name in ("contract", "price")]
    finished = run(project, "-m", "pytest", "-p", "no:cacheprovider", "-k", "pull", *tests)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_help_errors_and_the_list_name_what_was_added(project: Path) -> None:
    text = run(project, "benchmarks/run.py", "--help").stdout
    assert "gdt, iicl, mfcc, pull, " in text
    assert "encoders: conv10, mc3, mean, " in text
    assert "views: audio, draws, halves, " in text
    listed = run(project, "-c", "from iicl.cli import main; main(['list'])").stdout
    assert "pull: Two views of an item, pulled together.\n    strength = 3.0" in listed
    assert "mean: One linear map of the mean over time and space.\n    outputs = 12" in listed
    assert "halves: Frames of an item at half their rate.\n    default encoder: mean" in listed

    table = project / "tables" / "pull.yaml"
    for old, new, message in (
        (
            "method: pull",
            "method: push",
            "no method named 'push'; legal: avid, avid_cma, avts, gdt, ",
        ),
        ("video: mean", "video: median", "no encoder named 'median'; legal: conv10, mc3, "),
        ("video: mean", "video: resnet", "the view video gives 'frames'; legal: mc3, mean, "),
        ("view: halves", "view: label", "'label' has an encoder; legal: audio, halves, video\n"),
        ("strength: 1.0", "force: 1.0", "unknown setting; legal: name, strength"),
        ("halves_outputs", "halves_width", "legal: audio, audio_width, audio_depth, halves, "),
    ):
        table.write_text(TABLE.replace(old, new))
        words = ["benchmarks/run.py", "--table", "pull", "--scale", "smoke", "--dry-run"]
        finished = run(project, *words)
        assert finished.returncode == 2
        assert message in finished.stderr
        assert "pull.yaml:" in finished.stderr
    table.write_text(TABLE)

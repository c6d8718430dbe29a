"""A method, an encoder and a view are each one new folder or file, which changes nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

VIEW = {
    "iicl/views/halves.py": '''"""Frames of an item at half their rate."""

from iicl.views.video import (  # noqa: F401
    INPUT,
    MAY_LACK,
    REQUIRES,
    TAKES,
    extent,
    prepare,
    read,
    transform,
)

ENCODER = "mean"
'''
}
ENCODER = {
    "iicl/encoders/mean/__init__.py": '"""One linear map of the mean over time and space."""\n',
    "iicl/encoders/mean/settings.py": '''"""Sizes of the map. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, EncoderSettings


class Settings(EncoderSettings):
    """Outputs of the map."""

    NAME: ClassVar[str] = "mean"
    TITLE: ClassVar[str] = "mean"
    INPUT: ClassVar[str] = "frames"
    outputs: Count = 12

    @property
    def feature_dim(self) -> int:
        return self.outputs

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        return (3, clip.num_frames, clip.size, clip.size)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        yield Convolution(3 * self.outputs, self.outputs, 1)
''',
    "iicl/encoders/mean/network.py": '''"""The map as a network."""

from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.encoders.mean.settings import Settings


class Mean(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.feature_dim = outputs
        self.map = nn.Linear(3, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def tokens(self, x: Tensor) -> Tensor:
        return self.norm(self.map(x.mean((2, 3, 4))))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def build(settings: Settings, facts: CorpusFacts) -> Mean:
    return Mean(settings.outputs)
''',
}
METHOD = {
    "iicl/methods/pull/__init__.py": '"""Two views of an item, pulled together."""\n',
    "iicl/methods/pull/settings.py": '''"""Settings of the pull. Imports no torch."""

from typing import ClassVar, Literal

from iicl.config import Positive
from iicl.methods.settings import MethodSettings
from iicl.samples import VIDEO, Sample


class Settings(MethodSettings):
    """How hard it pulls."""

    SYSTEM: ClassVar[str] = "Pull"
    REFERENCE: ClassVar[str] = "an example"

    name: Literal["pull"] = "pull"
    strength: Positive = 3.0

    def samples(self, phase: str) -> tuple[Sample, ...]:
        return (VIDEO, Sample("halves", time="with", of="video", stride=2))
''',
    "iicl/methods/pull/method.py": '''"""The pull."""

from collections.abc import Mapping

from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.pull.settings import Settings


class Pull(Method):
    samples = ("video", "halves")

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.strength = settings.strength
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.halves_encoder = encoders.build(sizes.of("halves"), facts)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "video": self.video_encoder(batch["video"]),
            "halves": self.halves_encoder(batch["halves"]),
        }

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        distance = (features["video"].mean(1) - features["halves"].mean(1)).square().mean()
        return self.strength * distance, {"distance": distance}


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> Pull:
    return Pull(settings, sizes, facts)
''',
}
TABLE = """\
table: pull
label: Pull
title: A table of the added method
paper: {section: none}
defaults:
  seeds: [0]
  pretrain: {method: pull, corpus: ucf101, encoders: {video: mean, halves_outputs: 12}}
protocols:
  nearest: {stage: retrieval, corpus: ucf101, fold: 1}
  halves: {stage: linear, corpus: ucf101, fold: 1, settings: {view: halves}}
columns:
  r1: {label: R@1, protocol: nearest, metric: recall_at_1}
  fc: {label: FC, protocol: halves, metric: top1}
rows:
  weak: {label: weak, pretrain: {strength: 1.0}}
  strong: {label: strong}
"""
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

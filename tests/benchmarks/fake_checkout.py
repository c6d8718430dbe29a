"""A checkout whose stages cost nothing: real tables, a tiny scale, and its own home."""

import copy
import shutil
from pathlib import Path

import fake_stages

from benchmarks import run
from benchmarks.store.home import Home

ROOT = Path(__file__).parents[2]

SCALE = """\
scale: {name}
says: [Nothing is computed.]
device: {{unit: CPU core, sustained_gflops: 60, origin: assumed}}
execution: {execution}
corpora:
  audioset: {{generate: {generate}, counts: {{all: 1080, 1/train: 600, 1/train/with_sound: 600}}}}
  ucf101: {{generate: {generate}, counts: {{all: 1080, 1/train: 600, 1/test: 480}}}}
clip: {{num_frames: 8, fps: 8.0, size: 32}}
stages:
  pretrain: {{length: {{initialisation: 5, co_training: 2}}}}
  features: {{num_clips: 4}}
  finetune: {{num_clips: 4, num_crops: 1}}
replace:
  clusters: {{100: 5, 200: 10, 400: 20, 800: 40}}
precision: bf16
"""

GENERATE = "{num_items: 1080, seed: run, core_seconds_per_item: 0.01, bytes_per_item: 100000}"

SMALL_TABLE = """\
table: 2
title: Two rows
paper: {section: IV}
defaults:
  seeds: [0, 1]
  pretrain: {method: iicl, corpus: audioset, clusters: 400}
protocols:
  nearest: {stage: retrieval, corpus: ucf101, fold: 1}
columns:
  r1: {label: R@1, protocol: nearest, metric: recall_at_1, tolerance: 1.0, num_test: 3783}
rows:
  a: {label: A, reported: {r1: 50.0}}
  b: {label: B, pretrain: {clusters: 100}, reported: {r1: 40.0}}
"""


class Checkout:
    """A folder that the command line takes for the project's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        (folder / "tables").mkdir(parents=True)
        (folder / "benchmarks" / "scales").mkdir(parents=True)
        shutil.copytree(
            ROOT / "iicl", folder / "iicl", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(ROOT / "tables" / "table1.yaml", folder / "tables")
        (folder / "tables" / "table2.yaml").write_text(SMALL_TABLE)
        self.scale()

    def scale(self, name: str = "smoke", execution: str = "{}", generate: str = GENERATE) -> None:
        text = SCALE.format(name=name, execution=execution, generate=generate)
        (self.folder / "benchmarks" / "scales" / f"{name}.yaml").write_text(text)

    def with_copied_home(self, root: Path) -> "Checkout":
        """The same checkout with a copy of its home in the folder ``root``."""
        shutil.copytree(self.home.root, root, symlinks=True)
        other = copy.copy(self)
        other.home = Home(root)
        return other

    def run(self, *arguments: str, table: str = "II", cluster: str = "inline") -> int:
        """The exit code of one command."""
        argv = ["--table", table, "--scale", "smoke", "--cluster", cluster, "--precision", "bf16"]
        argv += ["--home", str(self.home.root), "--out", str(self.folder / "out"), *arguments]
        return run.main(argv, stages=fake_stages, folder=self.folder)

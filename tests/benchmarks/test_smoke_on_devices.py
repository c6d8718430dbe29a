"""A smoke table on a GPU, and in bf16, is that in float32 on the CPU, within bf16's rounding.

Compared are the losses of a training and the features of a network that is not trained. The first
steps of Adam take each weight by the sign of its gradient, so that rounding is soon far larger in
the features of a trained network; and the metrics are near to chance.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import run, stages
from iicl.evaluation.features import load_features

Results = dict[str, tuple[Path, dict[str, Any]]]
"""By the name of a run without its hashes, and its phase: its files and its result."""

ROOT = Path(__file__).parents[2]
NEAR = 8 * 2.0**-8  # relative; one number that is rounded to bf16 is off by 2^-8 at most
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def results(folder: Path, device: str, precision: str) -> Results:
    """Make two rows on a device."""
    (folder / "benchmarks").mkdir(parents=True)
    for name in ("iicl", "tables", "benchmarks/scales"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*pycache*"))
    scale = folder / "benchmarks" / "scales" / "smoke.yaml"
    text = scale.read_text()
    assert "device: cpu" in text
    scale.write_text(text.replace("device: cpu", f"device: {device}"))
    words = f"--table I --rows c400 random_init --columns r1 --seeds 0 --precision {precision}"
    words += f" --scale smoke --cluster inline --yes --home {folder / 'home'}"
    assert run.main(words.split(), stages=stages, folder=folder) in (0, 1)
    by_name = {}
    for path in (folder / "home" / "runs").glob("*/result.json"):
        resolved = json.loads((path.parent / "spec.json").read_text())["resolved"]
        name = f"{path.parent.name.rpartition('-')[0]} {resolved.get('phase', '')}"
        assert name not in by_name
        by_name[name] = path.parent / "files", json.loads(path.read_text())
    return by_name


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results(tmp_path_factory.mktemp("reference") / "code", "cpu", "float32")


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", "bf16"),
        *(pytest.param("cuda", name, marks=needs_gpu) for name in ("float32", "tf32", "bf16")),
    ],
)
def test_the_table_is_the_same(
    device: str, precision: str, reference: Results, tmp_path: Path
) -> None:
    other = results(tmp_path / "code", device, precision)
    assert other.keys() == reference.keys()
    for name, (files, result) in other.items():
        expected_files, expected = reference[name]
        assert result["num_evaluated"] == expected["num_evaluated"], name
        assert result["metrics"].keys() == expected["metrics"].keys(), name
        losses = expected.get("losses", {})
        assert result.get("losses", {}) == pytest.approx(losses, rel=NEAR), name
        if name.startswith("features-random_init"):
            encoded, exact = (load_features(f).features for f in (files, expected_files))
            assert np.linalg.norm(encoded - exact) < NEAR * np.linalg.norm(exact)

"""The measurements of a GPU run on a CPU, too; what was not measured is said."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.throughput import gpu, gpu_parts
from benchmarks.throughput.gpu_parts import MODELS
from iicl.config import Preparation
from iicl.data.prepare import prepare
from iicl.data.synthetic.write import generate

ON_CUDA_ONLY = {
    "smoke: step of 4 in tf32, ms",
    "smoke: peak memory in bf16, GiB",
    "smoke: largest chunk in bf16, items",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    generate("audioset", root / "source", num_items=20, seed=1)
    small = Preparation(short_side=16, max_fps=8.0)
    prepare(
        "audioset",
        root / "source",
        root / "prepared",
        corpus="audioset",
        preparation=small,
        num_workers=1,
    )
    return root / "prepared"


def test_all_parts_run_on_a_cpu(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_parts, "NUM_ROUNDS", 1)
    monkeypatch.setattr(gpu, "NUM_WORKERS", (0, 1))
    words = ["--device", "cpu", "--models", "smoke", "--out", str(tmp_path)]
    assert gpu.main([*words, "--corpus", str(corpus)]) == 0
    (path,) = tmp_path.glob("gpu-*.json")
    result = json.loads(path.read_text())
    assert {"device", "commit", "packages", "processor", "gpu"} <= result.keys()
    assert {name for name, value in result["rows"].items() if value is None} == ON_CUDA_ONLY
    assert all(value > 0 for value in result["rows"].values() if value is not None)
    shares = [value for name, value in result["rows"].items() if "% of the time" in name]
    assert len(shares) == 2
    assert all(0 < share < 100 for share in shares)

    assert gpu.main([*words, "--render"]) == 0
    lines = (tmp_path / "gpu.md").read_text().splitlines()
    assert lines[0] == f"|  | {result['device']} |"
    assert {line.split(" | ")[0][2:] for line in lines if "not measured" in line} == ON_CUDA_ONLY


def test_where_no_gpu_was_measured_every_row_says_so(tmp_path: Path) -> None:
    assert gpu.main(["--out", str(tmp_path), "--render"]) == 0
    head, _, *lines = (tmp_path / "gpu.md").read_text().splitlines()
    assert head == "|  | a GPU |"
    assert len(lines) == 1 + 2 * 10
    assert all(line.endswith("| not measured |") for line in lines)


def test_the_rendered_table_is_that_of_the_results() -> None:
    results = [json.loads(path.read_text()) for path in sorted(gpu.RESULTS.glob("gpu-*.json"))]
    models = {name: MODELS[name] for name in ("desk", "full")}
    names = list(gpu.rows(gpu.Card(torch.device("cuda"), None), models))
    assert (gpu.RESULTS / "gpu.md").read_text() == gpu.table(names, results)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_one_line_says_so(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert gpu.main(["--out", str(tmp_path)]) == 2
    assert capfd.readouterr().err == "this machine has no CUDA device: nothing is measured\n"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_corpus_is_refused(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--device", "cpu", "--models", "smoke", "--out", str(tmp_path)]
    assert gpu.main([*words, "--corpus", str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("limit", [0, 7, 8, 40, 41, 64, 1000])
def test_the_largest_batch_is_the_last_multiple_that_has_room(limit: int) -> None:
    asked: list[int] = []

    def has_room(batch_size: int) -> bool:
        asked.append(batch_size)
        return batch_size <= limit

    assert gpu_parts.largest(has_room, step=8, most=64) == min(limit // 8 * 8, 64)
    assert set(asked) <= set(range(8, 65, 8))


def test_operations_of_a_step_are_six_for_each_weight_and_use() -> None:
    """A product and a sum, forward and twice backward, except for the gradient of the inputs."""
    linear, x = torch.nn.Linear(5, 7, bias=False), torch.ones(3, 5)
    assert gpu_parts.num_operations(lambda: linear(x).sum().backward()) == 4 * 3 * 5 * 7
    x.requires_grad_()
    assert gpu_parts.num_operations(lambda: linear(x).sum().backward()) == 6 * 3 * 5 * 7

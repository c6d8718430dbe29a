"""What a scale asks of a cluster."""

from typing import Any

import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.plan.amounts import figure
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.schedule import enough, simulate


@pytest.fixture(scope="module")
def paper() -> Plan:
    return capacity.read("paper")


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_an_all_reduce_moves_what_a_ring_does(ranks: int) -> None:
    parts = np.arange(ranks * ranks, dtype=float).reshape(ranks, ranks)  # rank, part of its vector
    expected, sent = parts.sum(axis=0), 0
    for adds in (True, False):  # sums go round, then what they came to
        for step in range(ranks - 1):
            before = parts.copy()
            for rank in range(ranks):
                part = (rank - step + (0 if adds else 1)) % ranks
                to = (rank + 1) % ranks
                parts[to, part] = before[rank, part] + (before[to, part] if adds else 0)
            sent += 1  # part of each rank
    assert (parts == expected).all()
    assert capacity.all_reduce_bytes(8 * ranks, ranks) == 8 * sent


def methods_of(run: Run, plan: Plan) -> set[str]:
    """Names of the methods of a run's pretrainings."""
    own = {run.resolved["method"]["name"]} if run.stage == "pretrain" else set()
    return own.union(*(methods_of(plan.runs[i], plan) for i in run.upstream.values()))


def test_a_run_leaves_what_hand_arithmetic_says(paper: Plan) -> None:
    def left(stage: str, corpus: str, **settings: Any) -> set[int]:
        return {
            capacity.footprint(run, paper).disk_bytes
            for run in paper.runs.values()
            if run.stage == stage
            and run.corpus.name == corpus
            and methods_of(run, paper) <= {"iicl", "random_init", "supervised", "mfcc"}
            and all(run.resolved[key] == value for key, value in settings.items())
        }

    encoders, g_ins = 31_300_125 + 11_170_240, 512 * 513 + 1024 * 513
    # float32: weights, and two checkpoints of the weights and Adam's two moments
    assert left("pretrain", "ucf101", phase="initialisation") == {7 * 4 * (encoders + g_ins)}
    g_clu = 512 * 513 + 400 * 513
    found = left("pretrain", "ucf101", phase="co_training")
    assert found == {7 * 4 * (encoders + g_ins + g_clu)}
    # an untrained control: weights and one checkpoint without moments
    assert 2 * 4 * encoders in left("pretrain", "ucf101", epochs=0)
    assert left("finetune", "hmdb51") == {5 * 4 * 31_300_125}  # one momentum of SGD
    assert left("features", "ucf101") == {13_320 * 10 * 512 * 4}
    assert 2 * 20 * 4 * 60 * 200 in left("features", "dcase2013")  # mfcc: 20 means, 20 deviations
    assert left("retrieval", "ucf101") == {0}


def test_a_pretraining_uses_a_gpu_for_each_chunk_and_a_fine_tuning_a_node(paper: Plan) -> None:
    found: dict[str, set[int]] = {}
    for run in paper.runs.values():
        found.setdefault(run.stage, set()).add(capacity.most_devices(run))
    # 256 clips in chunks of 32; an untrained control and mfcc compute nothing
    assert found == {
        "pretrain": {0, 8},
        "finetune": {8},  # of the 32 clips of a batch, as many GPUs as a node has
        "features": {0, 1},
        "linear": {0},
        "retrieval": {0},
        "clustering": {0},
        "crossmodal": {0},
    }


def test_the_longest_chain_of_table_1_is_a_pretraining_and_a_fine_tuning(paper: Plan) -> None:
    graph = capacity.tasks(paper.of(paper.tables[0]), paper.scale)
    forward = 2 * 105.85e9
    clips = 600 * (1_784_108 // 256) * 256  # 600 epochs of AudioSet
    pretraining = clips * 3 * (forward + 2 * 0.185e9) / 8 / 1e14
    finetuning = (9537 * 10 * 12 * 3 + 3783 * 10 * 3) * forward / 8 / 1e14
    many = simulate(graph, 10_000)
    assert many.seconds == pytest.approx(pretraining + finetuning, rel=0.001)
    useful = enough(graph, capacity.NODE)
    assert simulate(graph, useful).seconds == many.seconds
    assert simulate(graph, useful - capacity.NODE).seconds > many.seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [(41_316.0, "41,000"), (8.8, "8.8"), (99.9, "100"), (0.2035, "0.2"), (12.0, "12"), (0, "0")],
)
def test_a_figure_has_two_digits(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize("scale", ["desk", "papers"])
def test_a_scale_that_does_not_say_what_clips_take_is_refused(
    scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity.main(["--scale", scale]) == 2
    error = capsys.readouterr().err
    assert error == f"error: --scale {scale!r}; legal: gpu-day, paper\n"


def test_the_smaller_gpu_scale_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["--scale", "gpu-day"]) == 0
    assert "| ucf101" in capsys.readouterr().out

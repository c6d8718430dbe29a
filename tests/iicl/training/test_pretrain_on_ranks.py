"""Whole stages on several ranks. Each rank has a folder of its own, to show who writes."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from iicl import config, interruption
from iicl.config import PretrainLength
from iicl.pretraining import pretrain_phases
from iicl.training import checkpoint, pretrain
from iicl.training.weights import load_weights
from tests.iicl.context import context
from tests.iicl.training.ranks import Lost, on_ranks, started

LENGTH = PretrainLength(initialisation=4, co_training=1)  # 12 steps and 3


def run(phase, corpora, root: Path, report=lambda fraction, text: None, previous=None, **execution):
    """In the folder of this process's rank: of rank 0 where there is but one."""
    out = root / os.environ.get("RANK", "0")
    out.mkdir(parents=True, exist_ok=True)
    return pretrain.run(
        phase,
        context(
            out,
            corpora=corpora,
            upstream={} if previous is None else {"previous": previous / "0"},
            report=report,
            **execution,
        ),
    )


def assert_same(first: Path, second: Path) -> None:
    one, other = load_weights(first / "0"), load_weights(second / "0")
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    curves = [
        [json.loads(line) for line in (root / "0" / "metrics.jsonl").open()]
        for root in (first, second)
    ]
    assert curves[0] == curves[1]
    assert curves[0]


@pytest.fixture
def phases(settings):
    # So seldom that a chunk may be without jitter in a batch that is not.
    seldom = config.Augmentation(colour_jitter_probability=0.1)
    return pretrain_phases(LENGTH, augmentation=seldom, **settings)


@pytest.fixture(scope="module")
def folder_of_one(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("one")


@pytest.fixture
def whole(phases, corpora, folder_of_one) -> Path:
    """The first phase, on one rank; made once, then found finished."""
    run(phases[0], corpora, folder_of_one)
    return folder_of_one


def test_two_ranks_end_in_the_bits_of_one(phases, corpora, whole, tmp_path):
    second = tmp_path / "second"
    run(phases[1], corpora, second, previous=whole)

    def both_phases():
        execution = {"checkpoint_seconds": 0, "num_workers": 1}
        first = run(phases[0], corpora, tmp_path / "shared", **execution)
        previous = tmp_path / "shared"
        return first, run(
            phases[1], corpora, tmp_path / "shared second", previous=previous, **execution
        )

    results = on_ranks(2, both_phases)
    assert_same(whole, tmp_path / "shared")
    assert_same(second, tmp_path / "shared second")
    assert not list((tmp_path / "shared" / "1").iterdir()), "only rank 0 writes"
    for one, other in zip(*results, strict=True):
        assert one["losses"] == other["losses"]
        assert one["num_ranks"] == other["num_ranks"] == 2
        assert one["peak_memory_bytes"] == other["peak_memory_bytes"]
    _, state = checkpoint.load_latest(tmp_path / "shared" / "0" / "checkpoints")
    assert state["num_items"] == 12 * 12


def test_a_signal_to_one_rank_stops_all_at_a_step_and_one_rank_goes_on(
    phases, corpora, whole, tmp_path
):
    def interrupted(say):
        interruption.listen(pytest.fail, signal.SIGUSR2)

        def report(fraction, text):
            say(text)
            if os.environ["RANK"] == "1" and text.startswith("step 3/"):
                os.kill(os.getpid(), signal.SIGUSR2)

        run(phases[0], corpora, tmp_path / "cut", report, checkpoint_seconds=3600)

    with started(2, interrupted) as ranks:
        for rank in ranks:
            assert [rank.next() for _ in range(4)] == [f"step {n}/12" for n in (1, 2, 3, 4)]
            with pytest.raises(Lost) as caught:
                rank.next()
            assert caught.value.args == ("Interrupted", "stopped by SIGUSR2")
    step, _ = checkpoint.load_latest(tmp_path / "cut" / "0" / "checkpoints")
    assert step == 4
    run(phases[0], corpora, tmp_path / "cut")
    assert_same(whole, tmp_path / "cut")


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_is_missed_and_the_resumed_training_ends_in_the_same_bits(
    phases, corpora, whole, tmp_path, killed
):
    def attempt(say):
        def report(fraction, text):
            if os.environ["RANK"] == str(killed) and text.startswith("step 5/"):
                os.kill(os.getpid(), signal.SIGKILL)

        run(phases[0], corpora, tmp_path / "cut", report, checkpoint_seconds=0)

    with started(2, attempt) as ranks:
        with pytest.raises(Lost, match="killed"):
            ranks[killed].next()
        with pytest.raises(Lost, match="LostRankError"):
            ranks[1 - killed].next()
    assert not (tmp_path / "cut" / "0" / "weights.safetensors").exists()

    def resumed():
        steps = []
        run(phases[0], corpora, tmp_path / "cut", lambda fraction, text: steps.append(text))
        return steps

    # The checkpoint is in rank 0's folder alone: rank 1 has it from there.
    assert on_ranks(2, resumed) == [[f"step {n}/12" for n in range(6, 13)]] * 2
    assert_same(whole, tmp_path / "cut")


def test_what_cannot_be_shared_or_fill_a_batch_is_refused_on_all_ranks(settings, corpora, tmp_path):
    def refused(batch_size, chunk_size):
        optimisation = {"batch_size": batch_size, "chunk_size": chunk_size}
        (phase, _) = pretrain_phases(LENGTH, **{**settings, "optimisation": optimisation})
        lost = on_ranks(2, lambda: run(phase, corpora, tmp_path / "refused"))
        assert [answer.args[0] for answer in lost] == ["ValueError"] * 2
        (message,) = {answer.args[1] for answer in lost}
        return message

    assert refused(12, 12) == "a batch of 12 in chunks of 12 is work for 1 rank, got 2"
    assert "fewer than one batch of 64" in refused(64, 32)

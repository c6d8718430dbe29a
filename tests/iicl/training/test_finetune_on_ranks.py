"""Whole fine-tunings on several ranks. Each rank has a folder of its own, to show who writes."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from iicl.config import PretrainLength
from iicl.pretraining import pretrain_phases
from iicl.protocols import Finetune
from iicl.training import checkpoint, finetune, pretrain
from iicl.training.weights import load_weights
from tests.iicl.context import context
from tests.iicl.training.ranks import Lost, on_ranks, started

NUM_STEPS = 6  # one epoch of 48 items


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture
def encoder(settings, corpora, encoders) -> Path:
    """A pretraining of one epoch; made once, then found finished."""
    length = PretrainLength(initialisation=1, co_training=0)
    (phase, _) = pretrain_phases(length, **settings)
    pretrain.run(phase, context(encoders, corpora=corpora, upstream={}))
    return encoders


@pytest.fixture
def tune(settings, corpora, encoder):
    """Fine-tune in the folder of this process's rank: of rank 0 where there is but one."""
    common = {name: settings[name] for name in ("clip", "precision", "seed")}
    # Few steps at low rates: where rounding turns a ReLU over, a gradient of float32 jumps, on one
    # rank as on several, and so small an encoder lets the difference grow from step to step.
    rates = {"head_learning_rate": 1e-3, "encoder_learning_rate": 1e-4}
    small = {"epochs": 1, "clips_per_item": 1, "batch_size": 8, "num_clips": 2}
    recipe = Finetune(corpus="ucf101", **rates, **small, **common)

    def run(root: Path, report=lambda fraction, text: None, update=None, **execution):
        out = root / os.environ.get("RANK", "0")
        out.mkdir(parents=True, exist_ok=True)
        surroundings = context(
            out, corpora=corpora, upstream={"encoder": encoder}, report=report, **execution
        )
        return finetune.run(recipe.model_copy(update=update or {}), surroundings)

    return run


def losses(root: Path) -> list[float]:
    return [json.loads(line)["total"] for line in (root / "0" / "metrics.jsonl").open()]


def without_cost(result: dict[str, Any]) -> dict[str, Any]:
    cost = ("num_ranks", "clips_per_second", "peak_memory_bytes", "test_seconds")
    return {name: value for name, value in result.items() if name not in cost}


def test_ranks_give_the_fine_tuning_of_one(tune, tmp_path):
    """In batches of 8, which 3 ranks share unevenly."""
    alone = tune(tmp_path / "1")
    assert len(losses(tmp_path / "1")) == NUM_STEPS
    assert alone["num_ranks"] == 1
    for size in (2, 3):
        root = tmp_path / str(size)
        results = on_ranks(size, lambda root=root: tune(root, num_workers=1))
        for result in results:
            assert without_cost(result) == without_cost(alone)
            assert result["num_ranks"] == size
        assert losses(root) == pytest.approx(losses(tmp_path / "1"), rel=5e-3)
        one, other = load_weights(tmp_path / "1" / "0"), load_weights(root / "0")
        assert one.keys() == other.keys()
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=5e-3, atol=5e-4, msg=name)
        assert not any([*(root / "1").iterdir()]), "only rank 0 writes"
        _, state = checkpoint.load_latest(root / "0" / "checkpoints")
        assert state["num_items"] == 8 * NUM_STEPS


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_is_missed_and_two_resumed_ranks_end_in_the_same_bits(tune, tmp_path, killed):
    def attempt(say):
        def report(fraction, text):
            if os.environ["RANK"] == str(killed) and text.startswith("step 3/"):
                os.kill(os.getpid(), signal.SIGKILL)

        tune(tmp_path / "cut", report, checkpoint_seconds=0)

    with started(2, attempt) as ranks:
        with pytest.raises(Lost, match="killed"):
            ranks[killed].next()
        with pytest.raises(Lost, match="LostRankError"):
            ranks[1 - killed].next()
    assert not (tmp_path / "cut" / "0" / "weights.safetensors").exists()

    def resumed():
        texts: list[str] = []
        tune(tmp_path / "cut", lambda fraction, text: texts.append(text))
        return [text for text in texts if text.startswith("step")]

    expected_steps = [f"step {n}/{NUM_STEPS}" for n in range(4, NUM_STEPS + 1)]
    assert on_ranks(2, resumed) == [expected_steps] * 2
    on_ranks(2, lambda: tune(tmp_path / "whole"))
    whole, cut = (load_weights(tmp_path / name / "0") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(cut[name], value) for name, value in whole.items())


def test_one_rank_goes_on_from_two(tune, tmp_path):
    def interrupted():
        def report(fraction, text):
            if text.startswith("step 3/"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tune(tmp_path / "cut", report, checkpoint_seconds=0)

    assert on_ranks(2, interrupted) == [None, None]
    tune(tmp_path / "cut")
    tune(tmp_path / "whole")
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), rel=5e-3)


def test_more_ranks_than_batches_of_the_test_share_it(tune, tmp_path):
    """Of 24 items with 2 clips each in batches of 40, which are 2."""
    update = {"batch_size": 40}
    alone = tune(tmp_path / "1", update=update)
    results = on_ranks(4, lambda: tune(tmp_path / "4", update=update))
    assert [without_cost(result) for result in results] == [without_cost(alone)] * 4


def test_a_batch_of_fewer_items_than_ranks_is_refused_on_all(tune, tmp_path):
    refused = on_ranks(4, lambda: tune(tmp_path, update={"batch_size": 3}))
    message = "a batch of 3 in chunks of 1 is work for 3 ranks, got 4"
    assert [answer.args for answer in refused] == [("ValueError", message)] * 4

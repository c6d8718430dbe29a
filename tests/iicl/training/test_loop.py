"""The loop on a method of one number, where every step can be written down."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from iicl import config
from iicl.methods.base import Method
from iicl.training import checkpoint, loop
from iicl.training.distributed import ALONE


class Number(Method):
    """Its loss is x times the batch's value, times a random number if asked."""

    views = ("value",)

    def __init__(self, noisy: bool) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(1.0))
        self.noisy = noisy
        self.modes: list[bool] = []

    def encode(self, views):
        self.modes.append(self.training)
        return {"product": self.x * views["value"]}

    def loss(self, features):
        total = features["product"].mean() * (torch.rand(()) if self.noisy else 1)
        return total, {"product": total}


def train(folder, *, num_steps=6, noisy=False, rate=lambda step: 1.0, stop_after=None, **execution):
    """Trains with a rate of 0.1 on batches of value 1, 2, ...; gives the method and the outcome."""
    method = Number(noisy).eval()

    def report(fraction, text):
        if text == f"step {stop_after}/{num_steps}":
            raise KeyboardInterrupt

    training = loop.Training(
        method=method,
        optimiser=torch.optim.SGD(method.named_parameters(), lr=0.1),
        rate=rate,
        num_steps=num_steps,
        batches=lambda first: (
            SimpleNamespace(value=float(n + 1), positions=[0, 1]) for n in range(first, num_steps)
        ),
        views=lambda batch: {"value": torch.full((2,), batch.value)},
        batch_size=2,
        chunk_size=2,
        precision="float32",
        seed=3,
    )
    return method, loop.train(training, folder, config.Execution(**execution), report, ALONE)


def interrupted(folder, **settings):
    """The same, stopped after three steps and gone on with."""
    with pytest.raises(KeyboardInterrupt):
        train(folder, stop_after=3, checkpoint_seconds=0, **settings)
    return train(folder, **settings)


@pytest.mark.parametrize("attempt", [train, interrupted])
def test_each_step_takes_the_rate_of_its_number(tmp_path, attempt):
    method, _ = attempt(tmp_path, rate=lambda step: 1 / (step + 1))
    # Steps of 0.1 / (n + 1) down a slope of n + 1: each goes down by 0.1.
    assert method.x.item() == pytest.approx(1 - 6 * 0.1)
    curve = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert [point["step"] for point in curve] == list(range(6))
    assert [point["rate_0"] for point in curve] == pytest.approx([0.1 / n for n in range(1, 7)])
    assert [point["total"] for point in curve] == pytest.approx(
        [(1 - 0.1 * n) * (n + 1) for n in range(6)]
    )


def test_random_numbers_of_a_step_do_not_depend_on_the_steps_before(tmp_path):
    whole, _ = train(tmp_path / "whole", noisy=True)
    torch.rand(7)
    resumed, _ = interrupted(tmp_path / "resumed", noisy=True)
    assert torch.equal(whole.x, resumed.x)
    assert not torch.equal(whole.x, train(tmp_path / "plain")[0].x)


def test_the_method_is_trained_in_training_mode(tmp_path):
    assert train(tmp_path)[0].modes == [True] * 6


def test_cost_counts_the_steps_that_led_to_the_end(tmp_path):
    _, outcome = interrupted(tmp_path)
    assert outcome.num_items == 12
    assert outcome.last_losses == pytest.approx({"product": (1 - 1.5) * 6, "total": -3.0})


def test_the_state_is_saved_at_the_interval_and_at_the_end(tmp_path):
    train(tmp_path / "rarely", checkpoint_seconds=3600)
    assert [p.name for p in (tmp_path / "rarely" / "checkpoints").iterdir()] == [
        "step-000000006.pt"
    ]
    train(tmp_path / "always", checkpoint_seconds=0)
    assert len(list((tmp_path / "always" / "checkpoints").iterdir())) == 2


def test_a_long_training_keeps_a_short_curve(tmp_path):
    train(tmp_path, num_steps=999)
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()]
    assert steps[:3] == [0, 4, 8]
    assert steps[-1] == 998
    assert len(steps) <= 2 * loop.NUM_CURVE_POINTS


def test_a_finished_training_is_not_repeated(tmp_path):
    first, _ = train(tmp_path)
    again, outcome = train(tmp_path)
    assert torch.equal(first.x, again.x)
    assert again.modes == []
    assert outcome.num_items == 12
    assert checkpoint.load_latest(tmp_path / "checkpoints")[0] == 6

"""Runs of short pretrainings, and what they leave in their folders."""

from pathlib import Path

import torch

from iicl.config import PretrainLength
from iicl.training import checkpoint, pretrain
from iicl.training.weights import load_weights
from tests.iicl.context import context

LENGTH = PretrainLength(initialisation=2, co_training=2)


def run(phase, corpora, out, previous=None, **execution):
    out.mkdir(exist_ok=True)
    return pretrain.run(
        phase,
        context(
            out,
            corpora=corpora,
            upstream={} if previous is None else {"previous": previous},
            **execution,
        ),
    )


def same(first: Path, second: Path) -> bool:
    one, other = load_weights(first), load_weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def moments(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The optimiser's state in a run's last checkpoint, by parameter."""
    _, state = checkpoint.load_latest(folder / "checkpoints")
    names = state["optimiser"]["param_groups"][0]["param_names"]
    return {names[index]: kept for index, kept in state["optimiser"]["state"].items()}

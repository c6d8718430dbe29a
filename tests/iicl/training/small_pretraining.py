"""Runs of short pretrainings, and what they leave in their folders."""

from pathlib import Path

import torch

from iicl.config import PretrainLength
from iicl.training import checkpoint, pretrain
from iicl.training.weights import load_weights
from tests.iicl.context import context

LENGTH = PretrainLength(initialisation=2, co_training=2)


def run(phase, corpora, out, previous=None, **execution):
    """The result of one phase in the folder ``out``, which is made."""
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


def same_weights(first: Path, second: Path) -> bool:
    one, two = load_weights(first), load_weights(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def moments(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The optimiser's state in a run's last checkpoint, by parameter."""
    _, state = checkpoint.load_latest(folder / "checkpoints")
    names = state["optimiser"]["param_groups"][0]["param_names"]
    return {names[index]: values for index, values in state["optimiser"]["state"].items()}

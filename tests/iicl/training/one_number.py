"""A method of one number and its training, where every step can be written down."""

from types import SimpleNamespace

import torch
from torch import nn

from iicl import config
from iicl.methods.base import Method
from iicl.training import loop
from iicl.training.distributed import ALONE
from iicl.training.recipe import Training


class Number(Method):
    """Its loss is x times the batch's value, times a random number if asked."""

    samples = ("value",)

    def __init__(self, noisy: bool) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(1.0))
        self.noisy = noisy
        self.modes: list[bool] = []

    def encode(self, batch):
        self.modes.append(self.training)
        return {"product": self.x * batch["value"]}

    def loss(self, features):
        total = features["product"].mean() * (torch.rand(()) if self.noisy else 1)
        return total, {"product": total}


class Items:
    """Batches of value 1, 2, ..."""

    def __init__(self, num_steps, steps_per_epoch, chunk_size):
        self.num_steps, self.steps_per_epoch = num_steps, steps_per_epoch
        self.chunk_size = chunk_size
        self.batching = SimpleNamespace(batch_size=2, seed=3)
        self.positions = [0, 1, 2]
        self.device = torch.device("cpu")

    def batches(self, first):
        return iter([float(n + 1) for n in range(first, self.num_steps)])

    def chunks_in_order(self, epoch):
        torch.rand(3)  # as a DataLoader draws from the generator
        return iter([[0.0, 1.0], [2.0]])

    def samples(self, batch):
        value = torch.tensor(batch) if isinstance(batch, list) else torch.full((2,), batch)
        return {"value": value}


def train(
    folder,
    *,
    num_steps=6,
    steps_per_epoch=6,
    chunk_size=2,
    method=None,
    noisy=False,
    rate=lambda step: 1.0,
    stop_after=None,
    momentum=0.0,
    **execution,
):
    """Trains with a rate of 0.1; gives the method and the outcome."""
    method = (method or Number(noisy)).eval()

    def report(fraction, text):
        if text == f"step {stop_after}/{num_steps}":
            raise KeyboardInterrupt

    training = Training(
        method=method,
        optimiser=torch.optim.SGD(method.named_parameters(), lr=0.1, momentum=momentum),
        rate=rate,
        items=Items(num_steps, steps_per_epoch, chunk_size),
        precision="float32",
    )
    return method, loop.train(training, folder, config.Execution(**execution), report, ALONE)

"""The running statistics of batch norm in a step of several chunks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from iicl.training.distributed import Ranks
from iicl.training.exact_sum import ExactSum


class AveragedStatistics:
    """Running statistics r that move once per step, from the mean of the chunks' statistics.

    With the statistics s_k of K chunks of n_k items,
    r <- (1 - momentum) r + momentum * sum_k (n_k / N) s_k; ``num_batches_tracked`` grows as
    by one encoding.

    Every chunk starts from the statistics before the step. An update is linear in the statistics
    of the chunk, so the mean of the chunks' results is the result of their mean.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._buffers = _statistics(module)
        self._before = [buffer.clone() for buffer in self._buffers]
        self._changes = ExactSum(self._buffers, device)

    @contextmanager
    def of_items(self, num_items: int) -> Iterator[None]:
        """Count the change of the statistics inside the block as that of so many items."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.data.copy_(before)
        yield
        for number, (buffer, before) in enumerate(zip(self._buffers, self._before, strict=True)):
            self._changes.add(number, buffer.double() - before, num_items)

    def write(self, num_items: int, ranks: Ranks) -> None:
        """Put the mean over the items of all ranks in place."""
        changes = self._changes.over_ranks(ranks)
        for buffer, before, change in zip(self._buffers, self._before, changes, strict=True):
            # Through ``data``: autograd would refuse a kept graph after a change in place, though
            # backward in training mode reads the statistics of the batch, not these.
            buffer.data.copy_(before + change / num_items)


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """Restore the running statistics of a module at the end of the block."""
    buffers = _statistics(module)
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, value in zip(buffers, before, strict=True):
        buffer.data.copy_(value)


def _statistics(module: nn.Module) -> list[Tensor]:
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]

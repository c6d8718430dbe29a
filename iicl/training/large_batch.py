"""The gradient of a whole batch's loss in the memory of a chunk (the idea of GradCache).

Three steps:

1. Encode the batch chunk by chunk. The graphs of the last chunks are kept, as many as a budget of
   memory holds, and at least one.
2. Take the loss over the features of all items, and its gradient with respect to them, once.
3. Send each chunk's part of that gradient back through the chunk's graph. A chunk whose graph was
   not kept is encoded again for this.

Loss and gradients are those of the unchunked step, and of the same bits whatever the budget.

Ranks share the chunks: each encodes its own, and all take the loss over the whole batch. A batch
gives the same bits on any number of ranks:

- Gradients are summed by :mod:`iicl.training.exact_sum`. The gradient of parameters that only the
  loss reads is the same on all ranks and is taken from rank 0.
- One number drawn from the generator, and a chunk's place in the whole batch, seed both encodings
  of the chunk. The loss goes on from the generator after that draw.
- Batch norm normalises within a chunk; see :mod:`iicl.training.running_statistics`.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from iicl.config import GradientExchange, Precision
from iicl.methods.base import Method
from iicl.seeding import derive_seed
from iicl.training.distributed import ALONE, Ranks
from iicl.training.exact_sum import GradientSum
from iicl.training.graph_memory import measured_graph
from iicl.training.precision import encode
from iicl.training.running_statistics import AveragedStatistics, unchanged


class NonFiniteError(FloatingPointError):
    """A value that must be finite is not; ``names`` says which ones."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"not finite: {', '.join(names)}")
        self.names = names


class BatchLoss(NamedTuple):
    """The loss of a whole batch; all tensors are detached and the same on all ranks.

    Attributes:
        total: the scalar that is descended.
        parts: its unweighted terms by name.
        features: what the loss was taken of, all items along the first dimension.
    """

    total: Tensor
    parts: dict[str, Tensor]
    features: dict[str, Tensor]


def finite_means(values: Mapping[str, Tensor]) -> dict[str, float]:
    """The mean of each tensor, on the host; that of a scalar is its value.

    It waits for the device, and only once. A step calls it once, for all that the host must know.

    Args:
        values: one or more tensors of one device.

    Raises:
        NonFiniteError: naming every entry with a NaN or an infinity.
    """
    means = torch.stack([value.detach().double().mean() for value in values.values()]).tolist()
    if broken := [name for name, x in zip(values, means, strict=True) if not math.isfinite(x)]:
        raise NonFiniteError(broken)
    return dict(zip(values, means, strict=True))


def backward(
    method: Method,
    batch: Mapping[str, Tensor],
    chunk_size: int | None,
    *,
    precision: Precision = "float32",
    ranks: Ranks = ALONE,
    graph_memory: int = 0,
    exchange: GradientExchange = "float64",
) -> BatchLoss:
    """Add the gradient of the loss over the whole batch to the parameters' ``grad``.

    A batch that fits in one chunk is a plain forward and backward. Under "bf16" encoding runs in
    autocast; features and loss are float32 or more.

    All ranks call it with the same weights and the generators in the same state, and leave it so.
    Nothing waits for the device: whether the values are finite is for :func:`finite_means` to say.

    Args:
        method: in training mode, on the batch's device.
        batch: the method's samples of this rank's items, along the first dimension of each: its
            share of a batch, see :meth:`iicl.data.sampling.Share.of_batch`. On one rank it is the
            whole batch.
        chunk_size: most items encoded at a time, 1 or more; the last chunk may be smaller. None:
            a rank's share is one chunk; the last bits then depend on the number of ranks.
        precision: of the encoders' arithmetic.
        ranks: that share the batch.
        graph_memory: bytes that this rank may hold in graphs; one chunk's is held even if larger.
        exchange: in which ranks add up gradients; in "float32" their number changes last digits.

    Raises:
        ValueError: for a chunk size below 1, a missing sample, samples of unequal length, or a
            batch of fewer chunks than ranks.
        LostRankError: if another rank is gone.
    """
    num_own = _num_items(method, batch, chunk_size)
    counted = torch.tensor(num_own)
    ranks.sum(counted)
    num_items = int(counted)
    own = ranks.share.of_batch(num_items, chunk_size)
    assert len(own) == num_own, f"rank {ranks.rank} has {num_own} of items {own}"
    first = ranks.rank if chunk_size is None else own.start // chunk_size
    chunk_size = chunk_size or num_own
    if num_items <= chunk_size:
        features = _encode(method, batch, precision)
        total, parts = _loss(method, features)
        total.backward()
        return BatchLoss(total.detach(), parts, _detached(features))
    chunks = _cut(method, batch, chunk_size, precision, first)
    encoded = _encode_chunks(chunks, num_items, ranks, graph_memory)
    features = _of_all_ranks(encoded.features, ranks)
    gradient = GradientSum([p for p in method.parameters() if p.requires_grad], chunks.device)
    loss, at_features = _gradient_of_features(method, features, gradient, ranks)
    at_own = {
        name: whole[own.start : own.stop].split(chunk_size) for name, whole in at_features.items()
    }
    _send_back(chunks, encoded, at_own, gradient)
    gradient.write(ranks, exchange)
    return loss


def _of_all_ranks(chunks: Sequence[Mapping[str, Tensor]], ranks: Ranks) -> dict[str, Tensor]:
    """The features of the whole batch, from those of this rank's chunks."""
    return {name: ranks.concatenate(torch.cat([c[name] for c in chunks])) for name in chunks[0]}


@dataclass(frozen=True)
class _Chunks:
    """This rank's chunks of a batch; the number of a chunk is its place among them."""

    method: Method
    samples: list[dict[str, Tensor]]
    seeds: list[int]
    precision: Precision
    device: torch.device

    def encode(self, number: int) -> dict[str, Tensor]:
        """Encode one chunk with its graph; equal features each time, as the generator is seeded."""
        torch.manual_seed(self.seeds[number])
        return _encode(self.method, self.samples[number], self.precision)

    def generator_kept(self) -> AbstractContextManager[None]:
        """Restores the state of the generators at the end of the block."""
        return torch.random.fork_rng([self.device] if self.device.type == "cuda" else [])


class _Encoded(NamedTuple):
    """This rank's chunks, encoded.

    Attributes:
        features: of each chunk, without a graph.
        kept: features with their graph, by the number of the chunk; the last chunk's among them.
    """

    features: list[dict[str, Tensor]]
    kept: dict[int, dict[str, Tensor]]


def _cut(
    method: Method,
    batch: Mapping[str, Tensor],
    chunk_size: int,
    precision: Precision,
    first: int,
) -> _Chunks:
    """Cut this rank's items; draws one number from the generator.

    The number of the first chunk is its place among the chunks of the whole batch.
    """
    split = {name: batch[name].split(chunk_size) for name in method.samples}
    samples = [
        dict(zip(split, tensors, strict=True)) for tensors in zip(*split.values(), strict=True)
    ]
    base = int(torch.randint(2**62, ()))
    seeds = [derive_seed(base, "chunk", first + number) for number in range(len(samples))]
    return _Chunks(method, samples, seeds, precision, batch[method.samples[0]].device)


def _encode_chunks(chunks: _Chunks, num_items: int, ranks: Ranks, graph_memory: int) -> _Encoded:
    """Step 1. Afterwards the running statistics are those after the whole step."""
    statistics = AveragedStatistics(chunks.method, chunks.device)
    encoded = _Encoded([], {})
    first_kept = last = len(chunks.samples) - 1
    with chunks.generator_kept():
        for number, samples in enumerate(chunks.samples):
            with statistics.of_items(len(next(iter(samples.values())))):
                # With a graph each time, as kernels without one may differ in the last bits.
                if number == 0 and last > 0:
                    outside = (*chunks.method.parameters(), *samples.values())
                    with measured_graph(outside) as graph:
                        features = chunks.encode(number)
                    # The last ones, so that while the others are encoded no kept graph lies beside.
                    first_kept = last + 1 - max(1, graph_memory // max(1, graph.num_bytes))
                else:
                    features = chunks.encode(number)
            encoded.features.append(_detached(features))
            if number >= first_kept:
                encoded.kept[number] = features
            del features  # with its graph if that is not kept, before the next one is built
    statistics.write(num_items, ranks)
    return encoded


def _gradient_of_features(
    method: Method, features: dict[str, Tensor], gradient: GradientSum, ranks: Ranks
) -> tuple[BatchLoss, dict[str, Tensor]]:
    """Step 2; adds the gradient of what only the loss reads.

    Args:
        method: whose loss is taken.
        features: of the whole batch, without a graph.
        gradient: receives the gradient of the parameters at fixed features.
        ranks: that share the batch.

    Returns:
        The loss, and its gradient with respect to each feature that it depends on.
    """
    learned = [name for name, feature in features.items() if feature.is_floating_point()]
    for name in learned:
        features[name].requires_grad_()
    total, parts = _loss(method, features)
    sources = [*(features[name] for name in learned), *gradient.parameters]
    of_loss = torch.autograd.grad(total, sources, allow_unused=True)
    gradient.add(of_loss[len(learned) :], times=int(ranks.rank == 0))
    at_features = {
        name: whole for name, whole in zip(learned, of_loss, strict=False) if whole is not None
    }
    return BatchLoss(total.detach(), parts, _detached(features)), at_features


def _send_back(
    chunks: _Chunks,
    encoded: _Encoded,
    at_features: Mapping[str, Sequence[Tensor]],
    gradient: GradientSum,
) -> None:
    """Step 3; adds the gradient of what the chunks were encoded by.

    Args:
        chunks: of this rank.
        encoded: their features; graphs that were kept are used up.
        at_features: gradient of the loss with respect to each feature of each chunk.
        gradient: receives the gradient of the parameters.
    """
    last = len(chunks.samples) - 1
    with chunks.generator_kept(), unchanged(chunks.method):
        for number in (last, *range(last)):
            features = encoded.kept.pop(number, None) or chunks.encode(number)
            names = [name for name in at_features if features[name].requires_grad]
            outputs = [features[name] for name in names]
            at_outputs = [at_features[name][number] for name in names]
            gradient.add(
                torch.autograd.grad(outputs, gradient.parameters, at_outputs, allow_unused=True)
            )


def _encode(method: Method, batch: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    return encode(method.encode, {name: batch[name] for name in method.samples}, precision)


def _loss(method: Method, features: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    total, parts = method.loss(features)
    return total, _detached(parts)


def _num_items(method: Method, batch: Mapping[str, Tensor], chunk_size: int | None) -> int:
    """The items of a batch that can be encoded."""
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size must be 1 or more, got {chunk_size}")
    if missing := [name for name in method.samples if name not in batch]:
        raise ValueError(f"samples {missing} are missing; there are {sorted(batch)}")
    lengths = {name: len(batch[name]) for name in method.samples}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"samples must hold the same items, got lengths {lengths}")
    return lengths[method.samples[0]]


def _detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}

"""The gradient of a whole batch's loss in the memory of a chunk (the idea of GradCache).

The batch is encoded chunk by chunk, and only the graph of the last one is kept; the loss and its
gradient with respect to the features are taken once over all items; each chunk's part of that
gradient is then sent back through its graph, for which all chunks but the last are encoded again.
Loss and gradients are those of the unchunked step. A rank with one chunk encodes nothing twice.

Chunks over time and chunks over ranks are the same thing: every rank encodes its own chunks and
takes the loss over the whole batch. A batch gives the same result on any number of ranks:

- Gradients: a sum of float32 values in float64 is exact, whatever its order, unless their sizes
  are more than 2^29 / K apart; beyond that it is so close that one rounding to float32 all but
  never shows it. So each chunk's gradient is added in float64, over chunks and ranks, and rounded
  once. Those of what only the loss sees are taken from rank 0. All ranks get the same bits, and
  ranks that start from the same weights keep the same weights.
- Random numbers: one number drawn from the generator, and a chunk's place in the whole batch, seed
  both encodings of the chunk. The loss goes on from the generator after that draw.
- Batch norm normalises within a chunk. Its running statistics r move once per step, from the batch
  statistics s_k of the K chunks weighted by their numbers of items n_k:
  r <- (1 - momentum) r + momentum * sum_k (n_k / N) s_k; ``num_batches_tracked`` grows by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from iicl.config import Precision
from iicl.methods.base import Method
from iicl.seeding import derive_seed
from iicl.training.distributed import ALONE, Ranks
from iicl.training.precision import encode


class NonFiniteError(FloatingPointError):
    """A value that must be finite is not; ``names`` says which ones."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"not finite: {', '.join(names)}")
        self.names = names


def check_finite(values: Mapping[str, Tensor]) -> None:
    """Stop before a broken value spreads; waits for the device once.

    Raises:
        NonFiniteError: naming every entry with a NaN or an infinity.
    """
    if not values:
        return
    finite = torch.stack([value.detach().isfinite().all() for value in values.values()]).tolist()
    broken = [name for name, fine in zip(values, finite, strict=True) if not fine]
    if broken:
        raise NonFiniteError(broken)


def backward(
    method: Method,
    views: Mapping[str, Tensor],
    chunk_size: int,
    *,
    precision: Precision = "float32",
    ranks: Ranks = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the gradient of the loss over the whole batch to the parameters' ``grad``.

    A batch that fits in one chunk is a plain forward and backward. Under "bf16" encoding runs in
    autocast and video in the channels-last layout; features and loss are float32 or more.

    All ranks call it with the same weights and the generators in the same state, and leave it so.

    Args:
        method: in training mode, on the views' device.
        views: the method's views of this rank's items, along the first dimension of each: its
            share of a batch, see :meth:`iicl.data.sampling.Share.of_batch`. Alone it is the batch.
        chunk_size: most items encoded at a time, 1 or more; the last chunk may be smaller.
        precision: of the encoders' arithmetic.
        ranks: that share the batch.

    Returns:
        The loss and its terms over the whole batch, detached.

    Raises:
        ValueError: for a chunk size below 1, a missing view, views of unequal length, or a batch of
            fewer chunks than ranks.
        NonFiniteError: if a feature ("video features") or a term of the loss is not finite, on all
            ranks alike; no gradient has then been added.
        LostRankError: if another rank is gone.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be 1 or more, got {chunk_size}")
    if missing := [name for name in method.views if name not in views]:
        raise ValueError(f"views {missing} are missing; there are {sorted(views)}")
    lengths = {name: len(views[name]) for name in method.views}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"views must hold the same items, got lengths {lengths}")
    num_own = lengths[method.views[0]]
    counted = torch.tensor(num_own)
    ranks.sum(counted)
    num_items = int(counted)
    own = ranks.share.of_batch(num_items, chunk_size)
    assert len(own) == num_own, f"rank {ranks.rank} has {num_own} of items {own}"
    if num_items <= chunk_size:
        features = _encode(method, views, precision)
        total, parts = _loss(method, features)
        total.backward()
        return total.detach(), parts
    split = {name: views[name].split(chunk_size) for name in method.views}
    chunks = [
        dict(zip(split, tensors, strict=True)) for tensors in zip(*split.values(), strict=True)
    ]
    device = views[method.views[0]].device
    cuda_devices = [device] if device.type == "cuda" else []
    base = int(torch.randint(2**62, ()))
    seeds = [derive_seed(base, "chunk", start // chunk_size) for start in own[::chunk_size]]
    norms = [module for module in method.modules() if isinstance(module, _BatchNorm)]

    encoded: list[dict[str, Tensor]] = []
    statistics = _AveragedStatistics(norms, device)
    with torch.random.fork_rng(cuda_devices):
        for seed, chunk in zip(seeds, chunks, strict=True):
            torch.manual_seed(seed)
            with statistics.of_items(_num_items(chunk)):
                # With a graph each time, as kernels without one may differ in the last bits; only
                # the last graph outlives its chunk.
                last = _encode(method, chunk, precision)
            encoded.append({name: feature.detach() for name, feature in last.items()})
    statistics.write(num_items, ranks)

    features = {
        name: _of_all_ranks(torch.cat([part[name] for part in encoded]), own, num_items, ranks)
        for name in encoded[0]
    }
    learned = [name for name, feature in features.items() if feature.is_floating_point()]
    for name in learned:
        features[name].requires_grad_()
    total, parts = _loss(method, features)
    parameters = [p for p in method.parameters() if p.requires_grad]
    sources = [*(features[name] for name in learned), *parameters]
    of_loss = torch.autograd.grad(total, sources, allow_unused=True)
    gradient = _SummedGradient(parameters, device)
    gradient.add(of_loss[len(learned) :], times=int(ranks.rank == 0))
    sent_back = {
        name: whole[own.start : own.stop].split(chunk_size)
        for name, whole in zip(learned, of_loss, strict=False)
        if whole is not None
    }

    def send_back(number: int, features: Mapping[str, Tensor]) -> None:
        names = [name for name in sent_back if features[name].requires_grad]
        outputs = [features[name] for name in names]
        at_outputs = [sent_back[name][number] for name in names]
        gradient.add(torch.autograd.grad(outputs, parameters, at_outputs, allow_unused=True))

    send_back(len(chunks) - 1, last)
    del last
    with torch.random.fork_rng(cuda_devices), _kept(norms):
        for number, (seed, chunk) in enumerate(zip(seeds[:-1], chunks[:-1], strict=True)):
            torch.manual_seed(seed)
            send_back(number, _encode(method, chunk, precision))
    gradient.write(ranks)
    return total.detach(), parts


def _encode(method: Method, views: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    return encode(method.encode, {name: views[name] for name in method.views}, precision)


def _loss(method: Method, features: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    total, parts = method.loss(features)
    parts = {name: part.detach() for name, part in parts.items()}
    check_finite({**{f"{n} features": f for n, f in features.items()}, **parts, "loss": total})
    return total, parts


def _num_items(chunk: Mapping[str, Tensor]) -> int:
    return len(next(iter(chunk.values())))


def _of_all_ranks(feature: Tensor, own: range, num_items: int, ranks: Ranks) -> Tensor:
    """A feature of the whole batch, in order, from what each rank has of it."""
    whole = feature.new_full((num_items, *feature.shape[1:]), -0.0)  # -0.0 + x is x, 0.0 + x not
    whole[own.start : own.stop] = feature
    ranks.sum(whole)
    return whole


def _zeros(tensors: Sequence[Tensor], device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """A float64 vector with room for all tensors, and its parts in their shapes."""
    sizes = [tensor.numel() for tensor in tensors]
    flat = torch.zeros(sum(sizes), dtype=torch.float64, device=device)
    parts = [part.view(t.shape) for part, t in zip(flat.split(sizes), tensors, strict=True)]
    return flat, parts


class _SummedGradient:
    """The gradient of some parameters, summed in float64 over chunks and ranks."""

    def __init__(self, parameters: list[torch.nn.Parameter], device: torch.device) -> None:
        self._parameters = parameters
        self._flat, self._sums = _zeros(parameters, device)
        self._has_gradient = [False] * len(parameters)

    def add(self, gradients: Sequence[Tensor | None], times: int = 1) -> None:
        """Add a multiple of gradients; 0 times says only which there are."""
        for index, gradient in enumerate(gradients):
            if gradient is not None:
                self._has_gradient[index] = True
                self._sums[index].add_(gradient, alpha=times)

    def write(self, ranks: Ranks) -> None:
        """Add what all ranks have to ``grad``, rounded once."""
        ranks.sum(self._flat)
        for parameter, whole, has_gradient in zip(
            self._parameters, self._sums, self._has_gradient, strict=True
        ):
            if not has_gradient:
                continue
            gradient = torch.empty_like(parameter).copy_(whole)
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _statistics(norms: list[_BatchNorm]) -> list[Tensor]:
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


class _AveragedStatistics:
    """Running statistics after one update from the mean of several chunks' batch statistics.

    Every chunk starts from the statistics before the step. As an update is linear in the batch
    statistics, the mean of the chunks' results is the result of their mean. The sum is taken as
    that of the gradients: whole multiples in float64, divided and rounded at the end.
    """

    def __init__(self, norms: list[_BatchNorm], device: torch.device) -> None:
        self._buffers = _statistics(norms)
        self._before = [buffer.clone() for buffer in self._buffers]
        self._flat, self._changes = _zeros(self._buffers, device)

    @contextmanager
    def of_items(self, num_items: int) -> Iterator[None]:
        """Count what happens to the statistics inside as that of so many items."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.data.copy_(before)
        yield
        for buffer, before, change in zip(self._buffers, self._before, self._changes, strict=True):
            change.add_(buffer.double() - before, alpha=num_items)

    def write(self, num_items: int, ranks: Ranks) -> None:
        ranks.sum(self._flat)
        for buffer, before, change in zip(self._buffers, self._before, self._changes, strict=True):
            # Not seen by autograd, which would take a kept graph for spoilt: a backward pass in
            # training mode reads the batch's statistics, not these.
            buffer.data.copy_(before + change / num_items)


@contextmanager
def _kept(norms: list[_BatchNorm]) -> Iterator[None]:
    """Undo what happens to the statistics inside."""
    buffers = _statistics(norms)
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, value in zip(buffers, before, strict=True):
        buffer.data.copy_(value)

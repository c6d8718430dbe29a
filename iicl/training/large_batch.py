"""The gradient of a whole batch's loss in the memory of a chunk (the idea of GradCache).

The batch is encoded chunk by chunk without a graph; the loss and its gradient with respect to the
features are taken once over all items; each chunk is then encoded again, with a graph, and its
part of that gradient sent back through it. Loss and gradients are those of the unchunked step.

Random numbers: each chunk's second encoding repeats the generators' state of its first, and the
generators end where they were after the loss.

Batch norm normalises within a chunk. Its running statistics r move once per step, from the batch
statistics s_k of the K chunks weighted by their numbers of items n_k:
r <- (1 - momentum) r + momentum * sum_k (n_k / N) s_k; ``num_batches_tracked`` grows by one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from iicl.config import Precision
from iicl.methods.base import Method


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
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the gradient of the loss over all of ``views`` to the parameters' ``grad``.

    A batch that fits in one chunk is a plain forward and backward. Under "bf16" encoding runs in
    autocast and video in the channels-last layout; features and loss are float32 or more.

    Args:
        method: in training mode, on the views' device.
        views: the method's views, N items along the first dimension of each.
        chunk_size: most items encoded at a time, 1 or more; the last chunk may be smaller.
        precision: of the encoders' arithmetic.

    Returns:
        The loss and its terms, detached.

    Raises:
        ValueError: for a chunk size below 1, a missing view, or views of unequal length.
        NonFiniteError: if a feature ("video features") or a term of the loss is not finite; no
            gradient has then been added.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be 1 or more, got {chunk_size}")
    if missing := [name for name in method.views if name not in views]:
        raise ValueError(f"views {missing} are missing; there are {sorted(views)}")
    lengths = {name: len(views[name]) for name in method.views}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"views must hold the same items, got lengths {lengths}")
    num_items = lengths[method.views[0]]
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
    norms = [module for module in method.modules() if isinstance(module, _BatchNorm)]

    states, encoded = [], []
    statistics = _AveragedStatistics(norms)
    for chunk in chunks:
        states.append(_generator_state(device))
        with torch.no_grad(), statistics.of_share(_num_items(chunk) / num_items):
            encoded.append(_encode(method, chunk, precision))
    statistics.write()

    features = {name: torch.cat([part[name] for part in encoded]) for name in encoded[0]}
    for feature in features.values():
        feature.requires_grad_(feature.is_floating_point())
    total, parts = _loss(method, features)
    total.backward()

    gradients = {n: f.grad.split(chunk_size) for n, f in features.items() if f.grad is not None}
    cuda_devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda_devices), _kept(norms):
        for index, chunk in enumerate(chunks):
            _restore_generators(states[index], device)
            again = _encode(method, chunk, precision)
            names = [name for name in gradients if again[name].requires_grad]
            torch.autograd.backward(
                [again[name] for name in names], [gradients[name][index] for name in names]
            )
    return total.detach(), parts


def _encode(method: Method, views: Mapping[str, Tensor], precision: Precision) -> dict[str, Tensor]:
    """Features in float32 or more, encoded in the given precision."""
    bf16 = precision == "bf16"
    views = {
        name: view.contiguous(memory_format=torch.channels_last_3d)
        if bf16 and view.ndim == 5
        else view
        for name, view in views.items()
        if name in method.views
    }
    device_type = views[method.views[0]].device.type
    with torch.autocast(device_type, dtype=torch.bfloat16, enabled=bf16):
        features = method.encode(views)
    return {
        name: feature.to(torch.promote_types(feature.dtype, torch.float32))
        for name, feature in features.items()
    }


def _loss(method: Method, features: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    total, parts = method.loss(features)
    parts = {name: part.detach() for name, part in parts.items()}
    check_finite({**{f"{n} features": f for n, f in features.items()}, **parts, "loss": total})
    return total, parts


def _num_items(chunk: Mapping[str, Tensor]) -> int:
    return len(next(iter(chunk.values())))


def _statistics(norms: list[_BatchNorm]) -> list[Tensor]:
    return [buffer for norm in norms for buffer in norm.buffers(recurse=False)]


class _AveragedStatistics:
    """Running statistics after one update from the mean of several chunks' batch statistics.

    Every chunk starts from the statistics before the step. As an update is linear in the batch
    statistics, the mean of the chunks' results is the result of their mean.
    """

    def __init__(self, norms: list[_BatchNorm]) -> None:
        self._buffers = _statistics(norms)
        self._before = [buffer.clone() for buffer in self._buffers]
        self._change = [torch.zeros_like(buffer) for buffer in self._buffers]

    @contextmanager
    def of_share(self, share: float) -> Iterator[None]:
        """Count what happens to the statistics inside as ``share`` of the step."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)
        yield
        for buffer, before, change in zip(self._buffers, self._before, self._change, strict=True):
            if buffer.is_floating_point():
                change.add_(buffer - before, alpha=share)
            else:  # num_batches_tracked: every chunk leaves it one higher than before the step
                change.copy_(buffer - before)

    def write(self) -> None:
        for buffer, before, change in zip(self._buffers, self._before, self._change, strict=True):
            buffer.copy_(before + change)


@contextmanager
def _kept(norms: list[_BatchNorm]) -> Iterator[None]:
    """Undo what happens to the statistics inside."""
    buffers = _statistics(norms)
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, value in zip(buffers, before, strict=True):
        buffer.copy_(value)


def _generator_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), cuda


def _restore_generators(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)

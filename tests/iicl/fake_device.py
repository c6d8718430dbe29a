"""A device without hardware: its tensors have shapes but no values; those of the host are real.

An operation that takes tensors of the host and of the device is refused, as a GPU refuses it. Each
operation that makes the host wait for the device is noted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from iicl.data.log_mel import _mel_transform

CUDA = torch.device("cuda")
# Torch needs a real GPU for a backward pass on "cuda", and nothing for one on "lazy".
WITH_BACKWARD = torch.device("lazy")

# The first backward pass of a process decides whether processes that it forks may have one. It must
# come before torch counts the fake devices as real ones; tests of ranks fork.
torch.ones((), requires_grad=True).backward()

_WAITING_TAGS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class Waits(TorchDispatchMode):
    """Notes what the host waits for. Operations on the host alone compute values.

    Attributes:
        operations: names of the operations that waited, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        target = torch.device(kwargs.get("device") or "cpu")
        if target.type == "cpu" and not any(isinstance(tensor, FakeTensor) for tensor in tensors):
            with no_dispatch():
                return func(*args, **kwargs)
        if _waits(func, args, kwargs, tensors):
            self.operations.append(func.name())
        if func is torch.ops.aten._local_scalar_dense.default:
            return True if args[0].dtype == torch.bool else 1
        return func(*args, **kwargs)


def _waits(func: Any, args: Any, kwargs: Any, tensors: Sequence[Tensor]) -> bool:
    """Whether the host waits for the device before the operation returns."""
    name = func.overloadpacket.__name__
    if name in ("_to_copy", "copy_"):
        source = args[0] if name == "_to_copy" else args[1]
        target = kwargs.get("device", source.device) if name == "_to_copy" else args[0].device
        if (target := torch.device(target)).type == source.device.type:
            return False
        non_blocking = kwargs.get("non_blocking", len(args) > 2 and args[2])
        return target.type == "cpu" or not non_blocking
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return False
    if name.strip("_") in ("index", "index_put", "index_put_impl"):
        indices = [index for index in args[1] if index is not None]
        return any(index.device.type == "cpu" or not index.dtype.itemsize > 1 for index in indices)
    return bool(_WAITING_TAGS & set(func.tags))


@contextmanager
def fake_device() -> Iterator[Waits]:
    """Let tensors of other devices than the CPU be made in the block."""
    waits = Waits()
    _mel_transform.cache_clear()
    try:
        with (
            FakeTensorMode(allow_non_fake_inputs=True),
            waits,
            patch.object(FakeTensor, "tolist", _tolist),
            # Otherwise autocast looks for a GPU, and is off without one.
            patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
            patch("torch.cuda.is_bf16_supported", return_value=True),
        ):
            yield waits
    finally:
        _mel_transform.cache_clear()


def _tolist(tensor: Tensor) -> Any:
    """Like that of a real tensor, it waits once, for all values; they are all 1."""
    return torch.ones(tensor.cpu().shape, dtype=tensor.dtype).tolist()

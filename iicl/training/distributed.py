"""The ranks of a run: the processes that share its work, as torchrun's variables tell it.

What a run does on many ranks is what it does on one; :class:`Ranks` is where they meet. Every
method of it is a collective: all ranks call it, in the same order, or all wait.
"""

import functools
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from iicl.data.sampling import Share

COUNTS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
VARIABLES = (*COUNTS, "MASTER_ADDR")
T = TypeVar("T")


class LostRankError(Exception):
    """Another rank is gone, or never came; what happened is in its log, not in this one's."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, seen from one of them.

    Attributes:
        rank: number of this one, 0 to size - 1; only 0 writes.
        size: how many there are.
        local_rank: number of this one on its machine.
        device: where this one computes.

    Raises:
        LostRankError: in every method, if another rank is gone.
    """

    rank: int
    size: int
    local_rank: int
    device: torch.device

    @property
    def share(self) -> Share:
        """This rank's share of the work."""
        return Share(self.rank, self.size)

    def sum(self, tensor: Tensor) -> None:
        """Replace a contiguous tensor by its sum over ranks, the same bits on all of them."""
        if self.size > 1:
            with _others():
                dist.all_reduce(tensor)

    def concatenate(self, part: Tensor) -> Tensor:
        """The parts of all ranks in order along the first dimension, on all of them.

        Args:
            part: of one shape on all ranks, except for its length.
        """
        if self.size == 1:
            return part
        lengths = [torch.tensor(0) for _ in range(self.size)]
        with _others():
            dist.all_gather(lengths, torch.tensor(len(part)))
            # Parts of one length, as not every backend takes others.
            padded = part.new_zeros((int(max(lengths)), *part.shape[1:]))
            padded[: len(part)] = part
            parts = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(parts, padded)
        return torch.cat([own[: int(n)] for own, n in zip(parts, lengths, strict=True)])

    def max(self, value: int) -> int:
        """The largest value of any rank."""
        if self.size == 1:
            return value
        largest = torch.tensor(value)
        with _others():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def wait(self) -> None:
        """Wait until all ranks have made this call."""
        self.max(0)

    def broadcast(self, value: T) -> T:
        """The value of rank 0; tensors in it are on the CPU."""
        if self.size == 1:
            return value
        values = [value if self.rank == 0 else None]
        with _others():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        (received,) = values
        return received  # type: ignore[return-value]

    def gather(self, value: T) -> list[T]:
        """On rank 0 the values of all ranks in order, elsewhere nothing."""
        if self.size == 1:
            return [value]
        values: list[T] = [value] * self.size if self.rank == 0 else []
        with _others():
            dist.gather_object(value, values or None, dst=0)
        return values


ALONE = Ranks(0, 1, 0, torch.device("cpu"))


@contextmanager
def connect(device: str | torch.device) -> Iterator[Ranks]:
    """Meet the other ranks of the run, and part from them at the end.

    Who they are is read from ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``LOCAL_WORLD_SIZE``,
    ``MASTER_ADDR`` and ``MASTER_PORT``, which torchrun and others set. Without them there is one
    rank. One rank alone opens no connection.

    Args:
        device: the kind of device to compute on; among several ranks on CUDA devices, each takes
            the one of its ``LOCAL_RANK``, whatever the number in ``device``.

    Raises:
        ValueError: naming the variables if only some are set, or their values are no numbers or
            contradict each other or the machine.
        LostRankError: if the ranks do not find each other.
    """
    assert not dist.is_initialized(), "one run at a time: a process group exists"
    device = torch.device(device)
    counts = _counts()
    if counts is None:
        yield Ranks(0, 1, 0, device)
        return
    rank, size, local_rank = counts
    if device.type == "cuda":
        if local_rank >= (num_devices := torch.cuda.device_count()):
            raise ValueError(
                f"LOCAL_RANK is {local_rank}, but there are {num_devices} CUDA devices"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    ranks = Ranks(rank, size, local_rank, device)
    if size == 1:
        yield ranks
        return
    # What is on the CPU, numbers and objects, goes by gloo, which needs no wait for the device.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _others():
        store = dist.PrefixStore(f"meeting {next(_meetings)}", _store())
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    try:
        ranks.wait()  # a rank that ends at once must not cut off one that still connects
        yield ranks
    finally:
        dist.destroy_process_group()


@functools.cache
def _store() -> dist.Store:
    """Where ranks find each other, one for all meetings of a process.

    If each meeting had its own at the same port, a fast rank would look for the next one where a
    slow rank 0 is about to close the last.
    """
    store, _, _ = next(dist.rendezvous("env://"))
    return store


_meetings = itertools.count()


def _counts() -> tuple[int, int, int] | None:
    """Rank, number of ranks and local rank from the environment; None if it speaks of none."""
    given = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    if not given:
        return None
    if missing := [name for name in VARIABLES if name not in given]:
        raise ValueError(
            f"of the variables of a run on many ranks, {', '.join(missing)} are missing"
            f" and {', '.join(given)} are set; set all of them or none"
        )
    if wrong := [f"{name}={given[name]!r}" for name in COUNTS if not given[name].isdecimal()]:
        raise ValueError(f"{', '.join(wrong)}: must be a whole number of 0 or more")
    number = {name: int(given[name]) for name in COUNTS}
    for rank, size in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE")):
        if number[rank] >= number[size]:
            raise ValueError(f"{rank} must be below {size}, got {number[rank]} of {number[size]}")
    if number["LOCAL_WORLD_SIZE"] > number["WORLD_SIZE"]:
        raise ValueError(
            "LOCAL_WORLD_SIZE must be at most WORLD_SIZE,"
            f" got {number['LOCAL_WORLD_SIZE']} of {number['WORLD_SIZE']}"
        )
    return number["RANK"], number["WORLD_SIZE"], number["LOCAL_RANK"]


@contextmanager
def _others() -> Iterator[None]:
    """Turn errors of collectives into LostRankError; errors of the device pass through."""
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except RuntimeError as error:  # gloo's own, and the base of torch.distributed.DistError
        raise LostRankError(f"another rank is gone: {error}") from error

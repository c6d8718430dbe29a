"""Workers of a DataLoader that are dead, stuck or short of memory end the reading with a reason.

A DataLoader waits for ever if a worker is stopped, if a read never returns, or if there is no
shared memory for a batch: Docker gives a container 64 MB of ``/dev/shm``. A worker counts a beat
after every piece of work. A slow disk makes beats rare, a stopped process makes none at all; only
the second ends the reading.
"""

import errno
import mmap
import multiprocessing
import shutil
import signal
from collections.abc import Collection, Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data._utils import signal_handling

POLL_SECONDS = 1.0
STUCK_SECONDS = 45.0  # without a beat of any worker, before they count as stuck
_REMEDY = "or read without workers (num_workers 0)"


class WorkerError(RuntimeError):
    """Workers are dead, stuck or short of memory: one line with the reason and what to do."""


class Pulse:
    """Counts the pieces of work of forked workers, in memory that they share with their parent.

    Args:
        num_workers: processes, at least one.
    """

    def __init__(self, num_workers: int) -> None:
        self._counts = np.frombuffer(mmap.mmap(-1, 8 * num_workers), np.int64)

    def beat(self) -> None:
        """Counts one more; does nothing outside a worker."""
        worker = get_worker_info()
        if worker is not None:
            self._counts[worker.id] += 1

    def total(self) -> int:
        """Beats of all workers so far."""
        return int(self._counts.sum())


def start_worker(number: int) -> None:
    """Signals are the parent's affair: it decides when to stop, and its workers end with it."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(name, signal.SIG_IGN)
    torch.set_num_threads(1)


def share(tensors: list[torch.Tensor]) -> WorkerError | None:
    """Moves a worker's tensors to shared memory; the reason if there is not enough.

    The DataLoader would do it later in a thread, whose errors are lost.
    """
    try:
        for tensor in tensors:
            tensor.share_memory_()
    except RuntimeError as error:
        size = sum(tensor.nbytes for tensor in tensors) / 1e6
        return WorkerError(f"no shared memory for a batch of {size:.1f} MB: {_shm()} ({error})")
    return None


def _shm() -> str:
    usage = shutil.disk_usage("/dev/shm")
    return (
        f"/dev/shm has {usage.free / 1e6:.1f} of {usage.total / 1e6:.1f} MB free; enlarge it"
        f" (docker run --shm-size 8g), {_REMEDY}"
    )


def read_watched(loader: DataLoader, pulse: Pulse) -> Iterator[Any]:
    """The batches of a DataLoader with workers and a timeout of ``POLL_SECONDS``.

    Raises:
        WorkerError: if a worker dies, has no shared memory, or no worker gives a beat for
            ``STUCK_SECONDS`` while its batch is waited for.
        Exception: what a worker raised.
    """
    others = set(multiprocessing.active_children())
    try:
        batches = iter(loader)
    except OSError as error:
        _kill(set(multiprocessing.active_children()) - others)
        remedy = _shm() if error.errno == errno.ENOSPC else _REMEDY
        raise WorkerError(f"workers cannot start: {error}; {remedy}") from None
    # Runs before the interpreter waits for its children, which ignore the signal that it sends.
    end = Finalize(None, _end, args=(batches,), exitpriority=10)
    try:
        while True:
            try:
                batch = _next(batches, pulse)
            except StopIteration:
                return
            if isinstance(batch, WorkerError):
                raise batch
            yield batch
    finally:
        end()


def _next(batches: Iterator[Any], pulse: Pulse) -> Any:
    """The next batch; waiting is counted in polls, as the clock runs on in a stopped process."""
    num_beats, silent_seconds = pulse.total(), 0.0
    while silent_seconds < STUCK_SECONDS:
        try:
            return next(batches)
        except RuntimeError as error:
            text = " ".join(str(error).split())
            if text.startswith("DataLoader worker"):
                raise WorkerError(
                    f"{text.rstrip('. ')}; if it was killed, memory ran out as a rule: give it more"
                    f" memory, use fewer workers, {_REMEDY}"
                ) from None
            if not text.startswith("DataLoader timed out"):
                raise
        silent_seconds += POLL_SECONDS
        if pulse.total() != num_beats:
            num_beats, silent_seconds = pulse.total(), 0.0
    raise WorkerError(
        f"the loader's workers have read nothing for {silent_seconds:.0f} s: one was stopped, or"
        f" its disk does not answer; look at both, {_REMEDY}"
    )


def _end(batches: Any) -> None:
    # By itself a DataLoader waits for every worker, 5 s each, and takes a killed one for a fault.
    if batches._worker_pids_set:
        signal_handling._remove_worker_pids(id(batches))
        batches._worker_pids_set = False
    _kill(batches._workers)
    batches._shutdown_workers()


def _kill(workers: Collection[BaseProcess]) -> None:
    for worker in workers:
        worker.kill()  # one that is stopped, or waits for its disk, does not listen
    for worker in workers:
        worker.join(timeout=1)

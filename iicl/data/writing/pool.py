"""Worker processes for decoding. If a decoder crashes or hangs, only its item is lost.

A batch of items is the unit of work. If a worker dies at an item, by a segmentation fault or by the
alarm that limits the time of an item, another worker does the batch again. An item at which workers
died twice, or one that hung, is skipped then.
"""

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

ITEM_SECONDS = 300  # wall time; an item that takes longer counts as hanging
_MAX_DEATHS = 2  # an item is skipped after so many: the machine may have caused the first one


class BatchContext:
    """Given to a batch function, which uses it to report to the supervising process.

    Attributes:
        skipped: number of an item in the batch -> why the item must be skipped.
    """

    def __init__(self, connection: Connection, seconds: int, skipped: dict[int, str]) -> None:
        self.skipped = skipped
        self._connection = connection
        self._seconds = seconds

    @contextlib.contextmanager
    def item(self, number: int) -> Iterator[None]:
        """Surrounds the work on one item. If the process dies inside, the item is to blame."""
        self._connection.send(("item", number))
        # The default action of the alarm ends the process even inside a decoder that never returns.
        signal.alarm(self._seconds)
        try:
            yield
        finally:
            signal.alarm(0)

    def restart_time(self) -> None:
        """Gives the current item its full time again, because its work makes progress."""
        signal.alarm(self._seconds)


class _Worker:
    """One process, and the number of the batch and of the item it works on."""

    def __init__(self, function: Callable, seconds: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(far_end, function, seconds, os.getpid()), daemon=True
        )
        self.process.start()
        far_end.close()
        self.batch: int | None = None
        self.item: int | None = None

    def begin(self, number: int, batch: Any, skipped: dict[int, str]) -> None:
        """Sends a batch to the process."""
        self.batch, self.item = number, None
        # If the process is dead already, reading its answer will show that.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send((batch, skipped))

    def close(self) -> None:
        """Waits for the end of the process."""
        self.process.join()
        self.connection.close()


def run_batches(
    function: Callable[[Any, BatchContext], Any],
    batches: Sequence[Any],
    num_workers: int,
    on_item: Callable[[], None],
    item_seconds: int = ITEM_SECONDS,
) -> list[Any]:
    """Calls ``function(batch, context)`` for every batch in worker processes.

    Args:
        function: an importable function. It must wrap the work on every item in
            ``context.item(number)`` and skip the items of ``context.skipped``. It is called again
            for the same batch after a worker died.
        batches: picklable values, each the argument of one call.
        num_workers: number of processes; 0 counts as 1.
        on_item: called whenever the work on an item begins, also if it begins again.
        item_seconds: an item that takes longer counts as hanging.

    Returns:
        What ``function`` returned for each batch, in order.

    Raises:
        RuntimeError: if a worker dies before its first item.
        Exception: whatever ``function`` raised.
    """
    todo = deque(range(len(batches)))
    results: list[Any] = [None] * len(batches)
    skipped: list[dict[int, str]] = [{} for _ in batches]
    deaths: dict[tuple[int, int], int] = {}
    workers: list[_Worker] = []
    try:
        while todo or any(worker.batch is not None for worker in workers):
            while todo and len(workers) < max(1, num_workers):
                workers.append(_Worker(function, item_seconds))
            for worker in workers:
                if worker.batch is None and todo:
                    number = todo.popleft()
                    worker.begin(number, batches[number], skipped[number])
            for worker in _answering(workers):
                assert worker.batch is not None
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    workers.remove(worker)
                    _blame_item(worker, skipped[worker.batch], deaths, item_seconds)
                    todo.appendleft(worker.batch)
                    continue
                if kind == "item":
                    worker.item = value
                    on_item()
                elif kind == "error":
                    raise value
                else:
                    results[worker.batch] = value
                    worker.batch = None
        return results
    finally:
        for worker in workers:
            worker.process.kill()
            worker.close()


def _answering(workers: Sequence[_Worker]) -> list[_Worker]:
    """Waits until at least one of the busy workers has an answer, or has died."""
    by_connection = {worker.connection: worker for worker in workers if worker.batch is not None}
    return [by_connection[ready] for ready in wait(list(by_connection))]  # type: ignore[index]


def _blame_item(
    worker: _Worker, skipped: dict[int, str], deaths: dict[tuple[int, int], int], seconds: int
) -> None:
    """Notes in ``skipped`` that the item at which a worker died must be skipped, if that is due."""
    worker.close()
    code = worker.process.exitcode or 0
    cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    if worker.item is None:
        raise RuntimeError(f"a worker process died before its first item ({cause})")
    assert worker.batch is not None
    key = (worker.batch, worker.item)
    deaths[key] = deaths.get(key, 0) + 1
    if code == -signal.SIGALRM:
        skipped[worker.item] = f"decoder hangs: no result after {seconds} s"
    elif deaths[key] >= _MAX_DEATHS:
        skipped[worker.item] = f"decoder crashes its process ({cause})"


def _serve(connection: Connection, function: Callable, seconds: int, parent: int) -> None:
    """Main loop of a worker; it ends when its parent ends."""
    # Stop signals are for the supervising process. If one ended this worker, the item that it works
    # on would be blamed.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(name, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while os.getppid() == parent:
        try:
            batch, skipped = connection.recv()
        except (EOFError, OSError):
            return
        try:
            result = function(batch, BatchContext(connection, seconds, skipped))
        except BrokenPipeError:
            return
        except Exception as error:
            connection.send(("error", error))
        else:
            connection.send(("done", result))

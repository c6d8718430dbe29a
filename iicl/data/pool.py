"""Worker processes for decoding that survive crashes and hangs of the code they run.

A batch of items is the unit of work. Whoever dies on an item, by a segmentation fault or by the
alarm that bounds an item's time, is replaced, and the batch is done again without that item.
"""

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

ITEM_SECONDS = 300  # of wall time; an item that takes longer counts as hanging
_PATIENCE = 2  # deaths on one item before it is skipped: the first may be the machine's fault


class Context:
    """What a batch function is given to talk to its supervisor.

    Attributes:
        skipped: item number in the batch -> why it must not be touched.
    """

    def __init__(self, connection: Connection, seconds: int, skipped: dict[int, str]) -> None:
        self.skipped = skipped
        self._connection = connection
        self._seconds = seconds

    @contextlib.contextmanager
    def item(self, number: int) -> Iterator[None]:
        """Surrounds the work on one item: dying inside is that item's fault."""
        self._connection.send(("item", number))
        # The default action of the alarm ends the process even inside a decoder that never returns.
        signal.alarm(self._seconds)
        try:
            yield
        finally:
            signal.alarm(0)

    def restart_time(self) -> None:
        """Gives the item its full time again: it gets on, and this is no decoder that hangs."""
        signal.alarm(self._seconds)


class _Worker:
    """One process and the batch it is at."""

    def __init__(self, function: Callable, seconds: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, function, seconds, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()
        self.batch: int | None = None
        self.item: int | None = None


def run_batches(
    function: Callable[[Any, Context], Any],
    batches: Sequence[Any],
    num_workers: int,
    on_item: Callable[[], None],
    item_seconds: int = ITEM_SECONDS,
) -> list[Any]:
    """Calls ``function(batch, context)`` for every batch, each in some worker process.

    Args:
        function: importable; must wrap every item in ``context.item(number)`` and honour
            ``context.skipped``. It may be called again for a batch, after a death.
        batches: picklable.
        num_workers: processes at a time, at least one.
        on_item: called for every item begun, again for items done again.
        item_seconds: after which an item counts as hanging.

    Returns:
        What ``function`` returned for each batch, in order.

    Raises:
        RuntimeError: if a worker dies outside any item.
        Exception: what ``function`` raised, as it raised it.
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
                    worker.batch, worker.item = todo.popleft(), None
                    # A worker that is dead already shows when its answer is awaited.
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        worker.connection.send((batches[worker.batch], skipped[worker.batch]))
            by_connection = {w.connection: w for w in workers if w.batch is not None}
            for ready in wait(list(by_connection)):
                worker = by_connection[ready]  # type: ignore[index]
                assert worker.batch is not None
                try:
                    kind, value = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    workers.remove(worker)
                    _bury(worker, skipped[worker.batch], deaths, item_seconds)
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
            worker.process.join()
            worker.connection.close()


def _bury(
    worker: _Worker, skipped: dict[int, str], deaths: dict[tuple[int, int], int], seconds: int
) -> None:
    """Blames the item at which a worker died."""
    worker.process.join()
    worker.connection.close()
    code = worker.process.exitcode or 0
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    if worker.item is None:
        raise RuntimeError(f"a worker process died before its first item ({how})")
    assert worker.batch is not None
    key = (worker.batch, worker.item)
    deaths[key] = deaths.get(key, 0) + 1
    if code == -signal.SIGALRM:
        skipped[worker.item] = f"decoder hangs: no result after {seconds} s"
    elif deaths[key] >= _PATIENCE:
        skipped[worker.item] = f"decoder crashes its process ({how})"


def _serve(connection: Connection, function: Callable, seconds: int, parent: int) -> None:
    """Main loop of a worker: ends with its parent."""
    # The supervisor's affair; and a worker that one of them ended would accuse its item.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(name, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while os.getppid() == parent:
        try:
            batch, skipped = connection.recv()
        except (EOFError, OSError):
            return
        try:
            result = function(batch, Context(connection, seconds, skipped))
        except BrokenPipeError:
            return
        except Exception as error:
            connection.send(("error", error))
        else:
            connection.send(("done", result))

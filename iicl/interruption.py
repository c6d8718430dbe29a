"""Stops a process on a signal: at once, or at the next place where its work can stop.

A process that wants this calls :func:`listen`. Otherwise signals have their usual effect.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar


class Interrupted(Exception):
    """A signal asked the work to stop; ``signal_name`` is its name."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.signal_name = signal_name


class _State:
    """The state of this process; signals concern the whole process, too."""

    process: ClassVar[int]
    is_asked = False
    is_deferred = False
    pending: str | None = None
    leave: ClassVar[Callable[[str], None]]


def listen(leave: Callable[[str], None], *signals: signal.Signals) -> None:
    """Take these signals as a request to stop. The first one counts, later ones are ignored.

    Outside a :func:`deferred` block, a signal calls ``leave`` at once, wherever the main thread is;
    ``leave`` should end the process. An exception would not be enough: some libraries catch it and
    go on, or raise another one, above all while they are imported. Call this in the main thread.

    Args:
        leave: called with the name of the signal.
        signals: the signals that count; forked children of this process ignore them.
    """
    _State.process, _State.is_asked, _State.pending = os.getpid(), False, None
    _State.leave = leave
    for number in signals:
        signal.signal(number, _handle)


@contextmanager
def deferred() -> Iterator[Callable[[], str | None]]:
    """Let a request to stop wait until the block asks for it or ends.

    Yields:
        A function that returns the name of the signal that asked to stop, or None.

    Raises:
        Interrupted: at the end of the block if there is a request and the block raised nothing.
    """
    assert not _State.is_deferred, "deferred blocks do not nest"
    _State.is_deferred = True
    try:
        yield lambda: _State.pending
    finally:
        # This comes first: a signal that arrives between the two steps then acts at once.
        _State.is_deferred = False
    if _State.pending is not None:
        name, _State.pending = _State.pending, None
        raise Interrupted(name)


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.is_asked or os.getpid() != _State.process:
        return
    _State.is_asked = True
    name = signal.Signals(number).name
    if _State.is_deferred:
        _State.pending = name
    else:
        _State.leave(name)

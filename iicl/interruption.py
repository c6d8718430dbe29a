"""A signal asks a process to stop: at once, or where its work says that it can.

A process that wants this calls :func:`listen`. Without it, signals do what they always do.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar


class Interrupted(Exception):
    """The work was asked to stop; ``signal_name`` says by which signal."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.signal_name = signal_name


class _State:
    """Of this process: signals are, too."""

    process: ClassVar[int]
    heard = False
    is_deferred = False
    pending: str | None = None
    leave: ClassVar[Callable[[str], None]]


def listen(leave: Callable[[str], None], *signals: signal.Signals) -> None:
    """Take each of these signals as a request to stop; only the first is met, later ones are void.

    Outside of a :func:`deferred` block ``leave`` is called in the midst of whatever the main thread
    does, and should end the process there. An exception would not do: libraries, above all while
    they are imported, catch it and go on, or make another one of it. Call this in the main thread.

    Args:
        leave: called with the name of the signal.
        signals: to listen to, in this process; its forked children ignore them.
    """
    _State.process, _State.heard, _State.pending = os.getpid(), False, None
    _State.leave = leave
    for number in signals:
        signal.signal(number, _handle)


@contextmanager
def deferred() -> Iterator[Callable[[], str | None]]:
    """Let a request wait until the block asks for it or ends.

    Yields:
        A function that gives the name of the signal that asked to stop, or None.

    Raises:
        Interrupted: at the end of the block if there is a request; an exception of the block's own
            goes before it.
    """
    assert not _State.is_deferred, "deferred blocks do not nest"
    _State.is_deferred = True
    try:
        yield lambda: _State.pending
    finally:
        # First this: a signal in between is met at once and not forgotten.
        _State.is_deferred = False
    if _State.pending is not None:
        name, _State.pending = _State.pending, None
        raise Interrupted(name)


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.heard or os.getpid() != _State.process:
        return
    _State.heard = True
    name = signal.Signals(number).name
    if _State.is_deferred:
        _State.pending = name
    else:
        _State.leave(name)

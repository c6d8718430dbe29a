"""A signal asks a run to stop: at once, or where the run says that it can.

A process that wants this calls :func:`listen`. Without it, signals do what they always do.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The run was asked to stop; ``signal_name`` says by which signal."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.signal_name = signal_name


class _State:
    """Of this process: signals are, too."""

    heard = False
    is_deferred = False
    pending: str | None = None


def listen(*signals: signal.Signals) -> None:
    """Take each of these signals as a request to stop; a process stops once, later ones are void.

    The first signal raises :class:`Interrupted` wherever the main thread is, as Ctrl-C raises
    KeyboardInterrupt, or waits for the end of a :func:`deferred` block. Call it in the main thread.
    """
    _State.heard, _State.pending = False, None
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
        # First this: a signal in between raises by itself and is not forgotten.
        _State.is_deferred = False
    if _State.pending is not None:
        name, _State.pending = _State.pending, None
        raise Interrupted(name)


def _handle(number: int, frame: FrameType | None) -> None:
    if _State.heard:
        return
    _State.heard = True
    name = signal.Signals(number).name
    if not _State.is_deferred:
        raise Interrupted(name)
    _State.pending = name

import os
import signal

import pytest

from iicl.interruption import Interrupted, deferred, listen

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture(autouse=True)
def left():
    """The names of signals that were met at once."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    names: list[str] = []
    listen(names.append, *SIGNALS)
    yield names
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def seen() -> list[str | None]:
    return []


def send(number: signal.Signals) -> None:
    """To this process, which handles it before it goes on."""
    os.kill(os.getpid(), number)


def defer(*signals: signal.Signals, seen: list[str | None], fail: bool = False) -> None:
    """Sends signals to a block that defers them and notes what it sees, first before any."""
    with deferred() as requested:
        seen.append(requested())
        for number in signals:
            send(number)
            seen.append(requested())
        if fail:
            raise KeyError


def test_the_first_signal_is_met_at_once_and_later_ones_are_void(left, seen):
    send(signal.SIGUSR2)
    assert left == ["SIGUSR2"]
    send(signal.SIGUSR1)
    defer(signal.SIGUSR1, seen=seen)
    assert (left, seen) == (["SIGUSR2"], [None, None])


def test_a_block_that_defers_sees_the_request_and_goes_on_to_its_end(left, seen):
    with pytest.raises(Interrupted, match="stopped by SIGUSR1") as caught:
        defer(signal.SIGUSR1, seen=seen)
    assert caught.value.signal_name == "SIGUSR1"
    assert (left, seen) == ([], [None, "SIGUSR1"])


def test_without_a_request_the_block_just_ends_and_a_later_signal_is_met_at_once(left, seen):
    defer(seen=seen)
    send(signal.SIGUSR1)
    assert left == ["SIGUSR1"]


def test_a_second_signal_leaves_the_deferred_request_as_it_is(left, seen):
    with pytest.raises(Interrupted, match="SIGUSR1"):
        defer(signal.SIGUSR1, signal.SIGUSR2, seen=seen)
    defer(seen=seen)
    assert seen == [None, "SIGUSR1", "SIGUSR1", None], "a request is met once"
    assert not left


def test_an_error_of_the_block_goes_before_the_request(left, seen):
    with pytest.raises(KeyError):
        defer(signal.SIGUSR1, seen=seen, fail=True)
    send(signal.SIGUSR1)
    assert not left


def test_a_forked_child_ignores_what_its_parent_listens_to(left):
    if (child := os.fork()) == 0:
        send(signal.SIGUSR1)
        os._exit(len(left))
    assert os.waitpid(child, 0)[1] == 0
    send(signal.SIGUSR1)
    assert left == ["SIGUSR1"]


def test_other_signals_are_left_alone(left):
    assert signal.getsignal(signal.SIGINT) != signal.getsignal(signal.SIGUSR1)

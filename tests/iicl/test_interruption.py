import os
import signal

import pytest

from iicl.interruption import Interrupted, deferred, listen

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture(autouse=True)
def _listening():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen(*SIGNALS)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def seen() -> list[str | None]:
    return []


def send(number: signal.Signals) -> None:
    """To this process, which handles it before it goes on."""
    os.kill(os.getpid(), number)


def test_a_signal_interrupts_at_once_and_says_its_name():
    with pytest.raises(Interrupted, match="stopped by SIGUSR2") as caught:
        send(signal.SIGUSR2)
    assert caught.value.signal_name == "SIGUSR2"


def defer(*signals: signal.Signals, seen: list[str | None], fail: bool = False) -> None:
    """Sends signals to a block that defers them and notes what it sees, first before any."""
    with deferred() as requested:
        seen.append(requested())
        for number in signals:
            send(number)
            seen.append(requested())
        if fail:
            raise KeyError


def test_a_block_that_defers_sees_the_request_and_goes_on_to_its_end(seen):
    with pytest.raises(Interrupted, match="SIGUSR1"):
        defer(signal.SIGUSR1, seen=seen)
    assert seen == [None, "SIGUSR1"]


def test_without_a_request_the_block_just_ends_and_a_later_signal_interrupts_at_once():
    with deferred() as requested:
        assert requested() is None
    with pytest.raises(Interrupted):
        send(signal.SIGUSR1)


def test_a_second_signal_does_not_interrupt_the_handling_of_the_first(seen):
    with pytest.raises(Interrupted, match="SIGUSR1"):
        send(signal.SIGUSR1)
    send(signal.SIGUSR1)
    send(signal.SIGUSR2)
    defer(signal.SIGUSR2, seen=seen)
    assert seen == [None, None]


def test_a_second_signal_leaves_the_deferred_request_as_it_is(seen):
    with pytest.raises(Interrupted, match="SIGUSR1"):
        defer(signal.SIGUSR1, signal.SIGUSR2, seen=seen)
    defer(seen=seen)
    assert seen == [None, "SIGUSR1", "SIGUSR1", None], "a request is met once"


def test_an_error_of_the_block_goes_before_the_request(seen):
    with pytest.raises(KeyError):
        defer(signal.SIGUSR1, seen=seen, fail=True)
    send(signal.SIGUSR1)


def test_other_signals_are_left_alone():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

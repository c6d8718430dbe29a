"""Real processes that are the ranks of a run, on this machine."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import torch

LONGEST_WAIT_SECONDS = 120  # for an answer; a hang is a failure


class Lost(Exception):
    """A rank that left without an answer, or with an exception: its class and message."""


class Rank:
    """One process: ``process``, and what it says."""

    def __init__(self, variables: dict[str, str], function: Callable[..., Any]) -> None:
        receiving, sending = multiprocessing.Pipe(duplex=False)
        self.said = receiving
        self.process = multiprocessing.get_context("fork").Process(
            target=_work, args=(variables, function, sending)
        )
        self.process.start()
        sending.close()

    def next(self) -> Any:
        """What it says next; at the end, what its function returned."""
        assert self.said.poll(LONGEST_WAIT_SECONDS), "the rank hangs"
        try:
            kind, value = pickle.loads(self.said.recv_bytes())
        except EOFError:
            raise Lost("killed") from None
        if kind == "raised":
            raise Lost(*value)
        return value


@contextmanager
def started(size: int, function: Callable[[Callable[[Any], None]], Any]) -> Iterator[list[Rank]]:
    """Ranks that each call a function with something to ``say`` through; ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    ranks = [
        Rank({name: str(v) for name, v in {**common, "RANK": k, "LOCAL_RANK": k}.items()}, function)
        for k in range(size)
    ]
    try:
        yield ranks
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()


def on_ranks(size: int, function: Callable[[], Any]) -> list[Any]:
    """What a function returns on each rank; ``Lost`` for one that raised."""
    with started(size, lambda say: function()) as ranks:
        answers = []
        for rank in ranks:
            try:
                answers.append(rank.next())
            except Lost as lost:
                answers.append(lost)
        return answers


def _work(variables: dict[str, str], function: Callable[..., Any], sending: Connection) -> None:
    os.environ.update(variables)
    torch.set_num_threads(1)

    def send(kind: str, value: Any) -> None:
        sending.send_bytes(pickle.dumps((kind, value)))  # whole, tensors too

    try:
        send("returned", function(lambda value: send("said", value)))
    except Exception as error:
        send("raised", (type(error).__name__, str(error)))

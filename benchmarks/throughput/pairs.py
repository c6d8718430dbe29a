"""Runs two checkouts in turn and takes the ratio of their times, part by part."""

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

WORKER = Path(__file__).with_name("worker.py")
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
OWN_CODE = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
REPETITION_SECONDS = 0.01  # least time of a repetition; a shorter case is repeated within it
PAIR_SECONDS = 0.5  # for both sides of a part in one pair of processes, at least
MIN_ROUNDS = 3
TIMEOUT_SECONDS = 300


class PartError(Exception):
    """A case cannot be timed in one of the checkouts."""


@dataclass(frozen=True)
class Side:
    """A checkout that is timed.

    Attributes:
        name: "before" or "now".
        tree: its root.
        cases: the file of cases that fits it.
        folder: for files of the cases.
    """

    name: str
    tree: Path
    cases: Path
    folder: Path


@dataclass
class Timing:
    """What is known of one part.

    Attributes:
        work: what a repetition does, in the words of each side's cases.
        pairs: seconds of the repetitions of each pair of processes, by side; those at one place ran
            one after the other.
        spent: wall seconds that the part took, its setup included.
        error: why it could not be timed.
    """

    work: dict[str, str] = field(default_factory=dict)
    pairs: list[dict[str, list[float]]] = field(default_factory=list)
    spent: float = 0.0
    error: str | None = None


class Worker:
    """A fresh process of one side."""

    def __init__(self, side: Side, device: str) -> None:
        self.side = side
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        arguments = (side.tree, side.cases, side.folder, device)
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            cwd=side.tree,
            env={**os.environ, **THREADS, **OWN_CODE},
        )

    def send(self, **request: object) -> None:
        """Ask for something; :meth:`answer` waits for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then `answer` says why
            self._process.stdin.write(json.dumps(request).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """The answer to the last request.

        Raises:
            PartError: if the case failed, or the process ended or is stuck.
        """
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if line:
            answer: dict[str, Any] = json.loads(line)
            if "error" not in answer:
                return answer
            raise PartError(f"{self.side.name}: {answer['error']}")
        if not ready:
            self._process.kill()
            raise PartError(f"{self.side.name}: no answer within {TIMEOUT_SECONDS} s")
        self._process.wait()
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip().splitlines()
        raise PartError(f"{self.side.name}: the process ended: {words[-1] if words else ''}")

    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.poll() is None

    def ask(self, **request: object) -> dict[str, Any]:
        """Ask and wait for the answer."""
        self.send(**request)
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._log):
            assert file is not None
            file.close()


def measure(
    sides: tuple[Side, Side], parts: Sequence[str], num_pairs: int, device: str = "cpu"
) -> dict[str, Timing]:
    """Time parts in pairs of fresh processes.

    Args:
        sides: before and now.
        parts: names of cases that both have.
        num_pairs: fresh pairs.
        device: "cpu" takes the CPU time of all threads of a process, others take wall time.

    Returns:
        What is known of each part; a part that failed once is not timed again.
    """
    timings = {part: Timing() for part in parts}
    for number in range(num_pairs):
        to_do = [part for part in parts if timings[part].error is None]
        order = sides if number % 2 == 0 else sides[::-1]
        while to_do:
            with Worker(order[0], device) as first, Worker(order[1], device) as second:
                while to_do and first.is_alive() and second.is_alive():
                    part = to_do.pop(0)
                    started = time.monotonic()
                    try:
                        _add_pair(timings[part], part, (first, second), device)
                    except PartError as problem:
                        timings[part].error = str(problem)
                    timings[part].spent += time.monotonic() - started
    return timings


def _add_pair(timing: Timing, part: str, workers: tuple[Worker, Worker], device: str) -> None:
    """Let two processes run one part in turn, and keep the times.

    Raises:
        PartError: if the part fails in one of them.
    """
    clock = "cpu" if device == "cpu" else "wall"
    for worker in workers:
        worker.send(prepare=part)
    # Both answers are read, whatever the first one says: none may be left in a pipe.
    answers, problems = {}, []
    for worker in workers:
        try:
            answers[worker.side.name] = worker.answer()
        except PartError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    timing.work = {name: answer["work"] for name, answer in answers.items()}
    slowest = max(answer[clock] for answer in answers.values())
    repeats = max(1, math.ceil(REPETITION_SECONDS / slowest))
    times: dict[str, list[float]] = {worker.side.name: [] for worker in workers}
    spent, rounds = 0.0, 0
    while rounds < MIN_ROUNDS or spent < PAIR_SECONDS:
        # Which one is first alternates.
        for worker in workers if rounds % 2 == 0 else workers[::-1]:
            seconds = worker.ask(run=repeats)[clock]
            times[worker.side.name].append(seconds / repeats)
            spent += seconds
        rounds += 1
    timing.pairs.append(times)

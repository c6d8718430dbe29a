"""How long a graph of runs takes on a number of devices: its schedule is simulated."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ScheduledRun:
    """One run as a schedule sees it.

    Attributes:
        id: its name.
        seconds: on one device; on n devices an n-th of it.
        width: devices that it can use at most; 0 for a run that takes none and no time.
        after: ids of the tasks that must have ended before it starts.
    """

    id: str
    seconds: float
    width: int
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """The outcome of a simulation.

    Attributes:
        seconds: from the start of the first task to the end of the last.
        most_devices: in use at one time.
    """

    seconds: float
    most_devices: int


def simulate(tasks: Sequence[ScheduledRun], devices: int) -> Schedule:
    """Start each task as soon as those before it have ended and its devices are free.

    A task takes as many devices as it can use, or all there are if these are fewer, and keeps them
    to its end. Of the tasks that are ready, the first of the sequence that fits starts first.

    Args:
        tasks: in order of precedence, each after those that it waits for.
        devices: 1 or more.
    """
    to_start = list(tasks)
    running: list[tuple[float, int, str]] = []  # end, devices, id
    ended: set[str] = set()
    now, free, most = 0.0, devices, 0
    while to_start or running:
        waiting = []
        for task in to_start:
            taken = min(task.width, devices)
            if taken <= free and ended.issuperset(task.after):
                free -= taken
                seconds = task.seconds / taken if taken else 0.0
                heapq.heappush(running, (now + seconds, taken, task.id))
            else:
                waiting.append(task)
        to_start, most = waiting, max(most, devices - free)
        now = running[0][0]
        while running and running[0][0] == now:
            _, taken, name = heapq.heappop(running)
            free += taken
            ended.add(name)
    return Schedule(now, most)


def enough(tasks: Sequence[ScheduledRun], step: int) -> int:
    """The multiple of ``step`` devices beyond which more devices gain no time."""
    unlimited = simulate(tasks, max(1, sum(task.width for task in tasks)))
    devices = -(-unlimited.most_devices // step) * step
    while devices > step and simulate(tasks, devices - step).seconds <= unlimited.seconds:
        devices -= step
    return devices

"""Schedules against a slow clock and hand-made graphs."""

import random

import pytest

from benchmarks.plan.schedule import Schedule, ScheduledRun, enough, simulate

CHAIN = [
    ScheduledRun("a", 80, 8),
    ScheduledRun("b", 10, 1, ("a",)),
    ScheduledRun("c", 0, 0, ("b",)),
]
FAN = [ScheduledRun("root", 80, 8), *(ScheduledRun(f"leaf{n}", 80, 8, ("root",)) for n in range(3))]


@pytest.mark.parametrize(
    ("tasks", "devices", "seconds", "most"),
    [
        (CHAIN, 8, 20, 8),
        (CHAIN, 100, 20, 8),  # the chain is all it takes
        (CHAIN, 4, 30, 4),  # fewer than it can use: it takes what there is
        (CHAIN, 1, 90, 1),
        (FAN, 24, 20, 24),
        (FAN, 23, 30, 16),  # two leaves fit at a time
        (FAN, 8, 40, 8),
        ([ScheduledRun("wide", 80, 8), ScheduledRun("narrow", 30, 1)], 8, 40, 8),
        # the wide one waits for the narrow one that holds a device; another narrow one passes it
        ([ScheduledRun("n", 9, 1), ScheduledRun("wide", 80, 8), ScheduledRun("m", 5, 1)], 8, 19, 8),
        ([ScheduledRun("nothing", 0, 0)], 8, 0, 0),
    ],
)
def test_a_schedule_is_the_one_made_by_hand(
    tasks: list[ScheduledRun], devices: int, seconds: float, most: int
) -> None:
    assert simulate(tasks, devices) == Schedule(seconds, most)


def by_the_clock(tasks: list[ScheduledRun], devices: int) -> int:
    """The end of the last task, looking at every task in every second."""
    ends: dict[str, int] = {}
    second = 0
    while len(ends) < len(tasks) or max(ends.values()) > second:
        for task in tasks:
            taken = min(task.width, devices)
            busy = sum(min(t.width, devices) for t in tasks if t.id in ends and ends[t.id] > second)
            done = all(i in ends and ends[i] <= second for i in task.after)
            if task.id not in ends and done and busy + taken <= devices:
                ends[task.id] = second + round(task.seconds / taken)
        second += 1
    return max(ends.values())


@pytest.mark.parametrize("seed", range(40))
def test_a_schedule_is_that_of_a_slow_clock(seed: int) -> None:
    draw = random.Random(seed)
    tasks: list[ScheduledRun] = []
    for number in range(draw.randint(1, 9)):
        after = draw.sample([t.id for t in tasks], draw.randint(0, min(2, len(tasks))))
        whole = 12 * draw.randint(1, 6)  # seconds for any number of devices up to 4
        tasks.append(ScheduledRun(str(number), whole, draw.randint(1, 4), tuple(after)))
    devices = draw.randint(1, 6)
    found = simulate(tasks, devices).seconds
    assert found == by_the_clock(tasks, devices)
    assert found >= sum(task.seconds for task in tasks) / devices


def test_devices_beyond_enough_gain_nothing() -> None:
    assert enough(FAN, 8) == 24
    # two short ones find room, one after the other, beside the long one
    beside = [
        ScheduledRun("long", 80, 8),
        ScheduledRun("short", 40, 8),
        ScheduledRun("shorter", 40, 8),
    ]
    assert enough(beside, 8) == 16
    assert enough(CHAIN, 8) == 8
    assert enough(CHAIN, 3) == 9
    assert enough([ScheduledRun("nothing", 0, 0)], 8) == 0

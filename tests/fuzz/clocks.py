"""Changes of time stamps: of single stamps, of a whole track, and of the clock of a file."""

import random
from collections.abc import Callable

from tests.fuzz import stamps
from tests.fuzz.damage import Change


def on_one_track(change: Callable[[list[int], int, random.Random], list[int]]) -> Change:
    """Applies ``change(values, ticks per second, generator)`` to the stamps of one track."""

    def changed(content: bytes, container: str, rng: random.Random) -> bytes:
        every = stamps.find(content, container)
        if not every:
            return content  # an MP4 file without B-frames
        track = rng.choice(sorted({stamp.track for stamp in every}))
        own = [stamp for stamp in every if stamp.track == track]
        values = change([stamp.value for stamp in own], own[0].ticks, rng)
        return stamps.overwrite(content, own, values)

    return changed


def _inner(values: list[int], rng: random.Random) -> int:
    """Number of a stamp; not the first one or one of the last two if there are enough."""
    return min(rng.randrange(1, max(2, len(values) - 2)), len(values) - 1)


def swap_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    at = _inner(values, rng)
    other = min(at + 1, len(values) - 1)
    values[at], values[other] = values[other], values[at]
    return values


def equal_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    at = _inner(values, rng)
    values[at] = values[at - 1]
    return values


def wild_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    seconds = rng.choice((-1000, -2, -0.5, 0.5, 2, 20, 1000, 90_000))
    values[_inner(values, rng)] += round(seconds * ticks)
    return values


def wild_last_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    values[-1] += round(rng.choice((-1000, -1, 5, 20, 1000)) * ticks)
    return values


def wild_first_stamp(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    values[0] += round(rng.choice((-1000, -1, 1, 20, 1000)) * ticks)
    return values


def all_equal(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    return [values[0]] * len(values)


def shuffle_stamps(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    """The stamps of up to eight packets in a row, in any order."""
    begin = _inner(values, rng)
    part = values[begin : begin + 8]
    rng.shuffle(part)
    return values[:begin] + part + values[begin + 8 :]


def stretch(values: list[int], ticks: int, rng: random.Random) -> list[int]:
    factor = rng.choice((0.5, 0.9, 1.1, 2.0))
    return [values[0] + round(factor * (value - values[0])) for value in values]


def clock_jump(content: bytes, container: str, rng: random.Random) -> bytes:
    """All stamps behind a random place become later or earlier."""
    every = stamps.find(content, container)
    begin = rng.randrange(1, len(every))
    shift = round(rng.choice((-20_000, -1, 1, 15, 1000, 20_000)) * every[0].ticks)
    values = [stamp.value + shift * (number >= begin) for number, stamp in enumerate(every)]
    return stamps.overwrite(content, every, values)


def wrap_clock(content: bytes, container: str, rng: random.Random) -> bytes:
    """The 33-bit clock passes zero within the file."""
    every = stamps.find(content, container)
    wrap = 1 << 33
    shift = wrap - round(rng.uniform(0.3, 2.0) * 90_000) - min(stamp.value for stamp in every)
    return stamps.overwrite(content, every, [(stamp.value + shift) % wrap for stamp in every])

"""Rules that tell right time stamps of one stream from wrong ones, and pauses from faults.

Many files state wrong stamps: two neighbours are swapped, one stamp is far off, stamps are missing,
or the clock starts again where two recordings were joined. Everything here is arithmetic on arrays
of seconds in the order of the file. NaN means that a packet has no stamp.

It is a fault if the clock goes back, or if the packets after a stamp contradict it. If the clock
leaps ahead, this may be a pause: a screen recorder writes no picture while nothing moves. A leap is
a pause if the other stream goes on during it, if it is short, or if the file has only one stream
and its header states a length that includes the leap.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
T = TypeVar("T")

MAX_PAUSE_SECONDS = 10.0  # a longer leap is a pause only if other evidence says so
REORDER_STEPS = 17  # H.264 and HEVC show a picture at most 16 pictures after they decode it
MIN_JUMP_SECONDS = 1.0
NUM_WITNESSES = 3  # so many packets confirm a clock; fewer packets with far stamps are wild
_LOOK_AHEAD = 64  # following packets that tell a wild stamp from a clock that starts again


@dataclass(frozen=True)
class Jump:
    """A place where the clock of a stream leaps.

    Attributes:
        index: number of the first packet after the leap.
        before: seconds; the time that this packet would have without the leap.
        after: seconds; the time that it states.
        late: numbers of packets that come later in the file but have times from before the leap,
            because pictures are decoded out of order.
    """

    index: int
    before: float
    after: float
    late: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """Size of the leap; negative if the clock goes back."""
        return self.after - self.before


def typical_step(decoding: Seconds, presentation: Seconds, stated: float) -> float:
    """Seconds from one packet to the next: the median step of the stamps.

    Args:
        decoding: (n,) decoding times, NaN where there is none.
        presentation: (n,) presentation times, NaN where there is none.
        stated: positive seconds; the result if the stamps give no step.
    """
    for stamps in (decoding, np.sort(presentation)):
        steps = np.diff(stamps[~np.isnan(stamps)])
        steps = steps[steps > 1e-6]
        if len(steps) >= max(1, len(stamps) // 4):
            return float(np.median(steps))
    return stated


def without_wild_stamps(stamps: Seconds, step: float) -> tuple[Seconds, list[Jump]]:
    """Takes out stamps that contradict the stamps around them, and finds the leaps of the clock.

    Args:
        stamps: (n,) in the order of the file.
        step: from :func:`typical_step`.

    Returns:
        The stamps with NaN in place of wild and repeated ones, and the leaps in order.
    """
    clean = stamps.copy()
    jumps: list[Jump] = []
    reach = REORDER_STEPS * step
    present = np.flatnonzero(~np.isnan(stamps))
    recent: deque[float] = deque(maxlen=REORDER_STEPS)
    since_jump = REORDER_STEPS
    for place, index in enumerate(present):
        stamp = float(stamps[index])
        ahead = stamps[present[place + 1 : place + 1 + _LOOK_AHEAD]]
        since_jump += 1
        if not recent:
            if _is_ahead_of_all(stamp, ahead, reach):
                clean[index] = np.nan
                continue
        elif stamp in recent:
            clean[index] = np.nan
            continue
        elif not -reach <= stamp - max(recent) <= max(reach, MIN_JUMP_SECONDS):
            if since_jump < REORDER_STEPS and abs(stamp - jumps[-1].before) <= reach:
                jumps[-1] = replace(jumps[-1], late=(*jumps[-1].late, int(index)))
                continue
            if not _goes_on(stamp, ahead, max(recent), reach):
                clean[index] = np.nan
                continue
            jumps.append(Jump(int(index), max(recent) + step, stamp))
            since_jump = 0
            recent.clear()
        recent.append(stamp)
    return clean, jumps


def _is_ahead_of_all(stamp: float, following: Seconds, reach: float) -> bool:
    """Whether a first stamp is far later than all following ones, which makes it wild."""
    witnesses = following[: 2 * NUM_WITNESSES + 1]
    if len(witnesses) < NUM_WITNESSES:
        return False
    return bool((stamp - witnesses > reach).all())


def _goes_on(stamp: float, ahead: Seconds, before: float, reach: float) -> bool:
    """Whether the clock goes on from a stamp that is far off, instead of going back."""
    if stamp > before:
        # Pictures that are presented before this one may decode after it. Slides are never close.
        behind = np.flatnonzero(ahead < stamp - reach)
        if len(behind) and behind[-1] + 1 >= min(len(ahead), REORDER_STEPS):
            return False
        # In a real leap they are few, so most of the time that it leaves out stays empty.
        between = np.sort(ahead[(ahead > before) & (ahead < stamp)])
        return float(np.diff(np.r_[before, between, stamp]).max()) >= (stamp - before) / 2
    witnesses = ahead[:NUM_WITNESSES]
    near = max(reach, MIN_JUMP_SECONDS) + reach
    return len(witnesses) > 0 and bool((np.abs(witnesses - stamp) <= near).all())


def removable(
    jumps: list[Jump], num_packets: int, other: Seconds | None, longest_pause: float
) -> list[bool]:
    """Tells for each leap of a stream's clock whether it is a fault (and not a pause).

    Args:
        jumps: the leaps of the stream.
        num_packets: number of packets of the stream.
        other: (m,) stamps of the other stream; None if there is none.
        longest_pause: seconds; a shorter leap ahead is a pause, whatever the other stream does.
    """
    removed = []
    for jump in jumps:
        if jump.seconds < 0:
            removed.append(True)
        elif other is not None and covers(other, jump.before, jump.after):
            removed.append(False)
        else:
            alone = min(jump.index, num_packets - jump.index) < NUM_WITNESSES
            is_wild = other is not None and alone
            removed.append(is_wild or jump.seconds > longest_pause)
    return removed


def shifts(jumps: list[Jump], num_packets: int) -> Seconds:
    """(n,) seconds to add to the stamps of the packets to take the leaps out."""
    shift = np.zeros(num_packets)
    for jump in jumps:
        shift[jump.index :] -= jump.seconds
        shift[list(jump.late)] += jump.seconds
    return shift


def covers(stamps: Seconds, begin: float, end: float) -> bool:
    """Whether a stream goes on from ``begin`` to ``end``: it has stamps in each quarter."""
    counts, _ = np.histogram(stamps[~np.isnan(stamps)], bins=np.linspace(begin, end, 5))
    return bool(counts.min() > 0)


class InOrder(Generic[T]):
    """Gives rising times to decoded pictures.

    A decoder yields pictures in the order of their presentation, even if their stamps are in
    another order. A few pictures wait here; the first of them gets the earliest of their times.

    Args:
        step: seconds between pictures, for those without a stamp.
        start: seconds; time of the first picture if it has no stamp.

    Attributes:
        num_reordered: number of pictures that got the time of another picture.
        num_filled: number of pictures that had no stamp, or one that was taken out.
    """

    WAITING = 4  # number of pictures that wait; each takes the memory of a frame of the source

    def __init__(self, step: float, start: float) -> None:
        self._step = step
        self._previous = start - step
        self._items: deque[tuple[T, float | None]] = deque()
        self.num_reordered = self.num_filled = 0

    def add(self, item: T, time: float | None) -> list[tuple[T, float]]:
        """Takes the next picture; returns pictures whose time is now certain, with their times."""
        self._items.append((item, time))
        return [self._next()] if len(self._items) > self.WAITING else []

    def finish(self) -> list[tuple[T, float]]:
        """Returns the pictures that still wait, with their times."""
        return [self._next() for _ in range(len(self._items))]

    def _next(self) -> tuple[T, float]:
        known = [time for _, time in self._items if time is not None]
        earliest = min(known, default=None)
        item, own = self._items.popleft()
        if own is None:
            self.num_filled += 1
            time = self._between(earliest)
        else:
            assert earliest is not None
            time = earliest
            if earliest != own:
                self.num_reordered += 1
                place = next(n for n, (_, t) in enumerate(self._items) if t == earliest)
                self._items[place] = (self._items[place][0], own)
        # If the time still does not rise, the picture was presented for no time.
        self._previous = max(time, self._previous + self._step / 100)
        return item, self._previous

    def _between(self, following: float | None) -> float:
        """A time for a picture without a stamp, evenly between its neighbours."""
        num_unknown = 1
        for _, time in self._items:
            if time is not None:
                break
            num_unknown += 1
        even = self._previous + self._step
        if following is None or not 0 < following - self._previous <= (num_unknown + 1) * 2 * (
            self._step
        ):
            return even
        return self._previous + (following - self._previous) / (num_unknown + 1)

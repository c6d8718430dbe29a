"""The packets of one stream: the time stamps as the file states them, and the mended times."""

from array import array
from dataclasses import dataclass, field

import numpy as np

from iicl.data.media.clock import Jump, Seconds


def _numbers() -> array:
    return array("d")


@dataclass
class StreamStamps:
    """What the packets of one stream state, in the order of the file.

    Times are in ticks of the stream; NaN where a packet states none.

    Attributes:
        presentation: when the packet's picture or sound begins.
        decoding: when the packet is decoded.
        durations: how long its picture or sound lasts.
        keys: whether decoding may begin with the packet.
        hidden: whether its picture or sound is decoded but not presented.
        places: number of the packet among all packets of the file.
    """

    presentation: array = field(default_factory=_numbers)
    decoding: array = field(default_factory=_numbers)
    durations: array = field(default_factory=_numbers)
    keys: array = field(default_factory=lambda: array("b"))
    hidden: array = field(default_factory=lambda: array("b"))
    places: array = field(default_factory=lambda: array("q"))


@dataclass
class Track:
    """The packets of one stream in the order of the file, with times that can be trusted.

    Attributes:
        times: (n,) seconds, mended; NaN where a packet has no usable stamp.
        ends: (n,) seconds at which each packet's picture or sound ends; NaN where unknown.
        keys: (n,) whether decoding may begin with the packet.
        step: typical number of seconds from one packet to the next.
        by_decoding: the stamps are decoding times; the file states no presentation times.
        is_timed: at least one packet has a usable stamp.
        leaps: the leaps that were taken out of the clock.
        num_wild: number of stamps that were taken out.
        stated: (n,) seconds as the file states them.
    """

    times: Seconds
    ends: Seconds
    keys: np.ndarray
    step: float
    by_decoding: bool
    is_timed: bool
    leaps: list[Jump] = field(default_factory=list)
    num_wild: int = 0
    stated: Seconds = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def begin(self) -> float:
        """Seconds; the earliest time of a packet, 0 if no packet has a time."""
        return float(np.nanmin(self.times)) if not np.isnan(self.times).all() else 0.0

    @property
    def end(self) -> float:
        """Seconds; the latest end of a packet."""
        even = self.begin + len(self.times) * self.step
        known = self.ends[~np.isnan(self.ends)]
        if 2 * len(known) < len(self.times):
            return max(even, float(known.max(initial=-np.inf)))
        return float(known.max())

    def packet_before(self, seconds: float, keys_only: bool) -> int:
        """Number of the last packet that is not later than ``seconds``; 0 if all are later.

        Args:
            seconds: the time.
            keys_only: consider only packets with which decoding may begin.
        """
        candidates = self.times <= seconds + 1e-6
        if keys_only:
            candidates &= self.keys
        return int(np.flatnonzero(candidates)[-1]) if candidates.any() else 0

    def forget_times(self, step: float) -> None:
        """Drops all times, because they cannot be right; packets then follow each other.

        Args:
            step: seconds from one packet to the next.
        """
        self.step, self.is_timed, self.leaps = step, False, []
        self.times = np.full(len(self), np.nan)
        self.ends = self.times.copy()

"""What follows from the times of one part in two commits. Pure functions of numbers.

A pair is one fresh process of each commit. Within it the two run in turn, one repetition each, so
that both meet the same load; the ratio of their least times is the pair's. What differs from
process to process (addresses, order of sets) differs between pairs. The interval is a t interval
over the pairs' logarithms.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

Verdict = Literal["slower", "faster", "same"]
CONFIDENCE = 0.95
"""That the true ratio is above the lower bound; and, for itself, that it is below the upper one."""


@dataclass(frozen=True)
class Ratio:
    """Time now / time before, more than 1 is slower; with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def ratio_of_pair(before: Sequence[float], now: Sequence[float]) -> float:
    """The ratio of the least times: other processes only ever add to a time.

    Args:
        before: seconds of the repetitions, all more than 0.
        now: seconds of the repetitions that ran in turn with them.
    """
    return min(now) / min(before)


def ratio_of_pairs(ratios: Sequence[float]) -> Ratio:
    """The geometric mean over pairs of processes with one-sided bounds on either side.

    Args:
        ratios: of the pairs, two or more.

    Raises:
        ValueError: for fewer than two.
    """
    if len(ratios) < 2:
        raise ValueError(f"an interval needs 2 pairs or more, got {len(ratios)}")
    logs = [math.log(ratio) for ratio in ratios]
    mean, deviation = statistics.mean(logs), statistics.stdev(logs)
    half = float(stdtrit(len(logs) - 1, CONFIDENCE)) * deviation / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def verdict(ratio: Ratio, threshold: float) -> Verdict:
    """Slower if the whole interval lies above the threshold, faster if below its inverse."""
    if ratio.low > threshold:
        return "slower"
    return "faster" if ratio.high < 1 / threshold else "same"

"""How many seeds a verdict needs, if the difference is the one that the paper reports."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

POWER = 0.8
MAX_SEEDS = 100_000


@dataclass(frozen=True)
class OneSidedTest:
    """A one-sided t test that a verdict needs to reject.

    Attributes:
        effect: how far the supposed truth lies beyond the edge of the hypothesis, in points.
        sd: of one seed's difference, in points, 0 or more.
        level: of the test, 0-1.
        printed: whether one side is a printed number, one run.
    """

    effect: float
    sd: float
    level: float
    printed: bool = False

    def power(self, num_seeds: int) -> float:
        """The probability that the test rejects: P(T' >= t), T' noncentral t with n - 1 degrees.

        t is the quantile of 1 - level of Student's t; the noncentrality is effect / se, with
        se = sd sqrt(1 / n), or sd sqrt(1 / n + 1) against a printed number.

        Args:
            num_seeds: n, 2 or more.
        """
        if self.effect <= 0:
            return 0.0
        if self.sd == 0:
            return 1.0
        error = self.sd * np.sqrt(1 / num_seeds + self.printed)
        quantile = special.stdtrit(num_seeds - 1, 1 - self.level)
        return float(stats.nct.sf(quantile, num_seeds - 1, self.effect / error))


def power(tests: Sequence[OneSidedTest], num_seeds: int) -> float:
    """The probability that all tests reject, or less: 1 - the sum of their error probabilities.

    It is exact for one test. For several, which depend on each other in an unknown way, it is
    Bonferroni's bound, so that the seeds it asks for are enough.
    """
    return max(0.0, 1 - sum(1 - test.power(num_seeds) for test in tests))


def seeds_for_power(tests: Sequence[OneSidedTest]) -> int | None:
    """The fewest seeds that give ``POWER``.

    None if no ``MAX_SEEDS`` do: the effect is not on the verdict's side, or too small; or the one
    run behind a printed number spreads too much for any number of our seeds.
    """
    if any(test.effect <= 0 for test in tests):
        return None
    enough = 2
    while power(tests, enough) < POWER:
        if enough == MAX_SEEDS:
            return None
        enough = min(2 * enough, MAX_SEEDS)
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power(tests, middle) < POWER:
            too_few = middle
        else:
            enough = middle
    return max(2, enough)

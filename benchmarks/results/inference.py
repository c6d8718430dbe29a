"""What differences between rows show: t tests over seeds, and their adjustment for number.

A claim has two verdicts that may be false: *holds* and *reversed*. Its p-value therefore bounds the
probability of a false verdict of either kind: whatever is true, P(false verdict at p <= t) <= t.

==========  ==========================================  ===========================================
rule        p of *holds*                                p of *reversed*
==========  ==========================================  ===========================================
above, by   2 P(T >= (d - by) / se)                     2 P(T <= (d - by) / se)
best        2 max over rivals of P(T >= d / se)         2 k min over k rivals of P(T <= d / se)
not above   *best*, of m - d in place of each d
differ      2 k min over k pairs of P(T >= |d| / se)    never
near        the larger of two one-sided p (TOST)        2 min of P(T >= (d - m) / se), mirrored
==========  ==========================================  ===========================================

d is the mean over n seeds of the paired differences, in points; T has Student's distribution with
n - 1 degrees of freedom. The 2 of *above* and *best* is due because both verdicts are false if the
difference is ``by`` exactly, or a rival is equal. *Near* needs no such 2: with margin m, either
|d| <= m is true or |d| > m, so that one verdict of the two is right (the partitioning principle,
Finner and Strassburger 2002). *Best* holds only if each of its parts does, an intersection-union
test (Berger 1982) that needs no correction; one rival of k reverses it, which needs Bonferroni's.
TOST: two one-sided tests (Schuirmann 1987).

A printed number is one run. Its spread is taken to be that of our runs, and
se = sd sqrt(1 / n + 1) in place of sd sqrt(1 / n): the standard error of a prediction.

Functions take arrays of estimates and give arrays; a single estimate is an array without axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Numbers: TypeAlias = NDArray[np.float64]

SAME = 1e-9
"""Points; rows that are closer in every seed differ by rounding alone."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, in points.

    Attributes:
        mean: of the seeds.
        sd: standard deviation of the seeds, with n - 1; NaN for one seed.
        num_seeds: n, 1 or more.
        printed: whether one side of the difference is a printed number, which is one run.
    """

    mean: Numbers
    sd: Numbers
    num_seeds: int
    printed: bool = False

    @property
    def standard_error(self) -> Numbers:
        """Of the mean; of a prediction if one side is printed."""
        return self.sd * np.sqrt(1 / self.num_seeds + self.printed)

    def half_width(self, confidence: float) -> float:
        """Half of the two-sided t interval of a single estimate; NaN for one seed."""
        if self.num_seeds == 1:
            return float("nan")
        quantile = special.stdtrit(self.num_seeds - 1, (1 + confidence) / 2)
        return float(quantile * self.standard_error)


def estimate(values: ArrayLike, printed: bool = False) -> Estimate:
    """The estimate of values whose last axis is the seeds."""
    array = np.asarray(values, dtype=np.float64)
    n = array.shape[-1]
    mean = array.mean(axis=-1)
    sd = array.std(axis=-1, ddof=1) if n > 1 else np.full(mean.shape, np.nan)
    return Estimate(mean, sd, n, printed)


@dataclass(frozen=True)
class Evidence:
    """The p-values of the two verdicts on a claim; the smaller one is the claim's."""

    holds: Numbers
    reversed: Numbers

    @property
    def p(self) -> Numbers:
        """Bounds the probability of a false verdict of either kind."""
        return np.minimum(self.holds, self.reversed)

    @property
    def favours(self) -> str:
        """The verdict that a single claim has if its adjusted p-value is small enough."""
        return "holds" if self.holds < self.reversed else "reversed"


def p_above(difference: Estimate, shift: float = 0.0) -> Numbers:
    """The one-sided p-value of "the difference is above ``shift`` points"; 1 for one seed."""
    distance = np.asarray(difference.mean - shift)
    if difference.num_seeds == 1:
        return np.ones(distance.shape)
    error = np.asarray(difference.standard_error)
    without_spread = np.where(distance > SAME, 0.0, 1.0)
    t = np.divide(distance, error, out=np.zeros(distance.shape), where=error > SAME)
    p: Numbers = np.where(error > SAME, special.stdtr(difference.num_seeds - 1, -t), without_spread)
    return p


def p_below(difference: Estimate, shift: float = 0.0) -> Numbers:
    """The one-sided p-value of "the difference is below ``shift`` points"; 1 for one seed."""
    return p_above(replace(difference, mean=-difference.mean), -shift)


def _at_most_one(p: Numbers) -> Numbers:
    return np.minimum(1.0, p)


def above(difference: Estimate, by: float = 0.0) -> Evidence:
    """Is the first row above the second by more than so many points, or by less?"""
    return Evidence(
        _at_most_one(2 * p_above(difference, by)), _at_most_one(2 * p_below(difference, by))
    )


def best(differences: Sequence[Estimate]) -> Evidence:
    """Is a row above all its rivals, or one of them above it? ``differences`` to one or more."""
    ahead = np.max([p_above(d) for d in differences], axis=0)
    behind = np.min([p_below(d) for d in differences], axis=0)
    return Evidence(_at_most_one(2 * ahead), _at_most_one(2 * len(differences) * behind))


def none_above(differences: Sequence[Estimate], margin: float) -> Evidence:
    """Is each difference below ``margin`` points, or one of them above it? One or more of them."""
    return best([replace(d, mean=margin - d.mean) for d in differences])


def differ(differences: Sequence[Estimate]) -> Evidence:
    """Are the rows of some pair unequal? ``differences`` of one pair or more."""
    smallest = np.min([np.minimum(p_above(d), p_below(d)) for d in differences], axis=0)
    p = _at_most_one(2 * len(differences) * smallest)
    return Evidence(p, np.ones_like(p))


def near(difference: Estimate, within: float) -> Evidence:
    """Are two rows within a margin of each other, or farther apart? ``within``: points, > 0."""
    inside = np.maximum(p_above(difference, -within), p_below(difference, within))
    outside = np.minimum(p_above(difference, within), p_below(difference, -within))
    return Evidence(inside, _at_most_one(2 * outside))


def largest(difference: Estimate, level: float) -> float:
    """The smallest margin within which two one-sided tests at ``level`` would find equivalence.

    It is the end of the interval with confidence 1 - 2 ``level`` that is farther from zero. NaN for
    one seed.
    """
    return abs(float(difference.mean)) + difference.half_width(1 - 2 * level)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm (1979).

    Verdicts at adjusted p <= level are all right with probability 1 - level or more, however the
    claims depend on each other. The sign of a true difference is covered as well if they do not
    (Shaffer 1980); if they do, the tests of this function show no excess.
    """
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Benjamini and Hochberg (1995).

    Of the verdicts at adjusted p <= level, the expected share of false ones is at most the level,
    if the claims are independent or depend positively on each other.
    """
    return [float(p) for p in stats.false_discovery_control(p_values)] if p_values else []

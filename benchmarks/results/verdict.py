"""Verdicts on cells, claims and controls.

All values are percentages. An interval is a two-sided t interval over seeds; one seed has none.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from benchmarks.spec.claim import CHANCE, ClaimSpec
from benchmarks.spec.table import Table

LEVEL = 0.95
MAX_SEEDS = 1000
Values = Mapping[int, float]  # seed -> value, a seed's folds averaged
CellVerdict = Literal[
    "match", "below", "above", "open", "incomplete", "failed", "damaged", "stale", "not compared"
]


@dataclass(frozen=True)
class Summary:
    """A summary of seeds; ``half_width`` and ``sd`` (n - 1) are NaN for one seed."""

    num_seeds: int
    mean: float
    sd: float
    half_width: float


def summarise(values: Sequence[float], level: float = LEVEL) -> Summary:
    """Mean, standard deviation and half the t interval of at least one value."""
    n = len(values)
    if n == 1:
        return Summary(1, values[0], math.nan, math.nan)
    sd = statistics.stdev(values)
    return Summary(n, statistics.fmean(values), sd, _half_width(sd, n, level))


def _half_width(sd: float, n: int, level: float) -> float:
    return float(stdtrit(n - 1, (1 + level) / 2)) * sd / math.sqrt(n)


def seeds_to_settle(sd: float, distance: float, level: float = LEVEL) -> int | None:
    """The fewest seeds whose interval would be no wider than ``distance`` to either side.

    Supposes that mean and standard deviation stay as they are; None if 1,000 would not do.
    """
    if distance <= 0:
        return None
    for n in range(2, MAX_SEEDS + 1):
        if _half_width(sd, n, level) <= distance:
            return n
    return None


@dataclass(frozen=True)
class Judgement:
    """A verdict, the numbers behind it, and the seeds that would settle an open one."""

    verdict: str
    summary: Summary | None = None
    delta: float | None = None
    seeds_needed: int | None = None


def judge(values: Values, reported: float, tolerance: float) -> Judgement:
    """A reproduced cell against the band of ``tolerance`` around the reported value.

    The whole interval inside the band is a match, wholly outside it is below or above, and
    across an edge it is open. One seed has no interval and is always open.
    """
    summary = summarise(list(values.values()))
    delta = summary.mean - reported
    if summary.num_seeds == 1:
        return Judgement("open", summary, delta)
    if abs(delta) + summary.half_width <= tolerance:
        return Judgement("match", summary, delta)
    if abs(delta) - summary.half_width > tolerance:
        return Judgement("below" if delta < 0 else "above", summary, delta)
    needed = seeds_to_settle(summary.sd, abs(abs(delta) - tolerance))
    return Judgement("open", summary, delta, needed)


@dataclass(frozen=True)
class ClaimJudgement:
    """A claim's verdict, and why.

    It is holds, reversed, open, incomplete, failed, damaged, stale or untested. It is exploratory
    if a run that it is judged on was made before the claim was fixed.
    """

    claim: ClaimSpec
    verdict: str
    why: str
    seeds_needed: int | None = None
    is_exploratory: bool = False


def paired(first: Values, second: Values, level: float = LEVEL) -> Summary:
    """The difference first - second over the seeds that both have."""
    return summarise([first[s] - second[s] for s in sorted(set(first) & set(second))], level)


def judge_best(row: str, rows: Mapping[str, Values]) -> tuple[str, str, Summary, int | None]:
    """Is a row above every other row?

    *Holds* needs every paired 95 % interval above zero. That is an intersection-union test: the
    claim is accepted only if each of its parts is, so no correction for their number is due.
    *Reversed* needs one rival's interval wholly below zero. There any of several chances would do,
    so these intervals are Bonferroni-corrected for the number of rivals.

    Returns:
        the verdict, the rival that decides it, the paired difference to it, seeds that would settle
    """
    rivals = {name: values for name, values in rows.items() if name != row}
    corrected = 1 - (1 - LEVEL) / len(rivals)
    plain = {name: paired(rows[row], values) for name, values in rivals.items()}
    hardest = min(plain, key=lambda name: plain[name].mean)
    if plain[hardest].num_seeds == 1:
        return "open", hardest, plain[hardest], None
    for name in sorted(plain, key=lambda name: plain[name].mean):
        wide = paired(rows[row], rivals[name], corrected)
        if wide.mean + wide.half_width < 0:
            return "reversed", name, wide, None
    if all(d.mean - d.half_width > 0 for d in plain.values()):
        return "holds", hardest, plain[hardest], None
    undecided = [n for n, d in plain.items() if d.mean - d.half_width <= 0]
    # The rival that needs most seeds decides how many would settle the claim.
    needed = [seeds_to_settle(plain[n].sd, abs(plain[n].mean)) for n in undecided]
    most = None if None in needed else max(n for n in needed if n is not None)
    return "open", hardest, plain[hardest], most


def judge_differ(rows: Mapping[str, Values]) -> tuple[str, tuple[str, str], Summary, int | None]:
    """Do at least two rows differ? Paired intervals, Bonferroni-corrected for the pairs."""
    pairs = list(itertools.combinations(rows, 2))
    level = 1 - (1 - LEVEL) / len(pairs)
    differences = {(a, b): paired(rows[a], rows[b], level) for a, b in pairs}
    if next(iter(differences.values())).num_seeds == 1:
        pair = max(differences, key=lambda p: abs(differences[p].mean))
        return "open", pair, differences[pair], None
    # The pair whose difference is farthest from zero for the width of its interval. Rows that are
    # equal to the last digit are no evidence.
    pair = max(
        differences, key=lambda p: abs(differences[p].mean) / max(differences[p].half_width, 1e-9)
    )
    difference = differences[pair]
    if abs(difference.mean) > difference.half_width:
        return "holds", pair, difference, None
    return "open", pair, difference, seeds_to_settle(difference.sd, abs(difference.mean), level)


def judge_above(first: Values, second: Values, by: float = 0.0) -> tuple[str, Summary, int | None]:
    """Is one row above another by so many points? Their paired interval above, below or across."""
    difference = paired(first, second)
    beyond = difference.mean - by
    if difference.num_seeds == 1 or abs(beyond) <= difference.half_width:
        needed = seeds_to_settle(difference.sd, abs(beyond))
        return "open", difference, None if difference.num_seeds == 1 else needed
    return "holds" if beyond > 0 else "reversed", difference, None


def judge_near(
    claim: ClaimSpec, first: Values, second: Values, first_label: str, second_label: str
) -> ClaimJudgement:
    """Does the paired interval of a difference lie within the claim's points around zero?"""
    assert claim.within is not None
    apart = {seed: first[seed] - second[seed] for seed in set(first) & set(second)}
    judged = judge(apart, 0.0, claim.within)
    words = {"match": "holds", "below": "reversed", "above": "reversed", "open": "open"}
    why = (
        f"{first_label} - {second_label} = {spread(paired(first, second))}, within {claim.within:g}"
    )
    return ClaimJudgement(claim, words[judged.verdict], why, judged.seeds_needed)


def judge_claim(claim: ClaimSpec, table: Table, rows: Mapping[str, Values]) -> ClaimJudgement:
    """A claim against the complete values of the rows that it compares."""
    label = {name: row.label for name, row in table.all_rows.items()} | {CHANCE: CHANCE}
    if claim.best is not None:
        verdict, rival, difference, needed = judge_best(claim.best, rows)
        a, b = claim.best, rival
    elif claim.above is not None:
        a, b = claim.above
        verdict, difference, needed = judge_above(rows[a], rows[b], claim.by)
    elif claim.near is not None:
        a, b = claim.near
        return judge_near(claim, rows[a], rows[b], label[a], label[b])
    else:
        verdict, (a, b), difference, needed = judge_differ(rows)
    return ClaimJudgement(claim, verdict, f"{label[a]} - {label[b]} = {spread(difference)}", needed)


def spread(summary: Summary) -> str:
    """A difference with its interval, signed."""
    if math.isnan(summary.half_width):
        return f"{summary.mean:+.1f} (one seed)"
    return f"{summary.mean:+.1f} ± {summary.half_width:.1f}"


def in_order(steps: Sequence[Sequence[float]]) -> bool:
    """Whether every value of a step lies above all values of the step before."""
    return all(max(low) < min(high) for low, high in itertools.pairwise(steps))

"""Verdicts on cells and claims, and on the order of controls.

All values are percentages, all differences points. A verdict follows the p-value that is adjusted
for the number of its family: the judged claims of a table, or its compared cells.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.results import inference
from benchmarks.results.inference import Estimate, Evidence, estimate
from benchmarks.results.power import OneSidedTest, seeds_for_power
from benchmarks.spec.claim import ClaimSpec

CELL_LEVEL = 0.05
"""Of the compared cells of a table together; their intervals have 1 - this as confidence."""

Values = Mapping[int, float]  # seed -> value, a seed's folds averaged
CellVerdict = Literal[
    "match", "below", "above", "open", "incomplete", "failed", "damaged", "stale", "not compared"
]


@dataclass(frozen=True)
class Family:
    """The comparisons that are judged together.

    Attributes:
        size: how many there are, each once.
        level: the probability of one false verdict or more among them, at most.
    """

    size: int
    level: float


@dataclass(frozen=True)
class Judgement:
    """A cell's verdict and the numbers behind it.

    Attributes:
        verdict: a :data:`CellVerdict`, or ``not applicable``.
        summary: of the seeds.
        delta: mean - reported value, where absolute numbers are compared.
        seeds_for_power: for 80 % power to find a match, if the cell is open.
    """

    verdict: str
    summary: Estimate | None = None
    delta: float | None = None
    seeds_for_power: int | None = None


@dataclass(frozen=True)
class ComparedCell:
    """Our seeds beside a reported value, before the verdict.

    Attributes:
        values: ours, by seed.
        reported: the paper's value, which is one run.
        tolerance: points that still count as a match.
    """

    values: Values
    reported: float
    tolerance: float


def judge_cells(cells: Sequence[ComparedCell]) -> list[Judgement]:
    """The compared cells of a table: *match* or *below* or *above*, if Holm's adjusted p allows it.

    *Match* says that the mean of our runs and the paper's lie within the tolerance of each other.
    """
    differences = [
        estimate([value - cell.reported for value in cell.values.values()], printed=True)
        for cell in cells
    ]
    found = [
        inference.near(difference, cell.tolerance)
        for difference, cell in zip(differences, cells, strict=True)
    ]
    adjusted = inference.holm([float(evidence.p) for evidence in found])
    return [
        _judgement(cell, difference, evidence, p, len(cells))
        for cell, difference, evidence, p in zip(cells, differences, found, adjusted, strict=True)
    ]


def _judgement(
    cell: ComparedCell, difference: Estimate, evidence: Evidence, adjusted: float, num_cells: int
) -> Judgement:
    summary, delta = estimate(list(cell.values.values())), float(difference.mean)
    if adjusted <= CELL_LEVEL:
        outside = "below" if delta < 0 else "above"
        return Judgement("match" if evidence.favours == "holds" else outside, summary, delta)
    if summary.num_seeds == 1:
        return Judgement("open", summary, delta)
    side = OneSidedTest(
        cell.tolerance, float(summary.sd), CELL_LEVEL / num_cells, difference.printed
    )
    return Judgement("open", summary, delta, seeds_for_power([side, side]))


@dataclass(frozen=True)
class Finding:
    """What the seeds say on a claim, before the adjustment.

    Attributes:
        claim: which claim.
        key: of the comparison, equal for claims that make the same one.
        evidence: the p-values of both verdicts.
        pairs: evidence on each pair of rows that the claim is made of, by the key of the pair.
        why: the difference that decides, in words.
        bound: for an open verdict: the largest difference that is left, in words, or empty.
        tests: that *holds* needs, at the paper's reported effect; empty if it reports none. Their
            levels are those of a family of one.
    """

    claim: ClaimSpec
    key: str
    evidence: Evidence
    pairs: Mapping[str, Evidence]
    why: str
    bound: str
    tests: tuple[OneSidedTest, ...]


@dataclass(frozen=True)
class ClaimJudgement:
    """A claim's verdict, and why.

    Attributes:
        claim: which claim.
        verdict: holds, reversed, open, incomplete, failed, damaged, stale or untested.
        why: the difference that decides, or what is missing, in words.
        p: of the comparison that decides; None if nothing was compared.
        adjusted: the same, adjusted over the table's family by Holm's method.
        comparison: the key of the comparison that decides; None if the claim is not in the family.
        seeds_for_power: for 80 % power at the paper's effect, if the verdict is open.
        is_exploratory: a run that it is judged on was made before the claim was fixed.
        beside: the same comparison, like with like, where the claim names a column for it.
    """

    claim: ClaimSpec
    verdict: str
    why: str
    p: float | None = None
    adjusted: float | None = None
    comparison: str | None = None
    seeds_for_power: int | None = None
    is_exploratory: bool = False
    beside: "ClaimJudgement | None" = None


def members(looked: Sequence[Finding | ClaimJudgement]) -> dict[str, float]:
    """The family: the p-value of each comparison, once.

    A comparison that cannot be made yet counts with p = 1, so that the family does not grow later.
    A claim that a row is best of several is no comparison of its own if each of its pairs is one
    that another claim makes: it holds if all of these do (Berger 1982), and is reversed if one is.
    """
    family: dict[str, float] = {}
    alone = {one.key for one in looked if isinstance(one, Finding) and len(one.pairs) == 1}
    for one in looked:
        if isinstance(one, ClaimJudgement):
            if one.comparison is not None:
                family.setdefault(one.comparison, 1.0)
        elif not _follows(one, alone):
            family[one.key] = float(one.evidence.p)
    return family


def _follows(finding: Finding, alone: set[str]) -> bool:
    """Whether a claim follows from comparisons that other claims make."""
    is_best = finding.claim.best is not None
    return is_best and finding.key not in alone and alone.issuperset(finding.pairs)


def decide(looked: Sequence[Finding | ClaimJudgement], level: float) -> list[ClaimJudgement]:
    """The verdicts of a table's claims, in their order, by p-values adjusted over its family."""
    family = members(looked)
    adjusted = dict(zip(family, inference.holm(list(family.values())), strict=True))
    return [
        one if isinstance(one, ClaimJudgement) else _decided(one, family, adjusted, level)
        for one in looked
    ]


def _decided(
    finding: Finding, family: Mapping[str, float], adjusted: Mapping[str, float], level: float
) -> ClaimJudgement:
    key, favours = finding.key, finding.evidence.favours
    if key not in family:
        behind = [k for k, pair in finding.pairs.items() if pair.favours == "reversed"]
        key = min(behind, key=lambda k: family[k]) if behind else max(
            finding.pairs, key=lambda k: family[k]
        )  # fmt: skip
        favours = finding.pairs[key].favours
    p, decided = family[key], adjusted[key] <= level
    verdict = favours if decided else "open"
    needed = None if decided else seeds_for(finding, len(family))
    why = finding.why
    if not decided:
        why += "; undecided after the adjustment" if p <= level else finding.bound
    return ClaimJudgement(finding.claim, verdict, why, p, adjusted[key], key, needed)


def seeds_for(finding: Finding, family_size: int) -> int | None:
    """The seeds for 80 % power at the paper's effect, in a family of so many comparisons.

    The level is that of the first step of Holm's adjustment. None if the paper reports no effect,
    or no number of seeds is enough.
    """
    tests = [replace(test, level=test.level / family_size) for test in finding.tests]
    return seeds_for_power(tests) if tests else None


def in_order(steps: Sequence[Sequence[float]]) -> bool:
    """Whether every value of a step lies above all values of the step before."""
    return all(max(low) < min(high) for low, high in itertools.pairwise(steps))

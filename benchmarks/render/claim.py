"""A claim of the paper as a reader sees it, and how many are judged together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the verdict of the reproduced numbers on it.

    Attributes:
        says: the statement.
        where: it stands in the paper.
        column: label of the column that it is judged in.
        verdict: of :mod:`benchmarks.results.verdict`.
        why: the difference that decides, or what is missing.
        p: of the comparison that decides.
        adjusted: the same, adjusted over the table's family.
        comparison: the name of that comparison; claims that share one are judged by one p-value.
        seeds_for_power: for 80 % power at the paper's effect, if the verdict is open.
        is_exploratory: a run was made before the claim was fixed.
        beside: the same comparison in a column that compares like with like.
    """

    says: str
    where: str
    column: str | None
    verdict: str
    why: str
    p: float | None = None
    adjusted: float | None = None
    comparison: str | None = None
    seeds_for_power: int | None = None
    is_exploratory: bool = False
    beside: "Claim | None" = None


@dataclass(frozen=True)
class Family:
    """How many comparisons are judged together, and at which level."""

    size: int
    level: float

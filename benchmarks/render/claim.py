"""A claim of the paper as a reader sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tested:
    """The comparison that decides a claim.

    Attributes:
        comparison: its name; claims that share one are judged by one p-value.
        p: of the comparison.
        adjusted: the same, adjusted over the table's family.
        seeds_for_power: for 80 % power at the paper's effect, if the verdict is open.
    """

    comparison: str
    p: float
    adjusted: float
    seeds_for_power: int | None = None


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and the verdict of the reproduced numbers on it.

    Attributes:
        says: the statement.
        where: it stands in the paper.
        column: label of the column that it is judged in.
        verdict: of :mod:`benchmarks.results.verdict`.
        why: the difference that decides, or what is missing.
        tested: the comparison that decides; None if there is none.
        is_exploratory: a run was made before the claim was fixed.
        beside: the same comparison in a column that compares like with like.
    """

    says: str
    where: str
    column: str | None
    verdict: str
    why: str
    tested: Tested | None = None
    is_exploratory: bool = False
    beside: "Claim | None" = None

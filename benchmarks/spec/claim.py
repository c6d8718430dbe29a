"""What a table's file says about its claims: each of them, and how all are judged together."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmarks.spec.base import Name, Spec

CHANCE = "chance"
"""In the place of a row: the value that a row would have by chance."""


class Inference(Spec):
    """How the claims of a table are judged together; its family is all its judged claims.

    Attributes:
        level: the probability of one false verdict or more in the family, if no claim has an
            effect, 0-1.
        adjustment: of the p-values. ``holm``: Holm's step-down method (1979).
    """

    level: Annotated[float, Field(gt=0, lt=1)]
    adjustment: Literal["holm"]


class ClaimSpec(Spec):
    """A statement of the paper that the table's numbers can decide, or why they cannot.

    Attributes:
        says: the statement.
        where: it stands in the paper, or who else makes it.
        column: that it is judged in; None only if it is untested.
        best: this row is above every other row of the paper in its block, or above those of
            ``among``.
        among: the rows or controls that the best row is compared with, such as those that run here.
        above: the first is above the second; each is a row or a control, and the second may be the
            word ``chance``.
        by: points; above by more than so many.
        near: two rows or controls are equivalent.
        not_above: none of these but the last is above the last by ``within`` or more; the last may
            be the word ``chance``, which stands for each row's own.
        at_chance: this row, or control, and its chance are equivalent.
        within: points; the margin of equivalence of ``near`` and ``at_chance``, and the margin of
            ``not_above``.
        differ: at least two rows of the paper differ.
        beside: a column in which the same comparison is one of like with like. Its verdict is shown
            wherever the claim's stands.
        untested: why no row of this table could decide it.
    """

    says: str
    where: str
    column: Name | None = None
    best: Name | None = None
    among: Annotated[list[Name], Field(min_length=1)] | None = None
    above: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    by: Annotated[float, Field(ge=0)] = 0.0
    near: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    not_above: Annotated[list[Name], Field(min_length=2)] | None = None
    within: Annotated[float, Field(gt=0)] | None = None
    differ: bool = False
    at_chance: Name | None = None
    beside: Name | None = None
    untested: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "ClaimSpec":
        kinds = [self.best, self.above, self.near, self.not_above, self.at_chance]
        if sum(kind is not None for kind in [*kinds, self.differ or None, self.untested]) != 1:
            known = "best, above, near, not_above, differ, at_chance, untested"
            raise ValueError(f"a claim needs exactly one of {known}")
        if (self.column is None) != (self.untested is not None):
            raise ValueError("a claim needs a column, unless it is untested")
        with_margin = any(kind is not None for kind in (self.near, self.not_above, self.at_chance))
        if with_margin != (self.within is not None):
            raise ValueError(
                "near, not_above and at_chance need within, the points that count as near"
            )
        if self.among is not None and (self.best is None or self.best in self.among):
            raise ValueError(f"among is {self.among}: only best has it, for rows beside its own")
        if self.by and self.above is None:
            raise ValueError(
                f"by is {self.by:g}: only above has it, the points that it must exceed"
            )
        for names in (self.above, self.near, self.not_above):
            for place, name in enumerate(names or ()):
                if name in (names or ())[:place]:
                    raise ValueError(f"{name!r} is compared with itself")
        if self.beside is not None and self.untested is not None:
            raise ValueError(f"beside is {self.beside!r}: an untested claim compares nothing")
        if self.beside is not None and self.beside == self.column:
            raise ValueError(
                f"beside is {self.beside!r}: the claim is judged in this column itself"
            )
        return self

    @property
    def names(self) -> list[str]:
        """The rows and controls that the claim names."""
        one = [name for name in (self.best, self.at_chance) if name is not None]
        ordered = [name for name in self.above or self.not_above or [] if name != CHANCE]
        return [*one, *(self.among or []), *ordered, *(self.near or [])]

    @property
    def against_chance(self) -> bool:
        """Whether a row is compared with its chance."""
        return self.at_chance is not None or CHANCE in (self.above or self.not_above or ())

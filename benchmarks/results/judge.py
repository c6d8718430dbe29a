"""From records to judgements: of cells, of the paper's claims, and of the controls' order."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.results import verdict
from benchmarks.results.comparison import Comparison, chance_of, key_of
from benchmarks.results.inference import estimate
from benchmarks.results.records import part, per_seed
from benchmarks.results.verdict import ClaimJudgement, ComparedCell, Family, Finding, Judgement
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.table import Table


@dataclass(frozen=True)
class OrderCheck:
    """The values of each step of a table's ``order`` in one column and block, if in order."""

    column: str
    block: str | None
    steps: dict[str, list[float]]
    holds: bool | None  # None while a step has no value


@dataclass(frozen=True)
class Judged:
    """All judgements on a table's records, in percent; cells by (row, column).

    A family is None if nothing is judged in it.
    """

    cells: dict[tuple[str, str], Judgement]
    cells_family: Family | None
    claims: list[ClaimJudgement]
    claims_family: Family | None
    order: list[OrderCheck]
    chance: dict[tuple[str, str], float]

    def faults(self, table: Table) -> bool:
        """Whether a cell or a claim contradicts the paper, or controls are out of order.

        Another reading of a column is there to compare and decides nothing. Neither does an
        exploratory verdict.
        """
        own = [name for name, column in table.columns.items() if column.reading_of is None]
        verdicts = [cell.verdict for (_, column), cell in self.cells.items() if column in own]
        verdicts += [claim.verdict for claim in self.claims if not claim.is_exploratory]
        bad = {"below", "above", "reversed"}.intersection(verdicts)
        return bool(bad) or any(c.holds is False for c in self.order if c.column in own)


def judge(frame: pd.DataFrame, table: Table, compares: bool) -> Judged:
    """Judge cells, claims and controls.

    Args:
        frame: from :func:`records`.
        table: what the records belong to.
        compares: whether absolute numbers may be compared with the paper's.
    """
    looked = {
        (row, column): _cell(frame, table, row, column, compares)
        for row in frame["row"].unique()
        for column in table.columns
    }
    compared = {key: cell for key, cell in looked.items() if isinstance(cell, ComparedCell)}
    judged = dict(zip(compared, verdict.judge_cells(list(compared.values())), strict=True))
    cells = {
        key: judged[key] if isinstance(cell, ComparedCell) else cell for key, cell in looked.items()
    }
    chance = {
        (row, column): 100 * statistics.fmean(known)
        for row, column in cells
        if len(known := part(frame, row, column)["chance"].dropna())
    }
    claims, claims_family = _claims(frame, table, compares)
    order = [
        check
        for column in table.columns
        for block in table.blocks
        if table.order and not _empty(frame, table, column, block)
        if len((check := _order(frame, table, column, block, chance)).steps) > 1
    ]
    cells_family = Family(len(compared), verdict.CELL_LEVEL) if compared else None
    return Judged(cells, cells_family, claims, claims_family, order, chance)


def _missing(statuses: Iterable[str]) -> str | None:
    """The verdict that missing, broken or stale runs force; None if there are none."""
    states = set(statuses)
    if not states:
        return "incomplete"
    for verdict_without_choice in ("damaged", "failed"):
        if verdict_without_choice in states:
            return verdict_without_choice
    if states - {"done", "accepted", "stale"}:
        return "incomplete"
    return "stale" if "stale" in states else None


def _cell(
    frame: pd.DataFrame, table: Table, row: str, column: str, compares: bool
) -> Judgement | ComparedCell:
    group = part(frame, row, column)
    values = per_seed(frame, row, column)
    summary = estimate(list(values.values())) if values else None
    spec = table.columns[column]
    reported = table.all_rows[row].reported.get(spec.reading_of or column)
    if column in table.all_rows[row].not_measured:
        return Judgement("not measured")
    missing = _missing(group["status"])
    if missing:
        return Judgement(missing, summary)
    if summary is None:
        return Judgement("not applicable")
    coverage = table.protocol(column).coverage
    partial = (group["num_evaluated"] < coverage * group["num_expected"]).any()
    if reported is None or not compares or partial or (group["selection"] == "oracle").any():
        return Judgement("not compared", summary)
    assert spec.tolerance is not None
    return ComparedCell(values, reported, spec.tolerance)


def _claims(
    frame: pd.DataFrame, table: Table, compares: bool
) -> tuple[list[ClaimJudgement], Family | None]:
    """The verdicts on all claims, and the family in which they are judged."""
    looked = look(frame, table, compares)
    num = len(table.claims)
    if table.inference is None:  # then the table's file has untested claims only
        return [one for one in looked if isinstance(one, ClaimJudgement)], None
    decided = verdict.decide(looked, table.inference.level)
    beside = iter(decided[num:])
    claims = [
        one if one.claim.beside is None else replace(one, beside=next(beside))
        for one in decided[:num]
    ]
    family = Family(len(verdict.members(looked)), table.inference.level)
    return claims, family if family.size else None


def look(frame: pd.DataFrame, table: Table, compares: bool) -> list[Finding | ClaimJudgement]:
    """What the records say on each claim; then on those with a column beside, like with like."""
    beside = [
        claim.model_copy(update={"column": claim.beside, "beside": None})
        for claim in table.claims
        if claim.beside is not None
    ]
    return [_look(frame, table, claim, compares) for claim in [*table.claims, *beside]]


def _look(
    frame: pd.DataFrame, table: Table, claim: ClaimSpec, compares: bool
) -> Finding | ClaimJudgement:
    """What the records say on a claim, or why they say nothing."""
    column = claim.column
    if claim.untested is not None or column is None:
        return ClaimJudgement(claim, "untested", claim.untested or "")
    names = table.compared(claim)
    own = [name for name in names if table.all_rows[name].runs]
    cited = [name for name in names if not table.all_rows[name].runs]
    for name in claim.names:
        if table.all_rows[name].unavailable is not None:
            return ClaimJudgement(claim, "untested", f"nobody can run {table.all_rows[name].label}")
    if len(own) < 2 and not (own and (cited or claim.against_chance)):
        return ClaimJudgement(claim, "untested", "nobody here runs two rows to compare")
    if cited and not compares:
        why = "rivals that nobody here runs count at the paper's scale only"
        return ClaimJudgement(claim, "untested", why)
    group = frame[(frame["column"] == column) & frame["row"].isin(own)]
    missing = _missing(group["status"])
    if missing:
        key = key_of(claim, table)
        return ClaimJudgement(claim, missing, "not all runs are there", comparison=key)
    rows = {name: per_seed(frame, name, column) for name in own}
    if not all(rows.values()):
        return ClaimJudgement(claim, "untested", "this scale has no value in the column")
    for name in cited:
        rows[name] = dict.fromkeys(rows[own[0]], table.rows[name].reported[column])
    rows = {name: rows[name] for name in names}
    if claim.against_chance:
        chance = frame.assign(value=frame["chance"])
        rows |= {chance_of(name): per_seed(chance, name, column) for name in own}
    assert table.inference is not None
    level = table.inference.level
    return Comparison(claim, table, rows, cited, level).finding()


def _in_block(frame: pd.DataFrame, table: Table, column: str, block: str | None) -> pd.DataFrame:
    """The records of a column that the order within a block is about."""
    steps = [step for step in table.order if step != "chance"]
    rows = [row for step in steps for row in table.step(step, block)]
    return frame[(frame["column"] == column) & frame["row"].isin(rows)]


def _empty(frame: pd.DataFrame, table: Table, column: str, block: str | None) -> bool:
    """Whether all runs of the block are there and the metric applies to none of them."""
    records = _in_block(frame, table, column, block)
    done = records["status"].isin(["done", "accepted"])
    return bool(done.all()) and not records["value"].notna().any()


def _order(
    frame: pd.DataFrame,
    table: Table,
    column: str,
    block: str | None,
    chance: dict[tuple[str, str], float],
) -> OrderCheck:
    steps: dict[str, list[float]] = {}
    for name in table.order:
        if name == "chance":
            rows = table.step("rows", block)
            steps[name] = [chance[row, column] for row in rows if (row, column) in chance]
            continue
        rows = [r for r in table.step(name, block) if column not in table.all_rows[r].not_measured]
        if not rows:
            continue
        seeds = [per_seed(frame, row, column) for row in rows]
        steps[name] = [statistics.fmean(values.values()) for values in seeds if values]
    statuses = _in_block(frame, table, column, block)["status"]
    complete = all(steps.values()) and bool(statuses.isin(["done", "accepted"]).all())
    held = verdict.in_order(list(steps.values())) if complete else None
    return OrderCheck(column, block, steps, held)

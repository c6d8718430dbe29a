"""How many seeds the claims of a planned table need, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.results import judge, verdict
from benchmarks.results.inference import SAME
from benchmarks.results.records import records
from benchmarks.results.verdict import ClaimJudgement, Finding
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.table import Table
from benchmarks.store.home import Home

HERE = "this home"
COMMITTED = "tables/desk"


@dataclass(frozen=True)
class PlannedClaim:
    """A judged claim before a launch.

    Attributes:
        claim: which claim.
        effect: that the paper reports, in points, as far as it exceeds what the claim names.
        sd: of one seed's difference, in points.
        origin: of the sd: ``this home`` or ``tables/desk``.
        seeds: for 80 % power at the effect; None if no number of seeds gives it.
        seconds: that these seeds take on one device, all that is shared counted.
        remark: why a number is missing; empty if none is.
    """

    claim: ClaimSpec
    effect: float | None = None
    sd: float | None = None
    origin: str | None = None
    seeds: int | None = None
    seconds: float | None = None
    remark: str = ""


def planned_claims(
    plan: Plan, table: Table, home: Home, folder: Path, rates: Rates
) -> list[PlannedClaim]:
    """The judged claims of a table with the seeds that they need.

    The spread is that of the home's results, if all runs of the claim are there, or else of the
    committed results at desk scale. A test's level is that of the first step of Holm's adjustment:
    the family's level divided by its size, so that the seeds are enough whatever the others show.

    Args:
        plan: holds the table's runs.
        table: whose claims.
        home: may hold results.
        folder: checkout whose ``tables/desk`` holds the committed results.
        rates: how fast runs compute.
    """
    looked = judge.look(records(plan, table, home), table, plan.compares)
    path = folder / "tables" / "desk" / f"{table.name}.csv"
    committed = judge.look(pd.read_csv(path), table, plan.compares) if path.exists() else looked
    chosen = [
        (here, HERE) if isinstance(here, Finding) else (there, COMMITTED)
        for here, there in zip(looked, committed, strict=True)
    ]
    size = len(verdict.members([one for one, _ in chosen]))
    return [
        _planned(plan, table, rates, one, origin, size)
        for one, origin in chosen[: len(table.claims)]  # those after are the like with like
        if one.claim.untested is None
    ]


def _planned(
    plan: Plan,
    table: Table,
    rates: Rates,
    one: Finding | ClaimJudgement,
    origin: str,
    family_size: int,
) -> PlannedClaim:
    claim = one.claim
    if isinstance(one, ClaimJudgement):
        if one.verdict == "untested":
            return PlannedClaim(claim, remark=one.why)
        return PlannedClaim(claim, remark="no results to take the spread from")
    if not one.tests:
        return PlannedClaim(claim, origin=origin, remark="the paper reports no effect")
    hardest = min(one.tests, key=lambda test: test.effect / max(test.sd, SAME))
    planned = PlannedClaim(claim, hardest.effect, hardest.sd, origin)
    if hardest.effect <= 0:
        return replace(planned, remark="the paper's own numbers are not on the claim's side")
    seeds = verdict.seeds_for(one, family_size)
    if seeds is None:
        return replace(planned, remark="no number of seeds is enough")
    return replace(planned, seeds=seeds, seconds=_seconds(plan, table, claim, rates, seeds))


def _seconds(plan: Plan, table: Table, claim: ClaimSpec, rates: Rates, num_seeds: int) -> float:
    """What a claim's runs and the corpora that they read take with so many seeds."""
    rows: Sequence[str] = table.compared(claim)
    wanted = {
        cell.run
        for cell in plan.cells
        if cell.table is table and cell.column == claim.column and cell.row in rows
    }
    for run in reversed(list(plan.runs.values())):
        if run.id in wanted:
            wanted.update(run.upstream.values())
    runs = [run for run in plan.runs.values() if run.id in wanted]
    gflops = plan.scale.device.sustained_gflops
    of_seeds = sum(rates.seconds(run.resolved, run.work, gflops)[0] for run in runs)
    once = 0.0
    for corpus in {run.corpus.path: run.corpus for run in runs}.values():
        seconds = rates.preparation_seconds([corpus])[0] if corpus.to_prepare else 0.0
        if plan.corpora.follows_run(corpus.name):
            of_seeds += seconds
        else:
            once += seconds
    return of_seeds / len(plan.seeds[table.name]) * num_seeds + once

"""Of the rows of a table: what each was here, what it took, and what is left out."""

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.stage_functions import Stages
from benchmarks.render.row_facts import DescribedRow, Encodings, RowCost
from benchmarks.spec.table import Table
from benchmarks.store.home import Home


def facts(plan: Plan, table: Table, stages: Stages) -> tuple[DescribedRow, ...]:
    """What each row that runs was; nothing if all rows of the paper were the same but for names.

    Args:
        plan: holds the table's runs.
        table: the table.
        stages: describes a resolved pretraining.
    """
    all_facts = [_of_row(plan, table, row, stages) for row in _rows(plan, table)]
    kinds = {
        (f.system, f.encoders, f.samples, f.optimisation, f.encodings.in_step)
        for f in all_facts
        if f.row in table.rows
    }
    return tuple(all_facts) if len(kinds) > 1 else ()


def _of_row(plan: Plan, table: Table, row: str, stages: Stages) -> DescribedRow:
    """The facts of the first seed: of the last phase, with how all phases descend and encode."""
    phases = _phases(plan, table, row, plan.seeds[table.name][0])
    described = [stages.describe(run.resolved, run.corpus.counts) for run in phases]
    last, spec = described[-1], table.all_rows[row]
    known = [one.encodings for one in described]
    in_all = None if None in known else sum(known)
    return DescribedRow(
        row,
        ", ".join([spec.label, *spec.about.values()]),
        spec.block,
        last.system,
        tuple(last.encoders),
        tuple(last.samples),
        "; then ".join(dict.fromkeys(one.optimisation for one in described)),
        Encodings(last.clips_per_item, last.encodings_per_step, in_all),
    )


def costs(plan: Plan, table: Table, home: Home) -> Iterable[RowCost]:
    """What the pretrainings of each row took that are finished for a whole seed."""
    for row in _rows(plan, table):
        seeds = [_phases(plan, table, row, seed) for seed in plan.seeds[table.name]]
        hours = [known for phases in seeds if (known := _hours(phases, home)) is not None]
        if any(hours):
            label = ", ".join([table.all_rows[row].label, *table.all_rows[row].about.values()])
            yield RowCost(label, len(hours), statistics.fmean(hours))


def not_measured(table: Table) -> Iterable[str]:
    """Which cells the table leaves out, those with one reason in one sentence."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for row in table.all_rows.values():
        for column, why in row.not_measured.items():
            by_reason.setdefault((table.columns[column].label, why), []).append(row.label)
    for (column, why), rows in by_reason.items():
        yield f"{column} of {', '.join(rows)}: {why}"


def changes(plan: Plan, table: Table) -> Iterable[str]:
    """What the scale changes for the methods of the table's rows, each once."""
    used = dict.fromkeys(
        table.pretrain(name)["method"] for name, row in table.all_rows.items() if row.runs
    )
    for method in used:
        if method in plan.scale.methods:
            yield from plan.scale.methods[method].says


def _hours(phases: Sequence[Run], home: Home) -> float | None:
    """Device hours of all phases of a pretraining; None if one is not finished."""
    seconds = 0.0
    for run in phases:
        result = home.run(run.id).result() if run.damage is None else None
        if result is None:
            return None
        seconds += result["seconds"] * result.get("num_ranks", 1)
    return seconds / 3600


def _rows(plan: Plan, table: Table) -> list[str]:
    """The rows that run, in the table's order."""
    planned = {cell.row for cell in plan.cells if cell.table is table}
    return [row for row in table.all_rows if row in planned]


def _phases(plan: Plan, table: Table, row: str, seed: int) -> list[Run]:
    """The phases of the pretraining that the first column of a row rests on, in their order."""
    run = next(
        plan.runs[cell.run]
        for cell in plan.cells
        if cell.table is table and cell.row == row and cell.seed == seed
    )
    phases: dict[str, Run] = {}
    todo = [run]
    while todo:
        run = todo.pop()
        if run.stage == "pretrain":
            phases[run.id] = run
        todo += [plan.runs[name] for name in run.upstream.values()]
    return list(phases.values())[::-1]

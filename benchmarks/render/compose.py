"""From a judged table and its runs to the document that a reader sees."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.plan.corpora import by_name
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.stage_functions import Stages
from benchmarks.plan.variation import variations
from benchmarks.render import describe_rows, document, evidence, measurement, words
from benchmarks.render.claim import Claim, Tested
from benchmarks.render.document import Document
from benchmarks.render.write import Picture
from benchmarks.results import judge
from benchmarks.results.judge import Judged
from benchmarks.results.paper_check import paper_check
from benchmarks.results.records import per_seed
from benchmarks.results.verdict import ClaimJudgement
from benchmarks.spec.table import RowSpec, Table
from benchmarks.store.home import Home
from benchmarks.store.provenance import processors_of

CONFIDENCE = 0.95
"""Of the interval beside a cell's mean."""


def compose(
    plan: Plan,
    table: Table,
    others: Mapping[str, Table],
    frame: pd.DataFrame,
    judged: Judged,
    home: Home,
    stages: Stages,
) -> Document:
    """The document of a table.

    Args:
        plan: holds the table's runs.
        table: the table.
        others: tables of the paper by name, to check its numbers against each other.
        frame: the table's records.
        judged: the judgements on them.
        home: where the runs' results are.
        stages: describes what runs are.
    """
    runs = plan.of(table)
    processors = _processors(runs, home)
    return Document(
        name=table.name,
        heading=table.heading,
        title=table.title,
        section=table.paper.section,
        scale=plan.scale.scale,
        compares=plan.compares,
        compared=_compared(plan, table),
        changes=(*plan.scale.says, *describe_rows.changes(plan, table)),
        seeds=tuple(plan.seeds[table.name]),
        about=_about(table),
        axis=table.axis.label if table.axis is not None else None,
        columns=tuple(_column(table, name) for name in table.columns),
        rows=tuple(_rows(plan, table, frame, judged)),
        claims=tuple(_claim(table, judgement) for judgement in judged.claims),
        order=tuple(_order(table, check) for check in judged.order),
        measured=tuple(measurement.measured(plan, table, frame)),
        paper_check=_paper_check(table, others),
        data=tuple(evidence.data(runs, home)),
        costs=tuple(evidence.costs(runs, home)),
        cost_unit=plan.scale.device.unit,
        num_runs=len(runs),
        num_unshared=plan.num_unshared(table),
        provenance=tuple(evidence.provenance(plan, runs, frame, home)),
        other_code=tuple(evidence.other_code(frame)),
        curves=tuple(evidence.curves(plan, table, home)),
        damaged=tuple(evidence.damaged(runs)),
        part=table.part,
        claims_family=judged.claims_family,
        cells_family=judged.cells_family,
        covers=words.covers(variations(plan, table, processors)),
        processors=tuple(processors),
        plot=f"{table.name}.png",
        facts=describe_rows.facts(plan, table, stages),
        row_costs=tuple(describe_rows.costs(plan, table, home)),
        not_measured=tuple(describe_rows.not_measured(table)),
        figure=f"{table.name}_neighbours.png" if _figure_run(plan, table) else None,
    )


def _about(table: Table) -> tuple[str, ...]:
    """What describes the rows, in the order in which it first stands in the file."""
    return tuple(dict.fromkeys(key for row in table.all_rows.values() for key in row.about))


def _paper_check(table: Table, others: Mapping[str, Table]) -> tuple[str, ...]:
    """The paper's numbers against each other; of a part of a table they are not all there."""
    return tuple(paper_check(table, others)) if table.part is None else ()


def pictures(
    document: Document, plan: Plan, table: Table, home: Home, stages: Stages
) -> dict[str, Picture]:
    """The functions that make the pictures of a document except its plot, by file name.

    Args:
        document: the document.
        plan: the plan that it was composed from.
        table: the table that it describes.
        home: holds what the runs wrote.
        stages: reads what a ``neighbours`` run wrote.
    """
    corpora = by_name(run.corpus for run in plan.of(table))
    sheets = {f"{name}.png": same_name[0].sheet for name, same_name in corpora.items()}
    named = [data.sheet for data in document.data if data.sheet is not None]
    made: dict[str, Picture] = {name: sheets[name].read_bytes for name in named}
    run = _figure_run(plan, table)
    if document.figure is not None and run is not None:
        made[document.figure] = functools.partial(_neighbours, home.run(run).files, stages)
    return made


def _neighbours(files: Path, stages: Stages) -> bytes:
    from benchmarks.render import neighbours

    return neighbours.draw(stages.neighbours(files))


def _figure_run(plan: Plan, table: Table) -> str | None:
    """The finished run with the first seed that the table's figure is drawn from."""
    if table.figure is None:
        return None
    for cell in plan.cells:
        if cell.table is table and cell.row == table.figure.row:
            protocol = table.columns[cell.column].protocol
            if protocol == table.figure.protocol and plan.runs[cell.run].state == "done":
                return cell.run
    return None


def _processors(runs: Sequence[Run], home: Home) -> list[str]:
    """What the table's finished runs were computed on, each once."""
    attempts = [one for run in runs if run.state == "done" for one in home.run(run.id).attempts()]
    return sorted(processors_of(attempts))


def _compared(plan: Plan, table: Table) -> str:
    rest = "What can be compared are the claims and the controls."
    if plan.compares:
        bands = [f"{c.label} {c.tolerance:g}" for c in table.columns.values() if c.tolerance]
        if not bands:
            return "The paper gives no numbers to compare with."
        return (
            "A verdict compares the interval with the paper's number ± its tolerance"
            f" ({', '.join(bands)} points)."
        )
    if plan.scale.compares:
        strangers = " and ".join(c.name for c in plan.used_corpora() if c.stands_in)
        return f"Absolute numbers are not compared: other clips stood in for {strangers}. {rest}"
    return (
        "Absolute numbers are not compared at this scale: data, networks and training are smaller"
        f" than the paper's. {rest}"
    )


def _column(table: Table, name: str) -> document.Column:
    column = table.columns[name]
    reads = table.columns[column.reading_of].label if column.reading_of is not None else None
    reported = reads is not None or any(name in row.reported for row in table.rows.values())
    return document.Column(name, column.label, reads, column.tolerance, reported)


def _rows(plan: Plan, table: Table, frame: pd.DataFrame, judged: Judged) -> Iterable[document.Row]:
    """Per block the paper's rows, chance and the block's controls; then those of all blocks."""
    about = _about(table)
    for block in dict.fromkeys([*table.blocks, None]):
        rows = [name for name, row in table.rows.items() if row.block == block]
        controls = [name for name, row in table.controls.items() if row.block == block]
        for name in rows:
            yield _row(plan, table, frame, judged, name, block, about)
        measured = [*rows, *controls] if block in (table.blocks or [None]) else []
        chance = tuple(_chance(judged, column, measured) for column in table.columns)
        if any(cell.values for cell in chance):
            yield document.Row(
                "chance", "chance", "chance", block, _common(table, rows, about), None, None, chance
            )
        for name in controls:
            yield _row(plan, table, frame, judged, name, block, about)


def _common(table: Table, rows: Sequence[str], about: Sequence[str]) -> tuple[str, ...]:
    """What describes all rows alike; empty where they differ."""
    values = [{table.all_rows[row].about.get(key, "") for row in rows} for key in about]
    return tuple(value.pop() if len(value) == 1 else "" for value in values)


def _chance(judged: Judged, column: str, rows: Sequence[str]) -> document.Cell:
    known = [judged.chance[row, column] for row in rows if (row, column) in judged.chance]
    return document.Cell("chance", values=(min(known), max(known)) if known else ())


def _row(
    plan: Plan,
    table: Table,
    frame: pd.DataFrame,
    judged: Judged,
    name: str,
    block: str | None,
    about: Sequence[str],
) -> document.Row:
    row = table.all_rows[name]
    cells = tuple(_cell(table, frame, judged, name, row, column) for column in table.columns)
    return document.Row(
        name,
        row.label,
        "control" if name in table.controls else "paper",
        block,
        tuple(row.about.get(key, "") for key in about),
        _at(plan, table, name),
        row.unavailable,
        cells,
    )


def _at(plan: Plan, table: Table, row: str) -> tuple[int, int] | None:
    """The axis setting of a row in the paper and at this scale."""
    if table.axis is None or row not in table.rows:
        return None
    value = table.pretrain(row).get(table.axis.setting)
    if not isinstance(value, int):
        return None
    return value, plan.scale.replace.get(table.axis.setting, {}).get(value, value)


def _cell(
    table: Table, frame: pd.DataFrame, judged: Judged, name: str, row: RowSpec, column: str
) -> document.Cell:
    read = table.columns[column].reading_of
    paper, bold = row.reported.get(read or column), column in row.bold
    judgement = judged.cells.get((name, column))
    if judgement is None:
        verdict = "cited" if row.cited else "cannot run" if row.unavailable else "not applicable"
        return document.Cell(verdict, paper if read is None else None, bold)
    summary = judgement.summary
    cell = document.Cell(
        judgement.verdict,
        paper,
        bold,
        tuple(per_seed(frame, name, column).values()) if summary is not None else (),
        float(summary.mean) if summary is not None else None,
        None if summary is None or summary.num_seeds == 1 else summary.half_width(CONFIDENCE),
        judgement.delta,
        judgement.seeds_for_power,
    )
    if not table.columns[column].beside_chance:
        return cell
    return dataclasses.replace(cell, chance=judged.chance.get((name, column)))


def _claim(table: Table, judgement: ClaimJudgement) -> Claim:
    claim = judgement.claim
    return Claim(
        claim.says,
        claim.where,
        table.columns[claim.column].label if claim.column is not None else None,
        judgement.verdict,
        judgement.why,
        _tested(judgement),
        judgement.is_exploratory,
        _claim(table, judgement.beside) if judgement.beside is not None else None,
    )


def _tested(judgement: ClaimJudgement) -> Tested | None:
    if judgement.comparison is None or judgement.p is None or judgement.adjusted is None:
        return None
    return Tested(judgement.comparison, judgement.p, judgement.adjusted, judgement.seeds_for_power)


def _order(table: Table, check: judge.OrderCheck) -> document.Order:
    steps = []
    for name, values in check.steps.items():
        label = {"rows": "the paper's rows"}.get(name, name)
        if name not in ("chance", "rows"):
            label = table.all_rows[table.step(name, check.block)[0]].label
        low, high = (min(values), max(values)) if values else (None, None)
        steps.append(document.Step(label, low, high))
    return document.Order(table.columns[check.column].label, check.block, tuple(steps), check.holds)

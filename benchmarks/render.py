"""A judged table as Markdown, CSV and a plot. Equal inputs give equal bytes: no clock, no paths."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmarks import verdict
from benchmarks.collect import Judged
from benchmarks.paper_check import paper_check
from benchmarks.plan import Plan, Run
from benchmarks.spec import Row, Table
from benchmarks.store import Home, write_bytes, write_text

NONE = "–"


def _percent(value: float | None) -> str:
    return NONE if value is None or math.isnan(value) else f"{value:.1f}"


def _reproduced(summary: verdict.Summary | None) -> str:
    if summary is None:
        return NONE
    if math.isnan(summary.half_width):
        return f"{summary.mean:.1f} (one seed)"
    return f"{summary.mean:.1f} ± {summary.half_width:.1f}"


def _grid(rows: Sequence[Sequence[str]], headers: Sequence[str], left: int = 1) -> str:
    align = ["left"] * left + ["right"] * (len(headers) - left)
    return tabulate(rows, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def main_table(plan: Plan, table: Table, judged: Judged) -> str:
    """The paper's rows, then the controls: reported, reproduced, difference and verdict."""
    headers = [table.axis.label if table.axis else "row"]
    for column in table.columns.values():
        headers += [f"{column.label}: paper", "here"]
        headers += ["difference", "verdict"] if plan.compares else []
    lines = []
    if judged.chance:
        line = ["*chance*"]
        for name in table.columns:
            line += [NONE, _percent(judged.chance.get(name))]
            line += [NONE, NONE] if plan.compares else []
        lines.append(line)
    for name, row in [*table.rows.items(), *table.controls.items()]:
        lines.append(_table_row(plan, table, judged, name, row))
    order = [line for line in lines if not line[0].startswith("*")]
    return _grid(order + [line for line in lines if line[0].startswith("*")], headers)


def _table_row(plan: Plan, table: Table, judged: Judged, name: str, row: Row) -> list[str]:
    control = name in table.controls
    line = [f"*{row.label}*" if control else row.label + _here(plan, table, name)]
    for column in table.columns:
        reported = _percent(row.reported.get(column))
        line.append(f"**{reported}**" if column in row.bold else reported)
        cell = judged.cells.get((name, column))
        if cell is None:
            line += ["cited" if row.cited else "cannot run"]
            line += [NONE, NONE] if plan.compares else []
            continue
        here = _reproduced(cell.summary)
        mark = cell.verdict if cell.verdict in ("incomplete", "failed", "stale") else ""
        if plan.compares:
            needed = f" ({cell.seeds_needed} seeds would settle)" if cell.seeds_needed else ""
            delta = NONE if cell.delta is None else f"{cell.delta:+.1f}"
            line += [here, delta, cell.verdict + needed]
        else:
            line.append(f"{here} ({mark})" if mark else here)
    return line


def _here(plan: Plan, table: Table, row: str) -> str:
    """What stands for a row's value at this scale, if another does."""
    if table.axis is None:
        return ""
    setting = table.axis.setting
    paper = table.pretrain(row).get(setting)
    ours = plan.scale.replace.get(setting, {}).get(paper) if isinstance(paper, int) else None
    return f" (here {ours})" if ours is not None else ""


def protocols(plan: Plan, table: Table, frame: pd.DataFrame) -> list[str]:
    """How each column is measured: clips, fold, level, selection, items evaluated."""
    lines = []
    for name, column in table.columns.items():
        run = plan.runs[next(c.run for c in plan.cells if c.table is table and c.column == name)]
        source: Run = run if "num_clips" in run.resolved else plan.runs[run.upstream["features"]]
        clip = source.resolved["clip"]
        crops = run.resolved.get("num_crops", 1)
        part = frame[frame["column"] == name]
        folds = ", ".join(str(fold) for fold in column.folds)
        lines.append(
            f"**{column.label}**: {column.metric} in percent per video of {column.corpus}, fold"
            f" {folds}; mean over {source.resolved['num_clips']} evenly spaced clips"
            f" x {crops} {'crop' if crops == 1 else 'crops'} of {clip['num_frames']} frames,"
            f" {clip['size']} x {clip['size']}, {clip['fps']:g} fps; {_evaluated(part)};"
            f" {_selection(part)}."
        )
    return lines


def _evaluated(part: pd.DataFrame) -> str:
    known = part.dropna(subset=["num_evaluated"])
    pairs = sorted(set(zip(known["num_evaluated"], known["num_expected"], strict=True)))
    text = " or ".join(f"{int(a):,} of {int(b):,}" for a, b in pairs)
    return f"{text} test videos evaluated" if text else "not evaluated yet"


def _selection(part: pd.DataFrame) -> str:
    rules = sorted(set(part["selection"].dropna()))
    if rules == ["last"]:
        return "the last state is the one reported"
    return f"selection: {', '.join(rules)}" if rules else "no selection yet"


def claims(judged: Judged, table: Table) -> str:
    """The paper's statements and what the reproduced numbers say to them."""
    lines = []
    for item in judged.claims:
        column = table.columns[item.claim.column].label if item.claim.column else NONE
        needed = str(item.seeds_needed) if item.seeds_needed else NONE
        lines.append([item.claim.says, item.claim.where, column, item.verdict, item.why, needed])
    headers = ["the paper says", "where", "column", "verdict", "because", "seeds to settle"]
    return _grid(lines, headers, left=5)


def order(judged: Judged, table: Table) -> list[str]:
    """Whether the yardstick is in order: each step above the one before."""
    lines = []
    for check in judged.order:
        steps = []
        for name, values in check.steps.items():
            label = "the paper's rows" if name == "rows" else name.replace("_", " ")
            ends = sorted({_percent(min(values)), _percent(max(values))}) if values else [NONE]
            steps.append(f"{label} {' to '.join(ends)}")
        word = {True: "in order", False: "**not in order**", None: "incomplete"}[check.holds]
        lines.append(f"{table.columns[check.column].label}: {' < '.join(steps)}: {word}.")
    return lines


def cost_table(plan: Plan, table: Table, home: Home) -> str:
    """What the shown runs cost, by stage."""
    wanted = {c.run for c in plan.cells if c.table is table}
    for run in reversed(list(plan.runs.values())):
        if run.id in wanted:
            wanted.update(run.upstream.values())
    lines, totals = [], [0, 0.0]
    for stage in dict.fromkeys(run.stage for run in plan.runs.values()):
        runs = [r for r in plan.runs.values() if r.id in wanted and r.stage == stage]
        results = [result for r in runs if (result := home.result(r.id))]
        seconds = sum(result["seconds"] for result in results)
        rates = [r["clips_per_second"] for r in results if r.get("clips_per_second")]
        peak = max((r.get("peak_memory_bytes", 0) for r in results), default=0)
        attempts = sum(len(home.attempts(r.id)) for r in runs)
        rate = f"{sorted(rates)[len(rates) // 2]:,.0f}" if rates else NONE
        memory = f"{peak / 2**30:.1f}" if peak else NONE
        totals = [totals[0] + len(results), totals[1] + seconds]
        done = f"{len(results)} of {len(runs)}"
        lines.append([stage, done, str(attempts), f"{seconds / 3600:.2f}", rate, memory])
    lines.append(["all", str(totals[0]), "", f"{totals[1] / 3600:.2f}", "", ""])
    unit = plan.scale.device.unit
    headers = ["stage", "runs", "attempts", f"{unit} hours", "clips per second", "peak GiB"]
    return _grid(lines, headers)


def provenance(plan: Plan, frame: pd.DataFrame, home: Home) -> list[str]:
    """What made the shown numbers; several values mean that runs differ."""
    shown = [i for i in plan.runs if home.result(i)] + sorted(
        set(frame[frame["status"] == "stale"]["run"])
    )
    last = [attempts[-1] for i in shown if (attempts := home.attempts(i))]
    if not last:
        return ["no run has finished."]

    def every(key: str) -> str:
        return ", ".join(sorted({str(attempt[key]) for attempt in last}))

    commit = every("commit")
    packages = sorted({f"{k} {v}" for a in last for k, v in a["packages"].items()})
    return [
        f"commit {commit}" + (" (+: with uncommitted changes)" if "+" in commit else ""),
        f"processor {every('processor')}, {every('cores')} cores, {every('threads')} thread(s) per"
        f" run; GPU {every('gpu')}",
        f"precision {plan.precision}; Python {every('python')}; {', '.join(packages)}",
        f"seeds {', '.join(str(s) for s in sorted(set(frame['seed'])))}; every line of the CSV"
        " names its run",
    ]


def footnotes(frame: pd.DataFrame) -> list[str]:
    """Results that the present code did not make."""
    notes = []
    for status, text in (
        (
            "stale",
            "was made by other code than this checkout's and stands in until it is run again",
        ),
        ("accepted", "was made by other code than this checkout's; a person accepted it by name"),
    ):
        for run in sorted(set(frame[frame["status"] == status]["run"])):
            notes.append(f"`{run}` {text}.")
    return notes


def markdown(plan: Plan, table: Table, frame: pd.DataFrame, judged: Judged, home: Home) -> str:
    """The whole document."""
    seeds = len(plan.seeds[table.name])
    strangers = [c.name for c in plan.used_corpora() if c.stands_in]
    compared = (
        f"A verdict compares the interval with the paper's number ± its tolerance"
        f" ({', '.join(f'{c.label} {c.tolerance:g}' for c in table.columns.values())} points)."
        if plan.compares
        else f"**Absolute numbers are not compared**: other clips stood in for"
        f" {' and '.join(strangers)}. What can be compared are the claims and the controls below."
        if plan.scale.compares
        else "**Absolute numbers are not compared at this scale**: data, networks and training are"
        " smaller than the paper's. What can be compared are the claims and the controls below."
    )
    sections: list[tuple[str, str]] = [
        ("What this scale changes", _list(plan.scale.says)),
        ("How each column is measured", _list(protocols(plan, table, frame))),
        ("Claims", claims(judged, table) if judged.claims else ""),
        ("Controls", _list(order(judged, table))),
        ("The paper against itself", _list(paper_check(table, {}))),
        ("Data", _list([_corpus(c) for c in plan.used_corpora()])),
        ("Cost", cost_table(plan, table, home)),
        ("Provenance", _list(provenance(plan, frame, home))),
        ("Results of other code", _list(footnotes(frame))),
    ]
    parts = [
        f"# Table {table.numeral}: {table.title} (scale: {plan.scale.scale})",
        f"Section {table.paper.section} of the paper. Percent; *here* is the mean over"
        f" {seeds} seed{'s' if seeds > 1 else ''} ± half the 95 % t interval; bold as in the paper;"
        f" rows in italics are controls. {compared}",
        main_table(plan, table, judged),
        *(
            [f"![Every column against {table.axis.label}](table{table.table}.png)"]
            if table.axis
            else []
        ),
        *(f"## {title}\n\n{text}" for title, text in sections if text),
    ]
    unavailable = [f"{r.label}: {r.unavailable}" for r in table.rows.values() if r.unavailable]
    if unavailable:
        parts.insert(3, _list(unavailable))
    return "\n\n".join(parts) + "\n"


def _corpus(corpus: Any) -> str:
    short = f"; manifest {corpus.hash[:12]}" if corpus.header else ""
    sheet = f"; [two of every class]({corpus.name}.png)" if corpus.sheet.exists() else ""
    return f"{corpus.summary}{short}{sheet}."


def write(
    plan: Plan, table: Table, frame: pd.DataFrame, judged: Judged, home: Home, out: Path
) -> list[Path]:
    """Write ``<table>.md``, ``.csv`` and, for a table with an axis, ``.png`` into ``out``.

    The contact sheets of generated corpora go beside them.
    """
    files = [out / f"{table.name}.md", out / f"{table.name}.csv"]
    write_text(files[0], markdown(plan, table, frame, judged, home))
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, float_format="%.6f", lineterminator="\n")
    write_text(files[1], buffer.getvalue())
    if table.axis is not None:
        from benchmarks import plot

        files.append(out / f"{table.name}.png")
        plot.save(plan, table, judged, files[2])
    for corpus in plan.used_corpora():
        if corpus.sheet.exists():
            files.append(out / f"{corpus.name}.png")
            write_bytes(files[-1], corpus.sheet.read_bytes())
    return files

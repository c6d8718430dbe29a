"""A document as Markdown, and all files of a table. Equal inputs give equal bytes."""

import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from benchmarks import document, escape
from benchmarks.document import Cell, Document, Row
from benchmarks.files import write_bytes, write_text

Picture = Callable[[], bytes]
"""Makes the content of a picture's file."""

NONE = "–"
ARROW = " → "
CELL = "the paper's value, an arrow, and the one reproduced here"


def percent(value: float | None) -> str:
    """One digit, or a dash."""
    return NONE if value is None else f"{value:.1f}"


def interval(cell: Cell) -> str:
    """A reproduced value with half its interval; chance with its range over the rows."""
    if cell.verdict == "chance":
        return " to ".join(dict.fromkeys(percent(value) for value in cell.values)) or NONE
    if cell.mean is None:
        return NONE
    if cell.half_width is None:
        return f"{cell.mean:.1f} (one seed)"
    return f"{cell.mean:.1f} ± {cell.half_width:.1f}"


def remark(cell: Cell, compares: bool) -> str:
    """What must be said beside a reproduced value, or nothing."""
    if cell.verdict in ("incomplete", "failed", "damaged", "stale"):
        return cell.verdict
    if not compares or cell.delta is None:
        return ""
    needed = f", {cell.seeds_needed} seeds would settle" if cell.seeds_needed else ""
    return f"{cell.delta:+.1f}, {cell.verdict}{needed}"


def block_name(block: str | None) -> str:
    """A block as a reader is told of it."""
    return "all blocks" if block is None else block.replace("_", " ")


def _grid(rows: Sequence[Sequence[str]], headers: Sequence[str], left: int = 1) -> str:
    align = ["left"] * left + ["right"] * (len(headers) - left)
    cells = [[escape.cell(text) for text in row] for row in [headers, *rows]]
    return tabulate(
        cells[1:], headers=cells[0], tablefmt="pipe", colalign=align, disable_numparse=True
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def main_table(shown: Document) -> str:
    """Rows by block; in each cell the paper's value, an arrow, and the one reproduced here."""
    headers = [shown.axis or "row", *shown.about]
    headers += [column.label for column in shown.columns]
    headers = [escape.inline(header) for header in headers]
    lines = []
    for block in shown.blocks:
        if shown.block_headings:
            lines.append([f"**{escape.inline(block_name(block))}**", *[""] * (len(headers) - 1)])
        for row in shown.rows:
            if row.block == block:
                lines.append(_line(shown, row))
    return _grid(lines, headers, left=1 + len(shown.about))


def _line(shown: Document, row: Row) -> list[str]:
    here = f" (here {row.at[1]})" if row.at is not None and row.at[0] != row.at[1] else ""
    label = escape.inline(row.label)
    label = label + here if row.kind == "paper" else f"*{label}*"
    cells = [
        _cell(cell, column, shown.compares)
        for cell, column in zip(row.cells, shown.columns, strict=True)
    ]
    return [label, *map(escape.inline, row.about), *cells]


def _cell(cell: Cell, column: document.Column, compares: bool) -> str:
    paper = percent(cell.paper)
    paper = f"**{paper}**" if cell.bold else f"({paper})" if column.reads is not None else paper
    if cell.verdict in ("cited", "cannot run"):
        return f"{paper} {cell.verdict}" if cell.paper is not None else NONE
    if cell.verdict == "not applicable":
        return cell.verdict if cell.paper is None else f"{paper}{ARROW}{cell.verdict}"
    note = remark(cell, compares)
    here = f"{interval(cell)} ({note})" if note else interval(cell)
    return here if cell.paper is None else f"{paper}{ARROW}{here}"


def claims(shown: Document) -> str:
    """The paper's statements and what the reproduced numbers say to them."""
    lines = [
        [
            escape.inline(claim.says),
            escape.inline(claim.where),
            escape.inline(claim.column or NONE),
            claim.verdict,
            escape.inline(claim.why),
            str(claim.seeds_needed or NONE),
        ]
        for claim in shown.claims
    ]
    headers = ["the paper says", "where", "column", "verdict", "because", "seeds to settle"]
    return _grid(lines, headers, left=5)


def order(shown: Document) -> list[str]:
    """Whether the yardstick is in order: each step above the one before."""
    lines = []
    for check in shown.order:
        steps = [f"{escape.inline(s.label)} {_range(s.low, s.high)}" for s in check.steps]
        name = escape.line(check.column)
        if check.block is not None:
            name += f" ({escape.inline(block_name(check.block))})"
        lines.append(f"{name}: {' < '.join(steps)}: {in_order(check.holds)}.")
    return lines


def _range(low: float | None, high: float | None) -> str:
    return " to ".join(dict.fromkeys([percent(low), percent(high)]))


def in_order(holds: bool | None) -> str:
    """The verdict on an order, in words."""
    return {True: "in order", False: "not in order", None: "incomplete"}[holds]


def costs(shown: Document) -> str:
    """What the finished runs cost, by stage."""
    lines = [
        [
            escape.inline(cost.stage),
            f"{cost.num_done} of {cost.num_runs}",
            str(cost.num_attempts),
            f"{cost.hours:.2f}",
            NONE if cost.clips_per_second is None else f"{cost.clips_per_second:,.0f}",
            percent(cost.peak_gib),
            escape.inline("; ".join(cost.where) or NONE),
        ]
        for cost in shown.costs
    ]
    done, hours = sum(c.num_done for c in shown.costs), sum(c.hours for c in shown.costs)
    lines.append(["all", f"{done} of {shown.num_runs}", "", f"{hours:.2f}", "", "", ""])
    unit = f"{escape.inline(shown.cost_unit)} hours"
    headers = ["stage", "runs", "attempts", unit, "clips per second", "peak GiB", "where"]
    return _grid(lines, headers)


def sharing(shown: Document) -> str:
    """What sharing equal runs saves."""
    return f"{shown.num_runs:,} runs needed, {shown.num_unshared:,} without sharing equal ones."


def legend(shown: Document, cell: str) -> list[str]:
    """How to read the table, in plain sentences; ``cell`` says what a cell holds."""
    num_seeds = len(shown.seeds)
    spread = f"mean over {num_seeds} seeds ± half the 95 % t interval"
    if num_seeds == 1:
        spread = "value of the only seed"
    reported = any(column.reported for column in shown.columns)
    sentences = [
        "Percent.",
        f"A cell holds {cell}:" if reported else "",
        f"{'the' if reported else 'The'} {spread}.",
        "Bold as in the paper." if reported else "",
        "In parentheses: the paper's value, read in another way."
        if any(column.reads is not None for column in shown.columns)
        else "",
        "Cited: reported by others, nobody here runs it."
        if any(cell.verdict == "cited" for row in shown.rows for cell in row.cells)
        else "",
        "Rows in italics are chance and controls.",
    ]
    return [sentence for sentence in sentences if sentence]


def markdown(shown: Document) -> str:
    """The whole document."""
    measured = [
        f"**{escape.inline('; '.join(m.columns))}**: {escape.inline(m.says)}."
        for m in shown.measured
    ]
    data = [
        escape.line(d.says) + (f"; [two of every class]({d.sheet})." if d.sheet else ".")
        for d in shown.data
    ]
    damaged = [f"{escape.code(d.run)}: {escape.inline(d.says)}." for d in shown.damaged]
    other_code = [f"{escape.code(o.run)} {escape.inline(o.says)}." for o in shown.other_code]
    sections: list[tuple[str, str]] = [
        ("What this scale changes", _list(map(escape.line, shown.changes))),
        ("How each column is measured", _list(measured)),
        ("Claims", claims(shown) if shown.claims else ""),
        ("Controls", _list(order(shown))),
        ("The paper against itself", _list(map(escape.line, shown.paper_check))),
        ("Data", _list(data)),
        ("Cost", f"{sharing(shown)} [What they took]({shown.name}.cost.md)."),
        ("Provenance", _list(map(escape.line, shown.provenance))),
        ("Damaged runs", _list(damaged)),
        ("Results of other code", _list(other_code)),
    ]
    unavailable = [
        escape.line(f"{row.full_label}: {row.note}") for row in shown.rows if row.note is not None
    ]
    heading, title = escape.inline(shown.heading), escape.inline(shown.title)
    plot = f"![Every column of {heading}]({shown.plot})"
    figure = f"![Neighbours of some items in both modalities]({shown.figure})"
    parts = [
        f"# {heading}: {title} (scale: {escape.inline(shown.scale)})",
        f"Section {escape.inline(shown.section)} of the paper. {' '.join(legend(shown, CELL))}"
        f" **{escape.inline(shown.compared)}**",
        main_table(shown),
        *([_list(unavailable)] if unavailable else []),
        *([plot] if shown.plot is not None else []),
        *([figure] if shown.figure is not None else []),
        *(f"## {title}\n\n{text}" for title, text in sections if text),
    ]
    return "\n\n".join(parts) + "\n"


def cost_markdown(shown: Document) -> str:
    """What differs from launch to launch though the results are equal: time, memory, place."""
    scale = escape.inline(shown.scale)
    return f"# {escape.inline(shown.heading)}: cost (scale: {scale})\n\n{costs(shown)}\n"


def write(
    shown: Document, frame: pd.DataFrame, pictures: Mapping[str, Picture], out: Path
) -> list[Path]:
    """Write ``<name>.md``, ``.cost.md``, ``.csv``, ``.json``, plot and pictures into ``out``.

    A picture that cannot be made is named on standard error and left out of the document.

    Args:
        shown: the document.
        frame: the records behind it, from :func:`benchmarks.collect.records`.
        pictures: from :func:`benchmarks.compose.pictures`, by file name.
        out: a folder.
    """
    if shown.plot is not None:
        pictures = {shown.plot: lambda: _plot(shown), **pictures}
    images = [name for name, make in pictures.items() if _is_drawn(out / name, make)]
    shown = document.without(shown, pictures.keys() - images)
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, float_format="%.6f", lineterminator="\n")
    texts = {
        "md": markdown(shown),
        "cost.md": cost_markdown(shown),
        "csv": buffer.getvalue().encode(errors="backslashreplace").decode(),
        "json": document.to_json(shown),
    }
    for ending, text in texts.items():
        write_text(out / f"{shown.name}.{ending}", text)
    return [out / f"{shown.name}.{ending}" for ending in texts] + [out / name for name in images]


def _plot(shown: Document) -> bytes:
    from benchmarks import plot

    return plot.draw(shown)


def _is_drawn(path: Path, make: Picture) -> bool:
    """Make and write one picture; whether that went well. If not, an older one is removed.

    Raises:
        OSError: if it cannot be written; then the older one stays.
    """
    try:
        picture = make()
    except Exception as problem:
        words = escape.one_line(f"{type(problem).__name__}: {problem}")
        print(f"no picture {path.name}: {words[:200]}", file=sys.stderr)
        path.unlink(missing_ok=True)
        return False
    write_bytes(path, picture)
    return True

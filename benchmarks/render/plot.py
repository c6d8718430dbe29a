"""The plot of a table: values with intervals and single seeds, from its document alone."""

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.render.document import Cell, Curve, Document, Row
from benchmarks.render.words import block_name

# Okabe and Ito's palette: told apart by people who see colours differently, and in print.
OURS, CONTROL, CHANCE, PAPER = "#0072B2", "#D55E00", "0.45", "0.2"
LEVELS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "iicl-bench",
}
PANELS_PER_LINE = 4
DPI = 120


def draw(document: Document) -> bytes:
    """The plot as a PNG; equal documents give equal bytes.

    A table with an axis is drawn over it, with the paper's curve below on an axis of its own.
    Any other table is a panel per column with a line per row, in the table's order.
    """
    with mpl.rc_context(STYLE):
        figure = _curves(document) if document.axis is not None else _dots(document)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    return picture.getvalue()


def _dots(document: Document) -> Figure:
    rows = [row for row in document.rows if any(cell.values for cell in row.cells)]
    lines = [row for row in rows if row.kind != "chance"]
    # A column without any value here has no panel; the table says why.
    drawn = [
        i
        for i in range(len(document.columns))
        if any(row.cells[i].mean is not None for row in lines)
    ]
    columns = max(1, len(drawn))
    deep = math.ceil(columns / PANELS_PER_LINE)
    wide = math.ceil(columns / deep)
    blocks = list(dict.fromkeys(row.block for row in lines))
    height = 0.6 + 0.24 * (len(lines) + len(blocks))
    figure = Figure(figsize=(2.1 * wide + 1.8, height * deep + 0.5), layout="constrained")
    grid = figure.subplots(deep, wide, squeeze=False, sharey=True)
    for i, axes in enumerate(grid.flat):
        if i < len(drawn):
            _panel(axes, document, drawn[i], rows, lines)
        else:
            axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylim(len(lines) + len(blocks) - 1.4, -0.6)
    figure.legend(handles=_legend(document), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _legend(document: Document) -> list[Line2D]:
    kinds = {row.kind for row in document.rows}
    handles = [Line2D([], [], color=OURS, marker="o", label="mean and 95 % interval")]
    if "control" in kinds:
        handles.append(Line2D([], [], color=CONTROL, marker="o", label="control"))
    handles.append(Line2D([], [], color="0.5", marker=".", linestyle="", label="single seed"))
    if "chance" in kinds:
        handles.append(Line2D([], [], color=CHANCE, linestyle=":", label="chance"))
    if document.compares:
        handles.append(Line2D([], [], color=PAPER, marker="D", linestyle="", label="the paper"))
    return handles


def _panel(
    axes: Axes, document: Document, index: int, rows: Sequence[Row], lines: Sequence[Row]
) -> None:
    blocks = list(dict.fromkeys(row.block for row in lines))
    place = {id(row): n + blocks.index(row.block) for n, row in enumerate(lines)}
    for row in lines:
        cell, y = row.cells[index], place[id(row)]
        if cell.mean is None:
            continue
        colour = CONTROL if row.kind == "control" else OURS
        axes.errorbar([cell.mean], [y], xerr=[_half(cell)], fmt="o", color=colour, capsize=3)
        axes.plot(cell.values, [y + 0.25] * len(cell.values), ".", color="0.5", markersize=4)
        if document.compares and cell.paper is not None:
            axes.plot([cell.paper], [y], "D", color=PAPER, markersize=4, zorder=3)
    for row in rows:
        values = row.cells[index].values
        within = [place[id(line)] for line in lines if line.block == row.block]
        if row.kind == "chance" and values and within:
            ends = (min(within) - 0.4, max(within) + 0.4)
            axes.fill_betweenx(ends, values[0], values[1], color=CHANCE, alpha=0.3, linewidth=0)
            axes.plot([sum(values) / 2] * 2, ends, ":", color=CHANCE)
    for block in blocks[1:]:
        first = min(place[id(row)] for row in lines if row.block == block)
        axes.axhline(first - 1, color="0.8", linewidth=0.8)
    axes.set_yticks(list(place.values()), [name(row, lines) for row in lines])
    axes.set_title(document.columns[index].label)
    axes.set_xlabel("%")
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)


def name(row: Row, lines: Sequence[Row]) -> str:
    """The row's label; with the rest of its description if another row has the same label."""
    alike = [line for line in lines if line.label == row.label and line.block == row.block]
    label = row.label if len(alike) == 1 else row.full_label
    return label if row.block is None else f"{label} ({block_name(row.block)})"


def _curves(document: Document) -> Figure:
    rows = [row for row in document.rows if row.at is not None]
    figure = Figure(figsize=(3.0 * len(document.columns) + 0.6, 4.8), layout="constrained")
    grid = figure.subplots(2, len(document.columns), squeeze=False)
    for i, column in enumerate(document.columns):
        above, below = grid[0][i], grid[1][i]
        _draw_here(above, document, i, rows)
        above.set_title(column.label)
        known = [(row.at[0], p) for row in rows if row.at and (p := row.cells[i].paper) is not None]
        below.plot([x for x, _ in known], [p for _, p in known], "o--", color=PAPER)
        for axes, which in ((above, 1), (below, 0)):
            ticks = [row.at[which] for row in rows if row.at is not None]
            axes.set_xscale("log")
            axes.set_xticks(ticks, [str(x) for x in ticks])
            axes.minorticks_off()
        below.set_xlabel(document.axis)
    grid[0][0].set_ylabel(f"reproduced, scale {document.scale} (%)")
    grid[1][0].set_ylabel("reported by the paper (%)")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_here(axes: Axes, document: Document, index: int, rows: Sequence[Row]) -> None:
    points = [(row.at[1], row.cells[index]) for row in rows if row.at is not None]
    points = [(x, cell) for x, cell in points if cell.mean is not None]
    if points:
        xs = [x for x, _ in points]
        means = [cell.mean for _, cell in points if cell.mean is not None]
        halves = [_half(cell) for _, cell in points]
        axes.errorbar(xs, means, halves, fmt="o-", color=OURS, capsize=3,
                      label="mean and 95 % interval")  # fmt: skip
        for x, cell in points:
            axes.plot([x] * len(cell.values), cell.values, ".", color="0.5", zorder=3, markersize=4)
    colours = iter(LEVELS * len(document.rows))
    for row in document.rows:
        cell = row.cells[index]
        if row.kind == "chance" and cell.values:
            level = sum(cell.values) / 2
            axes.axhline(level, color=CHANCE, linestyle=":", label=_legend_label(row.label))
        elif row.kind == "control" and cell.mean is not None:
            label = _legend_label(row.label)
            axes.axhline(cell.mean, color=next(colours), linewidth=1, label=label)


def _legend_label(label: str) -> str:
    """The label as a legend shows it; matplotlib leaves out those that begin with an underline."""
    return f" {label}" if label.startswith("_") else label


def _half(cell: Cell) -> float:
    return cell.half_width or 0.0


def training(curve: Curve) -> bytes:
    """One training curve as an SVG; equal curves give equal bytes."""
    with mpl.rc_context({**STYLE, "font.size": 7}):
        figure = Figure(figsize=(3.2, 2.2), layout="constrained")
        axes = figure.subplots()
        for name, values in curve.terms.items():
            width = 1.6 if name == "total" else 0.9
            colour = "black" if name == "total" else None
            axes.plot(curve.steps, values, linewidth=width, color=colour,
                      label=name.replace("_", " "))  # fmt: skip
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False, fontsize=6)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    return picture.getvalue()

"""The picture of methods on one encoder, beside the same methods as another table has them."""

import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.render.document import Cell, Document, Row
from benchmarks.render.plot import CONTROL, OURS, STYLE

OTHER = "#009E73"


def draw(document: Document, other: Document) -> bytes | None:
    """The picture as an SVG; equal documents give equal bytes.

    A panel per column that both documents have, a line per row. Rows are the same method if their
    facts name the same system; of several such rows of ``other`` it is the first.

    Args:
        document: its rows are drawn.
        other: has some of its columns.

    Returns:
        None if no row has a value in both.
    """
    rows = [row for row in document.rows if any(row.name == facts.row for facts in document.facts)]
    pairs = matched(document, other)
    if not any(row.cells[i].mean is not None for row in rows for i in pairs):
        return None
    with mpl.rc_context(STYLE):
        size = (3.2 * len(pairs) + 1.2, 0.3 * len(rows) + 1.2)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(1, len(pairs), squeeze=False, sharey=True)
        for axes, (i, cells) in zip(grid[0], pairs.items(), strict=True):
            _panel(axes, rows, i, cells)
            axes.set_title(document.columns[i].label)
        grid[0][0].set_yticks(range(len(rows)), [row.label for row in rows])
        grid[0][0].set_ylim(len(rows) - 0.4, -0.6)
        handles = [
            Line2D([], [], color=OURS, marker="o", label=f"{document.heading}: one encoder"),
            Line2D([], [], color=CONTROL, marker="o", label=f"{document.heading}: control"),
            Line2D([], [], color=OTHER, marker="s", linestyle="", label=other.heading),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    return picture.getvalue()


def matched(document: Document, other: Document) -> dict[int, dict[str, Cell]]:
    """The place of a column -> name of a row -> the cell of the same method in ``other``.

    Columns of which ``other`` has no value at all are left out.
    """
    elsewhere = {facts.system: facts.row for facts in reversed(other.facts)}
    rows = {row.name: row for row in other.rows}
    places = {column.name: i for i, column in enumerate(other.columns)}
    pairs: dict[int, dict[str, Cell]] = {}
    for i, column in enumerate(document.columns):
        if column.name not in places:
            continue
        cells = {
            facts.row: rows[elsewhere[facts.system]].cells[places[column.name]]
            for facts in document.facts
            if facts.system in elsewhere
        }
        if any(cell.mean is not None for cell in cells.values()):
            pairs[i] = cells
    return pairs


def _panel(axes: Axes, rows: list[Row], index: int, elsewhere: dict[str, Cell]) -> None:
    """Means with 95 % intervals of one column, and below each the other table's."""
    for y, row in enumerate(rows):
        colour = CONTROL if row.kind == "control" else OURS
        _point(axes, row.cells[index], y - 0.12, "o", colour)
        if row.name in elsewhere:
            _point(axes, elsewhere[row.name], y + 0.18, "s", OTHER)
    axes.set_xlabel("%")
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)


def _point(axes: Axes, cell: Cell, y: float, marker: str, colour: str) -> None:
    if cell.mean is not None:
        half = cell.half_width or 0.0
        axes.errorbar([cell.mean], [y], xerr=[half], fmt=marker, color=colour, capsize=2)

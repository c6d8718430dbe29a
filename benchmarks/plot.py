"""The plot of a table whose rows vary one setting: reproduced above, the paper's curve below."""

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.collect import Judged
from benchmarks.plan import Plan
from benchmarks.spec import Table

COLOURS = {"chance": "0.6", "random_init": "tab:orange", "supervised": "tab:green"}


def save(plan: Plan, table: Table, judged: Judged, path: Path) -> None:
    """Draw every column over the axis setting; the paper's values have an axis of their own.

    Args:
        plan: says which value stands for the paper's at this scale.
        table: a table with an ``axis``.
        judged: the reproduced values, in percent.
        path: the PNG to write; its bytes depend on nothing but the other arguments.
    """
    assert table.axis is not None
    setting = table.axis.setting
    rows = [r for r in table.rows if setting in table.pretrain(r)]
    paper = [int(table.pretrain(r)[setting]) for r in rows]
    values = plan.scale.replace.get(setting, {})
    here = [values.get(x, x) for x in paper]
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(3.0 * len(table.columns) + 0.6, 4.8), layout="constrained")
        grid = figure.subplots(2, len(table.columns), squeeze=False)
        for i, (name, column) in enumerate(table.columns.items()):
            _draw_here(grid[0][i], table, judged, name, rows, here)
            grid[0][i].set_title(column.label)
            known = [
                (x, r) for x, r in zip(paper, rows, strict=True) if name in table.rows[r].reported
            ]
            grid[1][i].plot(
                [x for x, _ in known],
                [table.rows[r].reported[name] for _, r in known],
                "o--",
                color="0.3",
            )
            for axes, ticks in ((grid[0][i], here), (grid[1][i], paper)):
                axes.set_xscale("log")
                axes.set_xticks(ticks, [str(x) for x in ticks])
                axes.minorticks_off()
            grid[1][i].set_xlabel(table.axis.label)
        grid[0][0].set_ylabel(f"reproduced, scale {plan.scale.scale} (%)")
        grid[1][0].set_ylabel("reported by the paper (%)")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        figure.savefig(part, format="png", dpi=120, metadata={"Software": None})
        part.replace(path)


def _draw_here(
    axes: Axes, table: Table, judged: Judged, column: str, rows: list[str], here: list[int]
) -> None:
    points = []
    for x, row in zip(here, rows, strict=True):
        cell = judged.cells.get((row, column))
        if cell is not None and cell.summary is not None:
            half = cell.summary.half_width
            points.append((x, cell.summary.mean, 0.0 if math.isnan(half) else half))
    if points:
        xs, means, halves = zip(*points, strict=True)
        axes.errorbar(xs, means, halves, fmt="o-", capsize=3, label="IICL, 95 % interval")
    levels = {"chance": judged.chance.get(column)}
    for name in table.controls:
        cell = judged.cells.get((name, column))
        levels[name] = cell.summary.mean if cell is not None and cell.summary else None
    for name, level in levels.items():
        if level is not None:
            label = name.replace("_", " ")
            axes.axhline(level, color=COLOURS.get(name, "0.4"), linewidth=1, label=label)

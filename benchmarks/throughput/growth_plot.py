"""The plot of how cost grows: a panel a part, log-log, with the fitted exponent in its title."""

import io
import math
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.render.plot import DPI, OURS, PANELS_PER_LINE, STYLE
from benchmarks.throughput.growth_parts import PARTS


def exponent(sizes: list[float], seconds: list[float]) -> tuple[float, float]:
    """Slope and intercept of the least-squares line through the logarithms; at least 2 sizes."""
    slope, intercept = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope), float(intercept)


def draw(record: Mapping[str, Any]) -> bytes:
    """The plot of a record of ``growth.py`` as a PNG; equal records give equal bytes."""
    names = list(record["parts"])
    wide = min(PANELS_PER_LINE, len(names))
    deep = math.ceil(len(names) / wide)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * wide, 2.4 * deep), layout="constrained")
        grid = figure.subplots(deep, wide, squeeze=False)
        for axes in grid.flat[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(grid.flat, names, strict=False):
            rows = sorted(record["parts"][name].values(), key=lambda row: row["size"])
            sizes = [row["size"] for row in rows]
            seconds = [max(row["cpu_seconds"], 1e-5) for row in rows]
            axes.loglog(sizes, seconds, "o", color=OURS, markersize=4)
            title = name
            if len(set(sizes)) > 1:
                slope, intercept = exponent(sizes, seconds)
                line = [math.exp(intercept) * size**slope for size in sizes]
                axes.loglog(sizes, line, "-", color="0.6", zorder=1)
                title = f"{name}: N^{slope:.2f}"
            axes.set_title(title)
            axes.set_xlabel(PARTS[name].unit)
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.set_yticks(seconds, [f"{value:.2g}" for value in seconds])
            axes.minorticks_off()
            axes.grid(color="0.92")
        for axes in grid[:, 0]:
            axes.set_ylabel("CPU seconds")
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    return picture.getvalue()

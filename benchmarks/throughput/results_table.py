"""The measured speeds as Markdown and as a plot. Equal records give equal bytes."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from pydantic import TypeAdapter
from tabulate import tabulate

from benchmarks.render.plot import DPI, OURS, STYLE
from benchmarks.throughput.judge import Ratio

HEADERS = (
    "part", "work", "before", "now", "times as fast", "peer", "bound of the hardware", "reached",
)  # fmt: skip
NONE = "-"


@dataclass(frozen=True)
class Beside:
    """A yardstick: its name, and its time over that of the part now."""

    name: str
    ratio: float


@dataclass(frozen=True)
class Line:
    """One part.

    Attributes:
        part: its name.
        work: what one repetition does.
        before: least seconds of a repetition.
        now: likewise.
        ratio: now / before.
        peer: other software that does the same; None: there is none.
        bound: the least that the hardware needs; None: not known.
    """

    part: str
    work: str
    before: float
    now: float
    ratio: Ratio
    peer: Beside | None
    bound: Beside | None


_LINES = TypeAdapter(list[Line])


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """One table for each device."""
    parts = [
        "# How fast each part is",
        "Written by `python benchmarks/throughput/results.py`. Times are the least of a repetition,"
        " on one thread. *Times as fast* is before / now with a 90 % interval over pairs of fresh"
        " processes that ran in turn. A peer's number is its time over ours: 2 means that it takes"
        " twice as long. *Reached* is the bound's time over ours: 100 % would be the hardware's"
        " limit.",
        "![Times as fast as before](speed.png)",
    ]
    for record in records:
        versions = ", ".join(f"{name} {v}" for name, v in record["versions"].items())
        parts += [
            f"## {record['device']}",
            f"{record['machine']}; {versions}. {record['clock']}; {record['num_pairs']} pairs."
            f" Before: {record['before']}. Now: {record['now']}.",
            tabulate(
                map(_row, _LINES.validate_python(record["parts"])),
                HEADERS,
                "pipe",
                colalign=("left", "left", "right", "right", "right", "left", "left", "right"),
                disable_numparse=True,
            ),
        ]
    if not any(record["clock"] == "wall time" for record in records):
        parts += ["## GPUs", "Not measured."]
    return "\n\n".join(parts) + "\n"


def _row(line: Line) -> tuple[str, ...]:
    fast = f"{1 / line.ratio.value:.2f} [{1 / line.ratio.high:.2f}, {1 / line.ratio.low:.2f}]"
    peer = f"{line.peer.name}: {line.peer.ratio:.2f}" if line.peer else NONE
    bound = line.bound.name if line.bound else NONE
    reached = f"{100 * line.bound.ratio:.0f} %" if line.bound else NONE
    times = (f"{1000 * line.before:.2f} ms", f"{1000 * line.now:.2f} ms")
    return line.part, line.work.replace("|", "\\|"), *times, fast, peer, bound, reached


def plot(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Times as fast as before, a panel for each device, as a PNG."""
    panels = [_LINES.validate_python(record["parts"]) for record in records]
    with mpl.rc_context(STYLE):
        height = 0.8 + sum(0.4 + 0.22 * len(lines) for lines in panels)
        figure = Figure(figsize=(6.0, height), layout="constrained")
        ratios = {"height_ratios": [len(lines) for lines in panels]}
        grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw=ratios)
        for axes, record, lines in zip(grid[:, 0], records, panels, strict=True):
            values = [1 / line.ratio.value for line in lines]
            low = [1 / line.ratio.value - 1 / line.ratio.high for line in lines]
            high = [1 / line.ratio.low - 1 / line.ratio.value for line in lines]
            places = range(len(lines))
            axes.errorbar(values, places, xerr=[low, high], fmt="o", color=OURS, capsize=3)
            axes.axvline(1, color="0.5", linewidth=0.8)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_yticks(places, [line.part for line in lines])
            axes.invert_yaxis()
            axes.set_title(record["device"])
            axes.set_xlabel(f"times as fast as {record['before'][:7]} ({record['clock']})")
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    return picture.getvalue()

"""What can a pretext learn in the generated world? Computed and measured before any training.

    python benchmarks/validity/ceilings.py [--out FOLDER]

A pretext accuracy says something about a method only beside what the best observer would get. This
is measured for the classes of every generated corpus: speed as SpeedNet asks for it, the arrow of
time, the alignment of shifted sound, and the order of clips as VCOP and ST-Puzzle ask for it.
Writes ``ceilings.md`` and ``ceilings.json``, by default to ``results/`` beside this file; takes a
minute.
"""
# ruff: noqa: E402 (the project must be on the path first)

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # `python benchmarks/validity/ceilings.py` puts its folder on the path
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

from tabulate import tabulate

from benchmarks import stages
from benchmarks.store.files import write_json, write_text
from slurm import command_line

PERCENT = {
    "speed": "normal or 2 x, from the rate of the event",
    "speed_by_motion": "the same, if the motion is known",
    "difference_pairs": "items whose 2 x clip has the greater mean abs(x_t - x_{t-1})",
    "arrow": "classes whose motion has an arrow of time",
    "aligned_shifts": "disjoint seconds of an item within 0.1 period of alignment",
}
ORDERS = {"order_of_three": "order of 3 clips (chance 16.7)", "order_of_four": "of 4 (chance 4.2)"}


def page(measured: Mapping[str, Any]) -> str:
    """The measurements as Markdown.

    Args:
        measured: name of a corpus -> fields of :class:`iicl.data.synthetic.ceilings.Ceilings`.
    """
    lines = [
        [label, *(f"{100 * one[field]:.1f} %" for one in measured.values())]
        for field, label in PERCENT.items()
    ]
    auc = [f"{one['difference_auc']:.3f}" for one in measured.values()]
    lines.append(["AUC of mean abs(x_t - x_{t-1}), normal against 2 x", *auc])
    for field, label in ORDERS.items():
        for noise in next(iter(measured.values()))[field]:
            shares = [f"{100 * one[field][noise]:.1f} %" for one in measured.values()]
            lines.append([f"{label}, phase read to {float(noise):g} period", *shares])
    headers = ["", *measured]
    alignment = ["left", *["right"] * len(measured)]
    paragraphs = [
        "# What a pretext can learn in the generated world",
        "Shares that the best observer of the event gets, or that hold of the classes or items."
        " `iicl/data/synthetic/ceilings.py` has the equations. Clips are those of the desk scale:"
        " 8 frames at 8 per second for the speed, three of 6 frames with gaps of 2 and four of 5"
        " frames in slots of 6 for the order. An order shows only in how far the phase of the event"
        " has advanced from clip to clip. How well a phase is read depends on the observer, so the"
        " share is given for four errors of a reading.",
        tabulate(lines, headers, "pipe", disable_numparse=True, colalign=alignment),
    ]
    return "\n\n".join(paragraphs) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write; the exit code is 0.

    Args:
        argv: arguments in place of the process's own.
    """
    parser = argparse.ArgumentParser(
        prog="benchmarks/validity/ceilings.py", description=(__doc__ or "").splitlines()[0]
    )
    results = Path(__file__).with_name("results")
    parser.add_argument("--out", type=Path, default=results, help="folder; default: results/")
    out = parser.parse_args(argv).out
    measured = stages.ceilings()
    write_json(out / "ceilings.json", measured)
    write_text(out / "ceilings.md", page(measured))
    print(page(measured), end="")
    return 0


if __name__ == "__main__":
    command_line.survive_closed_pipes()
    sys.exit(main())

"""Does the printed interval cover the mean over corpora? A crossed design of seeds, run and judged.

    python benchmarks/validity/coverage.py --home HOME [--scale desk] [--seeds 0 1 2 3 4]

Every training seed meets the corpora of every corpus seed: one pretraining on the generated
AudioSet, measured on the generated UCF101 (``coverage.yaml``). The runs are the suite's own: they
are kept in the home, runs of equal seeds are shared with its tables, and after a crash the same
command goes on. Then the components of variance are estimated, and by simulation from them how
often the 95 % interval of as many seeds covers the mean over corpora: all seeds on one corpus, and
each on a corpus of its own. Writes ``coverage-<scale>.md`` and ``.json``.
"""
# ruff: noqa: E402 (the project must be on the path first)

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # `python benchmarks/validity/coverage.py` puts its folder on the path
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.launch.launchers import launcher_of
from benchmarks.launch.request import Request
from benchmarks.plan.rates import Rates
from benchmarks.results import records
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.scale import Scale, load_scale
from benchmarks.store.files import write_json, write_text
from benchmarks.store.home import Home
from benchmarks.store.lease import this_user
from benchmarks.validity.variance import Coverage, components, coverage
from slurm import command_line
from slurm.job_queue import Queue
from slurm.site import load_site

FINE, INCOMPLETE = 0, 3
TABLE = Path(__file__).with_name("coverage.yaml")


def with_corpus_seed(scale: Scale, seed: int) -> Scale:
    """A scale whose generated corpora all have one seed, whatever the seeds of the runs."""
    corpora = dict(scale.corpora)
    for name, corpus in corpora.items():
        if corpus.generate is not None:
            generation = corpus.generate.model_copy(update={"seed": seed})
            corpora[name] = corpus.model_copy(update={"generate": generation})
    return scale.model_copy(update={"corpora": corpora})


def run(request: Request, corpus_seeds: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Run what is missing of the design; the records of each corpus seed."""
    frames = {}
    for seed in corpus_seeds:
        of_corpus = replace(request, scale=with_corpus_seed(request.scale, seed))
        print(f"corpus seed {seed}", file=sys.stderr)
        with request.home.launch():
            launcher_of(of_corpus).launch(of_corpus.plan(), Rates([]))
        frames[seed] = records.records(of_corpus.plan(), request.tables[0], request.home)
    return frames


def analyse(request: Request, frames: dict[int, pd.DataFrame]) -> dict[str, Any]:
    """What follows from the records of a whole design, as the content of the JSON file."""
    table, (row,) = request.tables[0], request.tables[0].rows
    columns: dict[str, Any] = {}
    for name, column in table.columns.items():
        of_corpus = [records.per_seed(frame, row, name) for frame in frames.values()]
        values = np.array([list(cells.values()) for cells in of_corpus]).T
        found = components(values)
        columns[name] = {
            "label": column.label,
            "values": values.tolist(),
            "components": asdict(found),
            "one_corpus": asdict(coverage(found, len(values), shares_corpus=True)),
            "corpus_each": asdict(coverage(found, len(values), shares_corpus=False)),
        }
    whole = pd.concat(frames.values())
    return {
        "scale": request.scale.scale,
        "commits": sorted(set(whole["commit"])),
        "processors": sorted(set(whole["processor"])),
        "training_seeds": sorted(set(whole["seed"].tolist())),
        "corpus_seeds": list(frames),
        "columns": columns,
    }


def page(analysis: dict[str, Any]) -> str:
    """The analysis as Markdown."""
    lines = [
        [
            column["label"],
            f"{np.mean(column['values']):.1f}",
            *(f"{sd:.1f}" for sd in column["components"].values()),
            *(_words(Coverage(**column[design])) for design in ("one_corpus", "corpus_each")),
        ]
        for column in analysis["columns"].values()
    ]
    number = len(analysis["training_seeds"])
    headers = ["", "mean", "sd training", "sd corpus", "sd rest"]
    headers += [f"{number} seeds on one corpus", f"{number} seeds with a corpus each"]
    alignment = ["left", *["right"] * (len(headers) - 1)]
    paragraphs = [
        f"# Coverage of the printed interval, scale {analysis['scale']}",
        f"{number} training seeds x {len(analysis['corpus_seeds'])} corpus seeds, in percent. The"
        " last two columns say how often the 95 % t interval covers the mean over training seeds"
        " and corpora, by simulation from the components (`variance.py` has the equations), and"
        " its mean half-width in points.",
        tabulate(lines, headers, "pipe", disable_numparse=True, colalign=alignment),
        f"Commit {', '.join(analysis['commits'])}. Processor {'; '.join(analysis['processors'])}.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _words(of: Coverage) -> str:
    return f"{100 * of.share:.1f} % (± {of.half_width:.1f})"


def main(argv: Sequence[str] | None = None, *, stages: Any = None, folder: Path = ROOT) -> int:
    """Run the design and write what follows; the exit code: 0, 2 for a mistake, 3, or 5.

    Args:
        argv: arguments in place of the process's own.
        stages: module in place of :mod:`benchmarks.stages`.
        folder: checkout whose scales are read.
    """
    parser = argparse.ArgumentParser(
        prog="benchmarks/validity/coverage.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--home", type=Path, required=True, help="folder of corpora and runs")
    parser.add_argument("--scale", default="desk", help="one that generates; default: desk")
    parser.add_argument("--cluster", default="local", help="the site; default: local")
    parser.add_argument("--seeds", type=int, nargs="+", help="of trainings; default: 0 to 4")
    parser.add_argument(
        "--corpus-seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="default: 0 to 4"
    )
    parser.set_defaults(precision=None, no_wait=False)
    arguments = parser.parse_args(argv)
    try:
        return _execute(arguments, stages, folder)
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:
        return command_line.report_crash(problem)


def _execute(arguments: argparse.Namespace, stages: Any, folder: Path) -> int:
    if stages is None:
        from benchmarks import stages
    scale = load_scale(folder / "benchmarks" / "scales" / f"{arguments.scale}.yaml")
    home = Home(arguments.home.resolve(), Queue(this_user()))
    site, table = load_site(arguments.cluster), load_table(TABLE)
    request = Request(arguments, stages, folder, [table], scale, site, home, {})
    frames = run(request, arguments.corpus_seeds)
    missing = pd.concat(frames.values()).query("value.isna()")["run"].tolist()
    if missing:
        print(f"incomplete: {len(missing)} values, {missing[0]} first", file=sys.stderr)
        return INCOMPLETE
    analysis = analyse(request, frames)
    stem = home.root / f"coverage-{scale.scale}"
    write_json(stem.with_suffix(".json"), analysis)
    write_text(stem.with_suffix(".md"), page(analysis))
    print(page(analysis), end="")
    return FINE


if __name__ == "__main__":
    command_line.survive_closed_pipes()
    sys.exit(main())

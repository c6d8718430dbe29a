"""The command line: plan tables of the paper, run what is missing, collect, judge, render."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # `python benchmarks/run.py` puts benchmarks/ on the path, not the root
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

if TYPE_CHECKING:
    from benchmarks.plan.stage_functions import Stages

EPILOG = """\
exit codes:
  0  complete, and every verdict fine (an open one is not a failure)
  1  complete, with a mismatch, a reversed claim or controls out of order
  2  a mistake in the command, a table, a scale or the data given
  3  incomplete: something has not run yet, or was not allowed to
  4  a run failed, and its last log lines are shown; or a run is damaged: see below
  5  the suite has a fault; the traceback says where
  130  stopped by Ctrl-C; submitted jobs go on, and the same command goes on where this one was

--dry-run, --power and --status end with 0, whatever the states of the runs are. If a reader goes
away (| head), neither the exit code nor the files change.

A run is damaged if its spec.json, result.json or attempts.json cannot be read or does not fit its
digest. Its number is not shown; --force RUN_ID moves it aside and makes it again.

Without --yes the command asks before it runs anything. If it has no terminal to ask on, it runs
nothing and ends with exit code 3.
The tables go to tables/SCALE/ if they are whole and complete and nothing deviates from the scale's
own data, seeds and precision; otherwise to HOME/tables/, so that a try never replaces a published
table.
"""


def _found_by_name() -> str:
    """What the rows of a table can name, by the folders that hold it; as text."""
    science = ROOT / "iicl"
    names = {
        "methods": sorted(path.parent.name for path in science.glob("methods/*/settings.py")),
        "encoders": sorted(path.parent.name for path in science.glob("encoders/*/settings.py")),
        "views": sorted(path.stem for path in science.glob("views/[!_]*.py")),
    }
    lines = [f"{kind}: {', '.join(known)}" for kind, known in names.items()]
    return "\n" + "\n".join(
        [*lines, "`iicl list` says what they are and which settings they have."]
    )


def parser() -> argparse.ArgumentParser:
    """The options; building it imports nothing but the standard library."""
    scales = sorted(path.stem for path in (ROOT / "benchmarks" / "scales").glob("*.yaml"))
    sites = sorted(path.stem for path in (ROOT / "slurm" / "sites").glob("*.yaml"))
    new = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Reproduce tables of the paper: one command plans, runs what is missing,"
        " collects, and writes the table beside the reported numbers.",
        epilog=f"{_found_by_name()}\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_tables(new)
    new.add_argument("--scale", choices=scales, default="desk", help="how large; default: desk")
    new.add_argument(
        "--seeds",
        type=int,
        action="extend",
        nargs="+",
        metavar="S",
        help="default: the table's",
    )
    new.add_argument(
        "--cluster",
        choices=sites,
        default="local",
        help="the site, where runs are carried out; default: local",
    )
    new.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="take this real copy of a corpus, whole or partial, in place of the scale's"
        " (repeatable)",
    )
    new.add_argument(
        "--precision",
        choices=("float32", "tf32", "bf16"),
        help="of the encoders; part of a run's name; default: the scale's",
    )
    _add_what_to_do(new)
    _add_launching(new)
    new.add_argument(
        "--home",
        type=Path,
        help="folder of prepared corpora and runs; default: $IICL_HOME, else .iicl in the checkout",
    )
    new.add_argument(
        "--out",
        type=Path,
        help="folder to write the tables to; the last lines of this help name the default",
    )
    return new


def _add_tables(new: argparse.ArgumentParser) -> None:
    """Options that say which cells are reproduced."""
    new.add_argument(
        "--table",
        required=True,
        action="extend",
        nargs="+",
        metavar="N",
        help="I, II, ... or 1, 2, ..., or a file of tables/ by name; all: the six of the paper",
    )
    new.add_argument(
        "--rows",
        action="extend",
        nargs="+",
        metavar="ROW",
        help="these rows and controls of one table, by their names in its file; default: all",
    )
    new.add_argument(
        "--columns",
        action="extend",
        nargs="+",
        metavar="COLUMN",
        help="these columns of one table; default: all",
    )


def _add_what_to_do(new: argparse.ArgumentParser) -> None:
    """Options for commands that run nothing."""
    what = new.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run", action="store_true", help="run nothing; show the plan and its cost"
    )
    what.add_argument(
        "--collect", action="store_true", help="run nothing; write the tables of what is there"
    )
    what.add_argument(
        "--power",
        action="store_true",
        help="run nothing; show the seeds that each claim needs for 80 %% power, and their price",
    )
    what.add_argument(
        "--status",
        action="store_true",
        help="run nothing; show every run's state, job, progress and last log line",
    )


def _add_launching(new: argparse.ArgumentParser) -> None:
    """Options for how and what to launch."""
    new.add_argument("--yes", action="store_true", help="run without asking")
    new.add_argument(
        "--no-wait",
        action="store_true",
        help="on a cluster: submit, and end with exit code 3; the same command collects later",
    )
    new.add_argument(
        "--force",
        action="append",
        default=[],
        metavar="RUN_ID|all",
        help="move a run, and all that is made from it, aside and make them again (repeatable)",
    )
    new.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="RUN_ID",
        help="count a stale result, made by other code, as one of the present code (repeatable)",
    )


def main(
    argv: list[str] | None = None,
    *,
    stages: "Stages | None" = None,
    folder: Path = ROOT,
) -> int:
    """Run the command line.

    Args:
        argv: arguments in place of the process's own.
        stages: module in place of :mod:`benchmarks.stages`.
        folder: checkout whose ``tables`` and ``benchmarks/scales`` are read.

    Returns:
        the exit code, as ``--help`` lists them.
    """
    arguments = parser().parse_args(argv)
    from benchmarks import command
    from slurm import command_line

    try:
        return command.execute(arguments, stages or command.real_stages(), folder)
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:  # Python's own exit code, 1, means a complete table
        return command_line.report_crash(problem)


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    sys.exit(main())

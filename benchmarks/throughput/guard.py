"""Find slowdowns: time the cases in this checkout and in the baseline commit, and compare.

    python benchmarks/throughput/guard.py
    python benchmarks/throughput/guard.py --parts "desk step" loader
    python benchmarks/throughput/guard.py --baseline HEAD    # this checkout's changes alone
    python benchmarks/throughput/guard.py --update           # the next baseline is HEAD

A part is slower if the lower bound of the ratio now / before exceeds its threshold, twice: what the
first round suspects is timed again in a second one.

exit codes: 0 nothing is slower, 1 a part is slower, 2 a mistake in the command or the clone,
4 a part could not be timed
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from tabulate import tabulate  # noqa: E402

from benchmarks.throughput import baseline, cases, pairs, worker, worktree  # noqa: E402
from benchmarks.throughput.judge import (  # noqa: E402
    Ratio,
    ratio_of_pair,
    ratio_of_pairs,
    verdict,
)

NUM_PAIRS = 6
# In memory where there is such a folder: a disk that waits is not what is measured.
FILES = Path("/dev/shm")
FINE, SLOWER, USAGE, FAILED = 0, 1, 2, 4


@dataclass(frozen=True)
class Outcome:
    """What the guard says of one part.

    Attributes:
        part: its name.
        verdict: "slower", "faster", "same", "new" (the baseline has no such work) or "error".
        rounds: the ratio of each round.
        threshold: of the part.
        seconds: the least time of one repetition, before and now.
        spent: wall seconds that it took to time it.
        why: of an error.
    """

    part: str
    verdict: str
    threshold: float
    rounds: tuple[Ratio, ...] = ()
    seconds: Mapping[str, float] | None = None
    spent: float = 0.0
    why: str = ""


def guarded() -> list[str]:
    """Names of the parts that the guard times."""
    return [name for name, case in cases.CASES.items() if case.is_guarded]


@contextlib.contextmanager
def two_sides(root: Path, commit: str) -> Iterator[tuple[pairs.Side, pairs.Side]]:
    """The commit and the checkout, each with its file of cases, for the length of the block.

    Raises:
        ValueError: if there are no cases for the commit.
    """
    own = root / "benchmarks" / "throughput" / "cases.py"
    adapter = own.with_name(f"cases_{commit[:7]}.py")
    with (
        worktree.checked_out(root, commit) as tree,
        tempfile.TemporaryDirectory(
            prefix="throughput-", dir=FILES if FILES.is_dir() else None
        ) as folder,
    ):
        of_commit = adapter if adapter.is_file() else tree / own.relative_to(root)
        if not of_commit.is_file():
            raise ValueError(f"commit {commit} has no {own.relative_to(root)}, and there is no"
                             f" {adapter.name} in its place")  # fmt: skip
        before = pairs.Side("before", tree, of_commit, Path(folder) / "before")
        yield before, pairs.Side("now", root, own, Path(folder) / "now")


def compare(
    sides: tuple[pairs.Side, pairs.Side], parts: Sequence[str], num_pairs: int = NUM_PAIRS
) -> list[Outcome]:
    """Time parts on both sides and judge them; two rounds where the first one finds a slowdown."""
    known = _known(sides[0])
    common = [part for part in parts if known.get(part) == cases.CASES[part].work]
    timings = pairs.measure(sides, common, num_pairs)
    outcomes = {part: _judge(part, timings[part]) for part in common}
    suspects = [part for part, outcome in outcomes.items() if outcome.verdict == "slower"]
    for part, timing in pairs.measure(sides, suspects, num_pairs).items():
        outcomes[part] = _judge(part, timing, outcomes[part])
    for part in set(parts) - set(common):
        outcomes[part] = Outcome(part, "new", cases.CASES[part].threshold)
    return [outcomes[part] for part in parts]


def _known(side: pairs.Side) -> dict[str, str]:
    """Name -> work of the cases of a side."""
    path = list(sys.path)
    module: ModuleType = worker.load(side.tree, side.cases)
    sys.path[:] = path
    return {name: case.work for name, case in module.CASES.items()}


def _judge(part: str, timing: pairs.Timing, first: Outcome | None = None) -> Outcome:
    """What one round says of a part, after the first round if there was one."""
    threshold = cases.CASES[part].threshold
    spent = timing.spent + (first.spent if first else 0.0)
    if timing.error is not None:
        return Outcome(part, "error", threshold, spent=spent, why=timing.error)
    ratio = ratio_of_pairs([ratio_of_pair(pair["before"], pair["now"]) for pair in timing.pairs])
    seconds = {side: min(min(pair[side]) for pair in timing.pairs) for side in ("before", "now")}
    rounds = (*(first.rounds if first else ()), ratio)
    return Outcome(part, verdict(ratio, threshold), threshold, rounds, seconds, spent)


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes for a terminal."""
    headers = ("part", "before ms", "now ms", "now / before [90 % interval]", "limit", "", "s")
    rows = []
    for outcome in outcomes:
        seconds = outcome.seconds or {}
        times = [f"{1000 * seconds[n]:.2f}" if n in seconds else "" for n in ("before", "now")]
        ratios = ", again ".join(map(str, outcome.rounds))
        words = f"{outcome.verdict}: {outcome.why}" if outcome.why else outcome.verdict
        limit = f"{outcome.threshold:.2f}"
        rows.append((outcome.part, *times, ratios, limit, words, f"{outcome.spent:.0f}"))
    return tabulate(rows, headers, "plain", disable_numparse=True)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Of the command; a part that could not be timed counts more than a slower one."""
    verdicts = {outcome.verdict for outcome in outcomes}
    return FAILED if "error" in verdicts else SLOWER if "slower" in verdicts else FINE


def _execute(arguments: argparse.Namespace) -> int:
    if unknown := sorted(set(arguments.parts) - set(guarded())):
        raise ValueError(f"--parts {unknown[0]}: no such part; legal: {', '.join(guarded())}")
    named = arguments.baseline
    commit = worktree.full_hash(ROOT, named) if named else baseline.read(ROOT)
    head = worktree.full_hash(ROOT, "HEAD")
    if arguments.update:
        baseline.check_committed(ROOT)
    changed = bool(worktree.git(ROOT, "status", "--porcelain", "--", *baseline.WATCHED))
    print(f"before: {commit}\nnow:    {head}{' with changes' if changed else ''}", flush=True)
    with two_sides(ROOT, commit) as sides:
        outcomes = compare(sides, arguments.parts or guarded())
    print(table(outcomes))
    if arguments.update:
        print("\n".join(baseline.move(ROOT, commit, head)))
        return FAILED if exit_code(outcomes) == FAILED else FINE
    for outcome in outcomes:
        if outcome.verdict == "slower":
            print(
                f"slower: {outcome.part}: {' and '.join(map(str, outcome.rounds))} times the time"
                f" of {commit}, the limit is {outcome.threshold}; now is {head}",
                file=sys.stderr,
            )
    return exit_code(outcomes)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare as the command line asks; the exit code."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=[], metavar="PART", help="default: all")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--baseline", metavar="COMMIT", help=f"in place of that in {baseline.FILE}")
    what.add_argument(
        "--update", action="store_true", help="compare, let HEAD be the baseline, say what changes"
    )
    try:
        return _execute(parser.parse_args(argv))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return USAGE


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    sys.exit(main())

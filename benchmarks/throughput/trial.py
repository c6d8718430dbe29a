"""The guard's own test: does it stay silent where nothing changed, and does it see a slowdown?

    python benchmarks/throughput/trial.py [--unchanged 20] [--slowed 10] [--out FOLDER]

Two processes of lower priority compute without end meanwhile. A trial compares a fresh checkout
of HEAD with HEAD. In the trials called *slowed* the cases of that checkout take longer: after each
repetition they compute on for a tenth (steps) or 15 % (other parts) of its CPU time. Each trial
appends its outcome to ``trials.jsonl`` and writes the tables of all that are there to
``trials.md``; the same command goes on where it was stopped.
"""

import argparse
import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from tabulate import tabulate  # noqa: E402

from benchmarks.store.files import write_text  # noqa: E402
from benchmarks.throughput import guard, pairs, worktree  # noqa: E402

KINDS = ("unchanged", "slowed")
STEPS = ("desk step", "full step", "large batch")
IN_STEPS, ELSEWHERE = 0.10, 0.15
NUM_LOADS = 2
RESULTS = ROOT / "benchmarks" / "throughput" / "results"
PLANTED = f"""


def _slowed(case, share):
    import dataclasses
    import time

    def setup(place):
        body = case.setup(place)

        def slower():
            started = time.process_time()
            body()
            end = started + (time.process_time() - started) * (1 + share)
            while time.process_time() < end:
                pass

        return slower

    return dataclasses.replace(case, setup=setup)


CASES = {{
    name: _slowed(case, {IN_STEPS} if name in {STEPS} else {ELSEWHERE})
    for name, case in CASES.items()
}}
"""


@contextlib.contextmanager
def load() -> Iterator[None]:
    """Keep both cores busy for the length of the block."""
    command = ["nice", "-n", "5", sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(NUM_LOADS)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def trial(kind: str, commit: str) -> list[guard.Outcome]:
    """One run of the guard; the checkout of "slowed" has slower cases."""
    with guard.two_sides(ROOT, commit) as (before, _), worktree.checked_out(ROOT, commit) as tree:
        cases = tree / "benchmarks" / "throughput" / "cases.py"
        if kind == "slowed":
            cases.write_text(cases.read_text() + PLANTED)
        now = pairs.Side("now", tree, cases, before.folder.with_name("now"))
        return guard.compare((before, now), guard.guarded())


def tables(trials: list[dict[str, Any]]) -> str:
    """How often each part was called slower, and how far its ratio strayed."""
    texts = []
    for kind in KINDS:
        outcomes = [o for one in trials if one["kind"] == kind for o in one["outcomes"]]
        num_trials = sum(one["kind"] == kind for one in trials)
        alarms = Counter(o["part"] for o in outcomes if o["verdict"] == "slower")
        errors = Counter(o["part"] for o in outcomes if o["verdict"] == "error")
        rows = []
        for part in dict.fromkeys(o["part"] for o in outcomes):
            ratios = [r["value"] for o in outcomes if o["part"] == part for r in o["rounds"]]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}" if ratios else "-"
            longest = max(o["spent"] for o in outcomes if o["part"] == part)
            rows.append((part, alarms[part], errors[part], spread, f"{longest:.0f}"))
        headers = ("part", "alarms", "errors", "ratios", "longest s")
        grid = tabulate(rows, headers, "pipe", disable_numparse=True)
        texts.append(f"{kind}: {num_trials} trials\n\n{grid}")
    return "\n\n".join(texts)


def page(trials: list[dict[str, Any]]) -> str:
    """The tables as a Markdown file."""
    return (
        "# The guard's own test\n\nWritten by `python benchmarks/throughput/trial.py`: each trial"
        " is a run of the guard, HEAD beside a fresh checkout of HEAD, under a load on both cores."
        " An alarm is a part that it calls slower. In the trials called slowed the checkout takes a"
        " tenth longer in the steps and 15 % longer elsewhere. `trials.jsonl` has every ratio and"
        f" the commits.\n\n{tables(trials)}\n"
    )


def main() -> None:
    """Make the trials that are missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--unchanged", type=int, default=20, metavar="TRIALS")
    parser.add_argument("--slowed", type=int, default=10, metavar="TRIALS")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "trials.jsonl"
    file.touch()
    commit = worktree.full_hash(ROOT, "HEAD")
    trials = [json.loads(line) for line in file.read_text().splitlines()]
    with load():
        for kind in KINDS:
            done = sum(one["kind"] == kind for one in trials)
            for _ in range(getattr(arguments, kind) - done):
                started = time.monotonic()
                outcomes = [dataclasses.asdict(outcome) for outcome in trial(kind, commit)]
                seconds = time.monotonic() - started
                trials.append(
                    {"kind": kind, "commit": commit, "seconds": seconds, "outcomes": outcomes}
                )
                with file.open("a") as lines:
                    lines.write(json.dumps(trials[-1]) + "\n")
                write_text(file.with_suffix(".md"), page(trials))
                slower = [o["part"] for o in outcomes if o["verdict"] == "slower"]
                print(f"{kind}: {seconds:.0f} s; slower: {', '.join(slower) or 'none'}", flush=True)
    print(page(trials))


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()

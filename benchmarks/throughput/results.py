"""The table of results of one device: every part before and now, beside peers and the hardware.

    python benchmarks/throughput/results.py                    # measure on this CPU, write, render
    python benchmarks/throughput/results.py --device cuda      # on a GPU, what runs there
    python benchmarks/throughput/results.py --render           # only render what was measured

*Before* is commit 8da87c8. Each device has a file of its own in ``results/cases/``, named after it.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from benchmarks.store.files import write_bytes, write_text  # noqa: E402
from benchmarks.throughput import (  # noqa: E402
    baseline,
    clock,
    guard,
    pairs,
    results_table,
    worktree,
)
from benchmarks.throughput.cases import CASES, Place  # noqa: E402
from benchmarks.throughput.device_name import file_stem, name_of  # noqa: E402
from benchmarks.throughput.judge import ratio_of_pair, ratio_of_pairs  # noqa: E402
from benchmarks.throughput.yardsticks import BOUNDS, PEERS, Yardstick  # noqa: E402

BEFORE = "8da87c829492361fb18d051d002f296a94b6e067"
FOLDER = ROOT / "benchmarks" / "throughput" / "results" / "cases"
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "av")
NUM_PAIRS, NUM_ROUNDS = 5, 7


def measure(device: str) -> list[results_table.Line]:
    """Time every part that runs on the device, in the turn of the guard; then its yardsticks."""
    parts = [name for name, case in CASES.items() if device == "cpu" or case.is_on_device]
    with guard.two_sides(ROOT, worktree.full_hash(ROOT, BEFORE)) as sides:
        timings = pairs.measure(sides, parts, NUM_PAIRS, device)
    lines = []
    for part in parts:
        timing = timings[part]
        if timing.error is not None:
            raise ValueError(f"{part}: {timing.error}")
        before, now = (min(min(pair[side]) for pair in timing.pairs) for side in ("before", "now"))
        ratio = ratio_of_pairs([ratio_of_pair(p["before"], p["now"]) for p in timing.pairs])
        beside = {
            kind: _beside(part, yardsticks.get(part), device)
            for kind, yardsticks in (("peer", PEERS), ("bound", BOUNDS))
        }
        line = results_table.Line(part, CASES[part].work, before, now, ratio, **beside)
        lines.append(line)
        print(line, flush=True)
    return lines


def _beside(part: str, yardstick: Yardstick | None, device: str) -> results_table.Beside | None:
    """A yardstick's time over that of the part, both run in turn in this process."""
    if yardstick is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), device)
        body = CASES[part].setup(place)
        other, factor = yardstick.setup(place)
        times = [
            (clock.seconds(body, device), clock.seconds(other, device))
            for _ in range(NUM_ROUNDS + 1)
        ]
    own, its = (min(column) for column in zip(*times[1:], strict=True))
    return results_table.Beside(yardstick.name, its * factor / own)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write, or only render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    arguments = parser.parse_args(argv)
    if not arguments.render:
        baseline.check_committed(ROOT)
        name = name_of(arguments.device)
        record: dict[str, Any] = {
            "device": name,
            "clock": "CPU time" if arguments.device == "cpu" else "wall time",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
            "before": BEFORE,
            "now": worktree.full_hash(ROOT, "HEAD"),
            "num_pairs": NUM_PAIRS,
            "parts": [dataclasses.asdict(line) for line in measure(arguments.device)],
        }
        text = json.dumps(record, indent=1) + "\n"
        write_text(FOLDER / f"{file_stem(name)}.json", text)
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    write_text(FOLDER / "README.md", results_table.markdown(records))
    write_bytes(FOLDER / "speed.png", results_table.plot(records))


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()

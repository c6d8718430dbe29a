"""How the cost of each part grows with its number of items: CPU time over sizes, and a plot.

    python benchmarks/throughput/growth.py [--parts retrieval kmeans] [--scale 0.1] [--out FOLDER]

Each part is measured at a tenfold range of sizes; ``--scale`` multiplies all sizes. The figures go
to ``growth-<device>.json`` as soon as they are known. A run that was interrupted goes on where it
stopped: a part and size that is in the file is not measured again. Delete the file to start anew.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from benchmarks.store import provenance  # noqa: E402
from benchmarks.store.files import write_json  # noqa: E402
from benchmarks.throughput import growth_parts, growth_plot  # noqa: E402
from benchmarks.throughput.device_name import file_stem, name_of  # noqa: E402
from slurm.cores import num_cores  # noqa: E402

RESULTS = ROOT / "benchmarks" / "throughput" / "results"


def measure(part: growth_parts.Part, size: int) -> dict[str, float]:
    """Prepare a part at a size in a fresh folder and run it once.

    Returns:
        ``size`` as it came out, ``seconds`` of wall time and ``cpu_seconds`` with those of child
        processes that have ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        true_size, task = part.prepare(Path(folder), size)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        task()
        return {
            "size": true_size,
            "seconds": round(time.perf_counter() - wall, 5),
            "cpu_seconds": round(_cpu_seconds() - cpu, 5),
        }


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    """Measure what is missing, then draw all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(growth_parts.PARTS)
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every size")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parsed = parser.parse_args()
    parsed.out.mkdir(parents=True, exist_ok=True)
    file = parsed.out / f"growth-{file_stem(name_of('cpu'))}.json"
    made_by = provenance.describe(num_cores())
    record: dict[str, Any] = {"made_by": made_by, "parts": {}}
    if file.exists():
        record = json.loads(file.read_text())
        if record["made_by"] != made_by:
            raise SystemExit(f"error: {file} was made by {record['made_by']}; delete it first")
    for name in parsed.parts:
        part = growth_parts.PARTS[name]
        rows = record["parts"].setdefault(name, {})
        for size in part.sizes:
            asked = max(part.least, round(size * parsed.scale))
            if str(asked) not in rows:
                rows[str(asked)] = measure(part, asked)
                write_json(file, record)
                print(name, rows[str(asked)], flush=True)
    file.with_suffix(".png").write_bytes(growth_plot.draw(record))


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()

"""What launching on a cluster costs: submitting many runs, and --status on many run directories.

    python -m slurm.devcluster run -- python benchmarks/throughput/launch_overhead.py

The nodes are drained first, so that nothing but the launch is measured, and no job ever starts.
"""

import argparse
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()

from benchmarks import run, stages  # noqa: E402
from benchmarks.launch import cluster, local, request  # noqa: E402
from benchmarks.plan.rates import Rates  # noqa: E402
from slurm.site import SlurmSite  # noqa: E402

COMMANDS = ("sbatch", "squeue", "scontrol", "sacct", "srun")


def count_calls(folder: Path) -> Path:
    """Put scripts before Slurm's commands that note each call; the file of notes."""
    notes = folder / "calls"
    notes.touch()
    paths = {name: path for name in COMMANDS if (path := shutil.which(name))}
    (folder / "bin").mkdir()
    for name, path in paths.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\necho {name} >> {notes}\nexec {path} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return notes


def read(home: Path, seeds: int) -> request.Request:
    """A launch of Tables I to V with so many seeds on the development cluster."""
    words = ["--table", "I", "II", "III", "IV", "V", "--scale", "smoke", "--cluster", "devcluster"]
    words += ["--home", str(home), "--seeds", *map(str, range(seeds))]
    return request.read(run.parser().parse_args(words), stages, ROOT)


def submitting(home: Path, num_runs: int, notes: Path) -> None:
    """Print how long it takes to submit, and what Slurm is asked."""
    seeds = 1
    launch = read(home, seeds)
    local.prepare(launch, launch.plan())
    while len(read(home, seeds).plan().runs) < num_runs:
        seeds += 1
    launch = read(home, seeds)
    plan = launch.plan()
    subprocess.run(
        ["scontrol", "update", "NodeName=ALL", "State=DRAIN", "Reason=measuring"], check=True
    )
    notes.write_text("")
    assert isinstance(launch.site, SlurmSite)
    launcher = cluster.ClusterLauncher(launch, launch.site)
    started = time.monotonic()
    num_jobs, submitted = launcher.submit(plan, Rates([]))
    seconds = time.monotonic() - started
    calls = Counter(notes.read_text().split())
    print(
        f"submitted {submitted} runs in {num_jobs} jobs and {calls['sbatch']} arrays in"
        f" {seconds:.1f} s; calls: {dict(calls)}"
    )
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True)


def status(home: Path, num_runs: int) -> None:
    """Print how long ``--status`` takes on directories in all states but queued."""
    seeds = 1
    while len(read(home, seeds).plan().runs) < num_runs:
        seeds += 4
    launch = read(home, seeds)
    plan = launch.plan()
    for number, (run_id, planned) in enumerate(plan.runs.items()):
        (launch.home.runs / run_id).mkdir(parents=True)
        assert launch.home.claim(run_id, planned.record())
        if number % 4:
            launch.home.run(run_id).begin_attempt({"job": "1"})
            launch.home.run(run_id).report(0.5, "step 5/10")
            launch.home.run(run_id).log().write_text("a line\n" * 1000)
        if number % 4 > 1:
            launch.home.run(run_id).release()
        if number % 4 == 2:
            launch.home.run(run_id).fail("RuntimeError: no luck")
        if number % 4 == 3:
            launch.home.run(run_id).finish({"metrics": {}, "seconds": 1.0})
    words = ["--table", "I", "II", "III", "IV", "V", "--scale", "smoke", "--status"]
    words += ["--home", str(home), "--seeds", *map(str, range(seeds))]
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words]
    for _ in range(5):
        started = time.monotonic()
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(
            f"--status of {len(shown.splitlines()) - 2} run directories:"
            f" {time.monotonic() - started:.2f} s"
        )
    print(shown.splitlines()[-1])


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submit", type=int, default=500, metavar="RUNS")
    parser.add_argument("--status", type=int, default=2000, metavar="RUNS")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        status(folder / "status", parsed.status)
        notes = count_calls(folder)
        submitting(folder / "submit", parsed.submit, notes)


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()

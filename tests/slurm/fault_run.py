"""A table on a cluster while jobs, tasks, nodes and launchers are disturbed at random moments.

    nox -s faults -- --table I V --seeds 0 --faults 12

makes the tables undisturbed in one process, and then on the development cluster while requeueing
jobs, cancelling steps, killing tasks, node daemons and launchers, and launching again. The tables
must be equal, byte for byte. What was done is printed as it happens; ``--random`` repeats a choice
and timing of faults, as far as the machine's own timing allows.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "slurm" / "integration"))

from jobs import task_pid  # noqa: E402

from benchmarks.store.home import Home  # noqa: E402
from slurm.devcluster.cluster import DevCluster  # noqa: E402

COMPLETE = (0, 1)
LONGEST_SECONDS = 3600.0


class FaultRun:
    """One disturbed launch.

    Attributes:
        done: how often each fault was committed.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.cluster = DevCluster(Path(os.environ["SLURM_CONF"]).parent)
        self.rng = random.Random(arguments.random)
        self.pause = arguments.pause_seconds
        self.num_faults = arguments.faults
        self.home = folder / "disturbed"
        self.command = command(arguments, "devcluster", self.home)
        self.launchers: list[subprocess.Popen[bytes]] = []
        self.done: Counter[str] = Counter()
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def launch(self) -> None:
        """Start the command beside those that run already."""
        log = (self.home.parent / "launches.txt").open("ab")
        self.launchers.append(
            subprocess.Popen(self.command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        )

    def tell_last_launch(self) -> None:
        """What the launches have said last: why there is no table yet."""
        said = (self.home.parent / "launches.txt").read_text().splitlines()
        print(*(f"          | {line}" for line in said[-8:]), sep="\n", flush=True)

    def jobs(self, state: str) -> list[str]:
        """Ids of the jobs in a state of Slurm's."""
        return self.cluster.ask(
            "squeue", "--noheader", "--array", f"--states={state}", "--format=%i", check=False
        ).split()

    # Faults: each says what it did, or None if there was nothing to do it to.

    def requeue_a_job(self) -> str | None:
        """As an operator, or a preemption, does."""
        return self._of_a_running_job(lambda job: self.cluster.ask("scontrol", "requeue", job))

    def cancel_a_step(self) -> str | None:
        """The tasks of a job, and not its script."""
        return self._of_a_running_job(lambda job: self.cluster.ask("scancel", f"{job}.0"))

    def warn_a_job(self) -> str | None:
        """The signal that a site sends before the time limit."""
        return self._of_a_running_job(lambda job: self.cluster.ask("scancel", "-s", "USR2", job))

    def kill_a_task(self) -> str | None:
        """One task of a job."""
        rank = self.rng.randrange(2)
        return self._of_a_running_job(lambda job: os.kill(task_pid(job, rank), signal.SIGKILL))

    def kill_a_node(self) -> str | None:
        """The daemon of a node, which then comes back."""
        node = self.rng.choice(self.cluster.nodes)
        self.cluster.kill_node(node)
        self.cluster.start_node(node)
        return f"slurmd of {node}"

    def launch_again(self) -> str | None:
        """A second impatient launch."""
        if len(self.launchers) > 2:
            return None
        self.launch()
        return f"beside {len(self.launchers) - 1}"

    def kill_a_launcher(self) -> str | None:
        """A launcher; if it was the last, another one follows."""
        launcher = self.launchers.pop(self.rng.randrange(len(self.launchers)))
        launcher.kill()
        launcher.wait()
        if not self.launchers:
            self.launch()
        return f"process {launcher.pid}"

    def _of_a_running_job(self, do: Callable[[str], object]) -> str | None:
        running = self.jobs("RUNNING")
        if not running:
            return None
        job = self.rng.choice(running)
        try:
            do(job)
        except (OSError, AssertionError):  # it ended, or had no such task, in the meantime
            return None
        return f"job {job}"

    def go(self) -> int:
        """Launch, disturb, launch again until the tables are complete; the last exit code."""
        faults = [
            self.requeue_a_job,
            self.cancel_a_step,
            self.warn_a_job,
            self.kill_a_task,
            self.kill_a_node,
            self.launch_again,
            self.kill_a_launcher,
        ]
        never = threading.Event()
        to_come: list[Callable[[], str | None]] = []
        self.launch()
        while True:
            never.wait(self.rng.uniform(0.5, 1.5) * self.pause)
            assert time.monotonic() - self.started < LONGEST_SECONDS, "it never ends"
            codes = [one.returncode for one in self.launchers if one.poll() is not None]
            if complete := [code for code in codes if code in COMPLETE]:
                self.say(f"complete: exit code {complete[0]}")
                for one in self.launchers:
                    one.wait()
                return complete[0]
            self.launchers = [one for one in self.launchers if one.poll() is None]
            if not self.launchers:
                self.say(f"no launch is left, exit code {codes[-1]}: launching")
                self.tell_last_launch()
                self.launch()
            elif sum(self.done.values()) < self.num_faults:
                # In rounds, so that every kind happens; one that cannot happen now stays to come.
                to_come = to_come or self.rng.sample(faults, len(faults))
                for fault in to_come:
                    if (what := fault()) is not None:
                        name = fault.__name__.replace("_", " ")
                        self.done[name] += 1
                        self.say(f"{name}: {what}")
                        to_come.remove(fault)
                        break


def command(arguments: argparse.Namespace, cluster: str, home: Path) -> list[str]:
    """The launch at a site, into a home of its own."""
    script = str(ROOT / "benchmarks" / "run.py")
    words = [sys.executable, script, "--table", *arguments.table, "--scale", "smoke", "--yes"]
    if arguments.seeds is not None:
        words += ["--seeds", *map(str, arguments.seeds)]
    return [*words, "--cluster", cluster, "--home", str(home), "--out", f"{home}.tables"]


def differences(folder: Path) -> list[str]:
    """Files of the tables that are not the same, what they took apart."""
    here = folder / "undisturbed.tables"
    names = [p.name for p in here.iterdir() if not p.name.endswith((".cost.md", ".json", ".png"))]
    assert any(name.endswith(".md") for name in names)
    there = folder / "disturbed.tables"
    return [n for n in sorted(names) if (here / n).read_bytes() != (there / n).read_bytes()]


def attempts(home: Home) -> Counter[str]:
    """How the attempts at all runs ended."""
    ends = (a["ended"] for i in home.run_ids() for a in home.run(i).attempts())
    return Counter("killed" if end == "unknown" else end for end in ends)


def main() -> int:
    """Run it; 0 if the tables are equal, 1 if they are not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", nargs="+", default=["I", "V"])
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--pause-seconds", type=float, default=5.0)
    parser.add_argument("--random", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        code = subprocess.run(
            command(arguments, "inline", folder / "undisturbed"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode
        assert code in COMPLETE, f"the undisturbed launch ended with {code}"
        print(f"undisturbed: complete, exit code {code}", flush=True)
        run = FaultRun(arguments, folder)
        disturbed = run.go()
        home = Home(run.home)
        print(f"faults: {sum(run.done.values())}: {dict(run.done)}")
        print(f"attempts at {len(home.run_ids())} runs: {dict(attempts(home))}")
        different = differences(folder)
        print(f"exit codes {code} and {disturbed}; different files: {different or 'none'}")
        return int(bool(different) or code != disturbed)


if __name__ == "__main__":
    sys.exit(main())

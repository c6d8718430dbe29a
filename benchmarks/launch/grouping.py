"""From runs to the jobs of a cluster: which runs share a job, and which jobs form an array."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.plan.graph import Run

SHARED_SECONDS = 1800.0
"""What runs that share a job may take on one device together."""


@dataclass(frozen=True)
class JobGroup:
    """The runs of one job.

    Attributes:
        runs: in the order in which they are carried out.
        num_tasks: tasks that the job can use; more than one only if it has one run.
    """

    runs: tuple[Run, ...]
    num_tasks: int

    @property
    def name(self) -> str:
        """The stage, or what evaluations of one pretraining have in common."""
        return self.runs[0].stage if len(self.runs) == 1 else "evaluation"

    @property
    def upstream(self) -> frozenset[str]:
        """Runs of other jobs that this one needs."""
        ours = {run.id for run in self.runs}
        return frozenset(i for run in self.runs for i in run.upstream.values()) - ours


@dataclass(frozen=True)
class Preview:
    """An array that a launch would submit.

    Attributes:
        script: what sbatch would be given.
        num_jobs: jobs in it.
        num_runs: runs in them.
        seconds: that they take on one device, as far as that is known.
    """

    script: str
    num_jobs: int
    num_runs: int
    seconds: float


Send = Callable[[list[JobGroup], frozenset[str]], list[str]]


def units(
    runs: Sequence[Run], encoders: Mapping[str, str], seconds: Callable[[Run], float]
) -> list[JobGroup]:
    """Share runs out to jobs: cheap evaluations of one pretraining together, all others alone.

    Args:
        runs: in an executable order.
        encoders: run id -> the pretraining that it evaluates.
        seconds: how long a run takes on one device, as far as that is known.
    """
    found: list[JobGroup] = []
    open_jobs: dict[str, list[Run]] = {}  # by pretraining

    def close(pretraining: str) -> None:
        found.append(JobGroup(tuple(open_jobs.pop(pretraining)), 1))

    for run in runs:
        shares = run.stage != "pretrain" and seconds(run) <= SHARED_SECONDS
        for pretraining, together in list(open_jobs.items()):
            joins = shares and pretraining == encoders[run.id]
            # What others wait for must not go on to wait for them.
            needed = not joins and any(one.id in run.upstream.values() for one in together)
            full = joins and sum(map(seconds, [*together, run])) > SHARED_SECONDS
            if needed or full:
                close(pretraining)
        if shares:
            open_jobs.setdefault(encoders[run.id], []).append(run)
        else:
            found.append(JobGroup((run,), run.work.num_ranks))
    for pretraining in list(open_jobs):
        close(pretraining)
    return found


def encoders(runs: Mapping[str, Run]) -> dict[str, str]:
    """Run id -> the last pretraining that it rests on; a pretraining rests on itself."""
    found: dict[str, str] = {}
    for run in runs.values():  # in an executable order
        if run.stage == "pretrain":
            found[run.id] = run.id
        else:
            found[run.id] = found[next(iter(run.upstream.values()))]
    return found


def send_all(
    units: Iterable[JobGroup], jobs: Mapping[str, str], max_array: int, send: Send
) -> None:
    """Send units off as arrays, each when those it waits for have been sent.

    An array holds units that are equal but for their settings and wait for the same jobs.

    Args:
        units: to send.
        jobs: run id -> job, of runs that others have sent.
        max_array: units in one array at most.
        send: is given the units of an array and the jobs they wait for; gives their own jobs.
    """
    known, waiting = dict(jobs), list(units)
    to_come = {run.id for unit in waiting for run in unit.runs}
    while waiting:
        ready = [unit for unit in waiting if not unit.upstream & to_come]
        assert ready, "runs wait for each other"
        groups: dict[tuple[str, int, frozenset[str]], list[JobGroup]] = {}
        for unit in ready:
            after = frozenset(known[i] for i in unit.upstream if i in known)
            groups.setdefault((unit.name, unit.num_tasks, after), []).append(unit)
        for (_, _, after), group in groups.items():
            for start in range(0, len(group), max_array):
                array = group[start : start + max_array]
                for unit, job in zip(array, send(array, after), strict=True):
                    known.update({run.id: job for run in unit.runs})
        to_come -= {run.id for unit in ready for run in unit.runs}
        waiting = [unit for unit in waiting if unit not in ready]

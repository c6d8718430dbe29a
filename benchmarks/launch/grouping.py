"""From runs to the jobs of a cluster: which runs share a job, and which jobs form an array."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.plan.graph import Run

SHARED_SECONDS = 1800.0
"""How long the runs that share a job may take together on one device."""


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
        """The stage of a single run; several runs are evaluations of one pretraining."""
        return self.runs[0].stage if len(self.runs) == 1 else "evaluation"

    @property
    def upstream(self) -> frozenset[str]:
        """Runs of other jobs that this one needs."""
        own = {run.id for run in self.runs}
        return frozenset(i for run in self.runs for i in run.upstream.values()) - own


Send = Callable[[list[JobGroup], frozenset[str]], list[str]]


def job_groups(
    runs: Sequence[Run], pretrainings: Mapping[str, str], seconds: Callable[[Run], float]
) -> list[JobGroup]:
    """Share runs out to jobs: cheap evaluations of one pretraining together, all others alone.

    Args:
        runs: in an executable order.
        pretrainings: run id -> the pretraining that it evaluates; from :func:`pretrainings`.
        seconds: how long a run takes on one device, as far as that is known.
    """
    groups: list[JobGroup] = []
    open_jobs: dict[str, list[Run]] = {}  # by pretraining

    def close(pretraining: str) -> None:
        groups.append(JobGroup(tuple(open_jobs.pop(pretraining)), 1))

    for run in runs:
        shares = run.stage != "pretrain" and seconds(run) <= SHARED_SECONDS
        for pretraining, members in list(open_jobs.items()):
            joins = shares and pretraining == pretrainings[run.id]
            # Close a job when a run outside it depends on a run inside: a run that joined the job
            # later could depend on that outer run, and the two jobs would wait for each other.
            is_needed = not joins and any(one.id in run.upstream.values() for one in members)
            is_full = joins and sum(map(seconds, [*members, run])) > SHARED_SECONDS
            if is_needed or is_full:
                close(pretraining)
        if shares:
            open_jobs.setdefault(pretrainings[run.id], []).append(run)
        else:
            groups.append(JobGroup((run,), run.work.num_ranks))
    for pretraining in list(open_jobs):
        close(pretraining)
    return groups


def pretrainings(runs: Mapping[str, Run]) -> dict[str, str]:
    """Run id -> the last pretraining that it rests on; a pretraining rests on itself.

    Args:
        runs: in an executable order.
    """
    last: dict[str, str] = {}
    for run in runs.values():
        if run.stage == "pretrain":
            last[run.id] = run.id
        else:
            last[run.id] = last[next(iter(run.upstream.values()))]
    return last


def send_all(
    groups: Iterable[JobGroup], jobs: Mapping[str, str], max_array: int, send: Send
) -> None:
    """Send jobs off as arrays, each array after those that it waits for.

    An array holds jobs that are equal but for their settings and wait for the same jobs.

    Args:
        groups: the runs of each job to send.
        jobs: run id -> job, of runs that others have sent.
        max_array: jobs in one array at most.
        send: is given the jobs of an array and the ids of those that they wait for; gives their
            own ids.
    """
    job_of, waiting = dict(jobs), list(groups)
    to_come = {run.id for group in waiting for run in group.runs}
    while waiting:
        ready = [group for group in waiting if not group.upstream & to_come]
        assert ready, "runs wait for each other"
        arrays: dict[tuple[str, int, frozenset[str]], list[JobGroup]] = {}
        for group in ready:
            after = frozenset(job_of[i] for i in group.upstream if i in job_of)
            arrays.setdefault((group.name, group.num_tasks, after), []).append(group)
        for (_, _, after), array in arrays.items():
            for start in range(0, len(array), max_array):
                part = array[start : start + max_array]
                for group, job in zip(part, send(part, after), strict=True):
                    job_of.update({run.id: job for run in group.runs})
        to_come -= {run.id for group in ready for run in group.runs}
        waiting = [group for group in waiting if group not in ready]

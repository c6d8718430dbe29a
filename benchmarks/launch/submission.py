"""Submitting jobs: the copy of the code, the claims under one lock, sbatch, the hand-over."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.launch import snapshot
from benchmarks.launch.job import JobPayload
from benchmarks.launch.request import Request
from benchmarks.store.home import ClaimRun, Home
from slurm import commands, scheduler
from slurm.scheduler import Array
from slurm.site import SlurmSite

TARGET = "benchmarks.launch.job:carry_out"


@dataclass(frozen=True)
class Jobs:
    """Jobs that are equal but for their runs, and are submitted together.

    Attributes:
        name: shown by the queue.
        function: of :mod:`benchmarks.launch.attempt`; it makes one attempt at one run.
        calls: for each job, the arguments of the function for each run, ``run_id`` among them.
        num_tasks: tasks, or ranks, that each job can use.
        after: ids of the jobs that must end well before any of these starts.
    """

    name: str
    function: str
    calls: Sequence[Sequence[Mapping[str, Any]]]
    num_tasks: int
    after: frozenset[str]


def array(request: Request, site: SlurmSite, home: Home, cluster: str, jobs: Jobs) -> Array:
    """The array that sbatch is given for some jobs.

    Args:
        request: says what the runs are made with.
        site: where they run.
        home: holds the runs: that of the request, or its home of preparations.
        cluster: name of the cluster.
        jobs: what to submit.
    """
    payloads = [
        JobPayload(
            target=f"benchmarks.launch.attempt:{jobs.function}",
            runs=runs,
            stages=request.stages.__name__,
            home=home.root,
            launch=home.token,
            cluster=cluster,
            site=site.name,
            patience=site.requeue,
        )
        for runs in jobs.calls
    ]
    calls = [{"payload": payload} for payload in payloads]
    return Array(jobs.name, TARGET, calls, jobs.num_tasks, tuple(sorted(jobs.after)))


class Submission:
    """What one launch claims in a home and submits.

    Leaving it as a context gives back every run that was claimed and then not submitted.

    Attributes:
        code: the copy of the code that the jobs run.
        claimed: names of the runs that were claimed.
        num_jobs: jobs that were submitted.
    """

    def __init__(self, request: Request, site: SlurmSite, home: Home) -> None:
        """Copy the code.

        Raises:
            OSError: if Slurm is not there.
        """
        commands.require()
        self.code = snapshot.take(request.folder, request.home.root)
        self.claimed: list[str] = []
        self.num_jobs = 0
        self._request, self._site, self._home = request, site, home

    def __enter__(self) -> "Submission":
        return self

    def __exit__(self, *problem: object) -> None:
        for run_id in self.claimed:
            run = self._home.run(run_id)
            lease = run.lease()
            if lease is not None and lease.launch == self._home.token and not lease.job:
                run.release()

    @contextlib.contextmanager
    def claiming(self) -> Iterator[ClaimRun]:
        """:meth:`benchmarks.store.home.Home.claiming`; what it claims is noted here."""
        with self._home.claiming() as claim:

            def claim_and_note(run_id: str, spec: Mapping[str, Any]) -> bool:
                is_claimed = claim(run_id, spec)
                if is_claimed:
                    self.claimed.append(run_id)
                return is_claimed

            yield claim_and_note

    def send(self, jobs: Jobs) -> list[str]:
        """Submit jobs whose runs are claimed, and write their ids into the leases; the ids.

        Raises:
            OSError: if Slurm refuses; what was submitted before stays.
        """
        home, cluster = self._home, self._home.queue.cluster()
        to_submit = array(self._request, self._site, home, cluster, jobs)
        ids = scheduler.submit(to_submit, self._site, self._request.home.jobs, self.code)
        runs = [[call["run_id"] for call in calls] for calls in jobs.calls]
        home.hand_over({i: job for job, group in zip(ids, runs, strict=True) for i in group})
        self.num_jobs += len(ids)
        return ids

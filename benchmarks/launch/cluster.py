"""Launching on a cluster: jobs of Slurm, which depend on each other and outlive the command."""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.launch import corpus_jobs, grouping
from benchmarks.launch.display import Preview
from benchmarks.launch.grouping import JobGroup
from benchmarks.launch.request import Request
from benchmarks.launch.submission import Jobs, Submission, array
from benchmarks.launch.watch import watch
from benchmarks.plan import identity
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.rates import Rates
from benchmarks.store.home import Home
from benchmarks.store.records import Speed
from slurm import scheduler
from slurm.site import SlurmSite


class ClusterLauncher:
    """Carries a request out by jobs of Slurm."""

    def __init__(self, request: Request, site: SlurmSite) -> None:
        """Check that the site fits the request.

        Raises:
            ValueError: if the request submits runs that compute on GPUs and the site asks for none.
        """
        self._request, self._site, self.remark = request, site, ""
        scale, arguments = request.scale, request.arguments
        if scale.device.unit != "GPU" or site.gpus_per_node:
            return
        self.remark = (
            f"scale {scale.scale} computes on GPUs, but site {site.name} asks for none; choose"
            f" --cluster slurm-gpu, or set gpus_per_node in slurm/sites/{site.name}.yaml"
        )
        if not (arguments.dry_run or arguments.collect or arguments.status):
            raise ValueError(self.remark)

    def describe(self, seconds: float) -> str:
        """The site in words; its queue decides how long ``seconds`` on one device take."""
        return f"site: {self._site.name}"

    def known_speed(self, plan: Plan) -> Speed | None:
        """Nothing: this host is not the one that computes."""
        return None

    def measure(self, plan: Plan) -> Speed | None:
        """Nothing, as :meth:`known_speed`."""
        return None

    def preview(self, plan: Plan, rates: Rates) -> list[Preview]:
        """The arrays that would be submitted, with placeholders for job ids; needs no Slurm.

        Runs whose data is not given are shown as if it were.
        """
        seconds = self._seconds(rates)
        code = self._request.home.root / "snapshots" / "SNAPSHOT"
        previews: list[Preview] = []

        def show(groups: list[JobGroup], after: frozenset[str]) -> list[str]:
            jobs = self._jobs(groups, after)
            to_submit = array(self._request, self._site, self._request.home, "<cluster>", jobs)
            text = scheduler.script(to_submit, self._site, self._request.home.jobs, code)
            runs = [run for group in groups for run in group.runs]
            previews.append(Preview(text, len(groups), len(runs), sum(map(seconds, runs))))
            number = f"ARRAY{len(previews)}"
            return [number if len(groups) == 1 else f"{number}_{i}" for i in range(len(groups))]

        groups = grouping.job_groups(
            plan.given_all_data(), grouping.pretrainings(plan.runs), seconds
        )
        grouping.send_all(groups, {}, self._site.max_array, show)
        return previews

    def launch(self, plan: Plan, rates: Rates) -> bool:
        """Submit what is missing and, unless told otherwise, wait; whether nothing is to come."""
        waits = not self._request.arguments.no_wait
        prepared = corpus_jobs.prepare(self._request, self._site, plan, waits=waits)
        if prepared is None:
            return False
        num_jobs, num_runs = self.submit(prepared, rates)
        print(f"submitted {num_runs} runs in {num_jobs} jobs to {self._site.name}", file=sys.stderr)
        under_way = _under_way(self._request.home, prepared)
        print(f"{len(under_way)} runs are queued or running", file=sys.stderr)
        if under_way and not waits:
            print("--status shows how they get on; the same command collects", file=sys.stderr)
            return False
        try:
            watch(self._request.home, under_way)
        except KeyboardInterrupt:
            print("the submitted jobs go on without this command", file=sys.stderr)
            raise
        return True

    def submit(self, plan: Plan, rates: Rates) -> tuple[int, int]:
        """Claim what is missing and submit it; the number of jobs, and of runs in them.

        A run that another living launch or job has is left to it. Runs that need it wait for its
        job.

        Raises:
            OSError: if Slurm is not there or refuses; what was submitted before stays.
            ValueError: if the code changed since the plan was made.
        """
        if not plan.to_do():
            return 0, 0
        request, home = self._request, self._request.home
        with Submission(request, self._site, home) as submission:
            _check_code(request, plan, submission.code)
            jobs: dict[str, str] = {}  # run -> job, of other launches
            with submission.claiming() as claim:
                for run in plan.to_do():
                    jobs |= _jobs_of_others(home, run, submission.claimed)
                    known = {*submission.claimed, *jobs}
                    is_ready = all(
                        other in known or home.run(other).state() == "done"
                        for other in run.upstream.values()
                    )
                    if is_ready:
                        claim(run.id, run.record())

            def send(groups: list[JobGroup], after: frozenset[str]) -> list[str]:
                return submission.send(self._jobs(groups, after))

            runs = [plan.runs[run_id] for run_id in submission.claimed]
            pretrainings = grouping.pretrainings(plan.runs)
            groups = grouping.job_groups(runs, pretrainings, self._seconds(rates))
            grouping.send_all(groups, jobs, self._site.max_array, send)
        return submission.num_jobs, len(submission.claimed)

    def _jobs(self, groups: list[JobGroup], after: frozenset[str]) -> Jobs:
        calls = [[self._request.call(run) for run in group.runs] for group in groups]
        return Jobs(f"iicl-{groups[0].name}", "run", calls, groups[0].num_tasks, after)

    def _seconds(self, rates: Rates) -> Callable[[Run], float]:
        sustained = self._request.scale.device.sustained_gflops
        return lambda run: rates.seconds(run.resolved, run.work, sustained)[0]


def _under_way(home: Home, plan: Plan) -> list[str]:
    """The runs that a living launch or job has."""
    runs = [home.run(run_id) for run_id in plan.runs]
    try:
        return [run.id for run in runs if run.state() in ("running", "queued")]
    except OSError:  # Slurm does not answer: waiting for a run of a dead job does no harm
        return [run.id for run in runs if not run.is_done() and run.lease() is not None]


def _check_code(request: Request, plan: Plan, code: Path) -> None:
    for run in plan.to_do():
        upstream = [plan.runs[other].code for other in run.upstream.values()]
        modules = request.stages.code_modules(run.resolved)
        if identity.code_hash(code, modules, upstream) != run.code:
            raise ValueError("the code changed while this was planned; run the same command again")


def _jobs_of_others(home: Home, run: Run, claimed: list[str]) -> dict[str, str]:
    """The jobs of this cluster in which other launches make what a run needs, by run."""
    jobs = {}
    for other in run.upstream.values():
        if other not in claimed and home.run(other).state() in ("running", "queued"):
            lease = home.run(other).lease()
            if lease is not None and lease.job and lease.cluster == home.queue.cluster():
                jobs[other] = lease.job
    return jobs

"""Carrying out a plan through Slurm: jobs that depend on each other, which outlive the launcher."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.launch import display, grouping, snapshot
from benchmarks.launch.grouping import JobGroup, Preview
from benchmarks.launch.job import JobPayload
from benchmarks.launch.request import Request
from benchmarks.plan import identity
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.rates import Rates
from benchmarks.store.home import Home
from slurm import scheduler
from slurm.scheduler import Array
from slurm.site import SlurmSite

WATCH_SECONDS = 2.0


def preview(request: Request, current: Plan, rates: Rates) -> list[Preview]:
    """What a launch would submit, with words in place of ids and hashes; needs no Slurm."""
    site = the_site(request)
    seconds = _seconds(request, rates)
    found: list[Preview] = []

    def send(units: list[JobGroup], after: frozenset[str]) -> list[str]:
        array = _array(request, request.home, "<cluster>", units, after)
        code = request.home.root / "snapshots" / "SNAPSHOT"
        text = scheduler.script(array, site, request.home.jobs, code)
        runs = [run for unit in units for run in unit.runs]
        found.append(Preview(text, len(units), len(runs), sum(map(seconds, runs))))
        number = f"ARRAY{len(found)}"
        return [number if len(units) == 1 else f"{number}_{i}" for i in range(len(units))]

    runs = current.to_do()
    grouping.send_all(
        grouping.units(runs, grouping.encoders(current.runs), seconds), {}, site.max_array, send
    )
    return found


def run(request: Request, current: Plan, rates: Rates, *, wait: bool) -> bool:
    """Submit what is missing, and wait for it; whether nothing is queued or running any more."""
    num_jobs, num_runs = submit(request, current, rates)
    print(f"submitted {num_runs} runs in {num_jobs} jobs to {request.site.name}", file=sys.stderr)
    under_way = _under_way(request.home, current)
    print(f"{len(under_way)} runs are queued or running", file=sys.stderr)
    if under_way and not wait:
        print("--status shows how they get on; the same command collects", file=sys.stderr)
        return False
    try:
        watch(request.home, under_way)
    except KeyboardInterrupt:
        print("the submitted jobs go on without this command", file=sys.stderr)
        raise
    return True


def _under_way(home: Home, current: Plan) -> list[str]:
    try:
        return [i for i in current.runs if home.state(i) in ("running", "queued")]
    except OSError:  # Slurm is silent: whoever is waited for in vain is found out later
        return [i for i in current.runs if not home.is_done(i) and home.claimed(i) is not None]


def submit(request: Request, current: Plan, rates: Rates) -> tuple[int, int]:
    """Claim what is missing and submit it; the number of jobs and that of runs in them.

    A run that somebody alive has already is left to them; what needs it waits for their job.

    Raises:
        OSError: if Slurm is not there or refuses; what was submitted before stays.
        ValueError: if the code changed since the plan was made.
    """
    site, home = the_site(request), request.home
    if not current.to_do():
        return 0, 0
    scheduler.require()
    code = snapshot.take(request.folder, home.root)
    _same_code(request, current, code)
    claimed: dict[str, Run] = {}
    jobs: dict[str, str] = {}
    num_jobs = 0
    try:
        with home.claiming() as claim:
            for run in current.to_do():
                _note_jobs(home, run, claimed, jobs)
                known = claimed.keys() | jobs.keys()
                ready = all(i in known or home.state(i) == "done" for i in run.upstream.values())
                if ready and claim(run.id, run.record()):
                    claimed[run.id] = run

        def send(units: list[JobGroup], after: frozenset[str]) -> list[str]:
            nonlocal num_jobs
            array = _array(request, home, home.queue.cluster(), units, after)
            ids = scheduler.submit(array, site, home.jobs, code)
            home.hand_over({r.id: i for u, i in zip(units, ids, strict=True) for r in u.runs})
            num_jobs += len(ids)
            return ids

        runs = list(claimed.values())
        encoders = grouping.encoders(current.runs)
        units = grouping.units(runs, encoders, _seconds(request, rates))
        grouping.send_all(units, jobs, site.max_array, send)
    finally:
        release_unsubmitted(home, claimed)
    return num_jobs, len(claimed)


def watch(home: Home, run_ids: Collection[str]) -> None:
    """Show how runs get on until none of them is in anybody's hands any more."""
    waiting = dict.fromkeys(run_ids)
    complained = False
    with display.ProgressDisplay(home, len(waiting)) as bars:
        while waiting:
            for run_id in list(waiting):
                try:
                    state = home.state(run_id)
                except OSError as problem:
                    if not complained:
                        print(f"{problem}; waiting until it does", file=sys.stderr)
                    complained = True
                    break
                if state == "running":
                    bars.started(run_id)
                elif state != "queued":
                    del waiting[run_id]
                    bars.ended(run_id, *_end(home, run_id, state))
            bars.tick()
            if waiting:
                time.sleep(WATCH_SECONDS)


def _end(home: Home, run_id: str, state: str) -> tuple[str, str]:
    if state == "done":
        return "finished", ""
    if state == "failed":
        return "failed", home.reason(run_id)
    if state == "damaged":
        return "damaged", str(home.damage(run_id))
    return "ended without a result", "cancelled, or after one that failed"


def the_site(request: Request) -> SlurmSite:
    """The launch's site, which is a cluster."""
    assert isinstance(request.site, SlurmSite)
    return request.site


def _seconds(request: Request, rates: Rates) -> Callable[[Run], float]:
    sustained = request.scale.device.sustained_gflops
    return lambda run: rates.seconds(run.resolved, run.work, sustained)[0]


def _same_code(request: Request, current: Plan, code: Path) -> None:
    for run in current.to_do():
        before = [current.runs[i].code for i in run.upstream.values()]
        modules = request.stages.code_modules(run.resolved)
        if identity.code_hash(code, modules, before) != run.code:
            raise ValueError("the code changed while this was planned; run the same command again")


def _note_jobs(home: Home, run: Run, claimed: Mapping[str, Run], jobs: dict[str, str]) -> None:
    """Find the jobs in which others make what a run needs."""
    for other in run.upstream.values():
        if other not in claimed and home.state(other) in ("running", "queued"):
            claim = home.claimed(other)
            if claim is not None and claim.job and claim.cluster == home.queue.cluster():
                jobs[other] = claim.job


def release_unsubmitted(home: Home, claimed: Iterable[str]) -> None:
    """Give back what a launch has claimed and then not submitted."""
    for run_id in claimed:
        claim = home.claimed(run_id)
        if claim is not None and claim.launch == home.token and not claim.job:
            home.release(run_id)


def _array(
    request: Request, home: Home, cluster: str, units: list[JobGroup], after: frozenset[str]
) -> Array:
    calls = [
        work(request, home, cluster, "run", [request.call(run) for run in unit.runs])
        for unit in units
    ]
    name, target = f"iicl-{units[0].name}", "benchmarks.launch.job:carry_out"
    return Array(name, target, calls, units[0].num_tasks, tuple(sorted(after)))


def work(
    request: Request, home: Home, cluster: str, function: str, runs: Sequence[Mapping[str, Any]]
) -> dict[str, JobPayload]:
    """What a job is called with."""
    site = the_site(request)
    work = JobPayload(
        target=f"benchmarks.launch.attempt:{function}",
        runs=runs,
        stages=request.stages.__name__,
        home=home.root,
        launch=home.token,
        cluster=cluster,
        site=site.name,
        patience=site.requeue,
    )
    return {"work": work}

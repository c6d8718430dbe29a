"""Carrying out a plan through Slurm: jobs that depend on each other, which outlive the launcher."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import batching, call, cost, identity, snapshot, terminal
from benchmarks.batching import Preview, Unit
from benchmarks.job import Work
from benchmarks.plan import Plan, Run
from benchmarks.request import Launch
from benchmarks.store import Home
from slurm import scheduler
from slurm.scheduler import Array
from slurm.site import SlurmSite

WATCH_SECONDS = 2.0


def preview(launch: Launch, current: Plan, rates: cost.Rates) -> list[Preview]:
    """What a launch would submit, with words in place of ids and hashes; needs no Slurm."""
    site = the_site(launch)
    seconds = _seconds(launch, rates)
    found: list[Preview] = []

    def send(units: list[Unit], after: frozenset[str]) -> list[str]:
        array = _array(launch, launch.home, "<cluster>", units, after)
        code = launch.home.root / "snapshots" / "SNAPSHOT"
        text = scheduler.script(array, site, launch.home.jobs, code)
        runs = [run for unit in units for run in unit.runs]
        found.append(Preview(text, len(units), len(runs), sum(map(seconds, runs))))
        number = f"ARRAY{len(found)}"
        return [number if len(units) == 1 else f"{number}_{i}" for i in range(len(units))]

    runs = current.to_do()
    batching.send_all(
        batching.units(runs, batching.encoders(current.runs), seconds), {}, site.max_array, send
    )
    return found


def run(launch: Launch, current: Plan, rates: cost.Rates, *, wait: bool) -> bool:
    """Submit what is missing, and wait for it; whether nothing is queued or running any more."""
    num_jobs, num_runs = submit(launch, current, rates)
    print(f"submitted {num_runs} runs in {num_jobs} jobs to {launch.site.name}", file=sys.stderr)
    under_way = _under_way(launch.home, current)
    print(f"{len(under_way)} runs are queued or running", file=sys.stderr)
    if under_way and not wait:
        print("--status shows how they get on; the same command collects", file=sys.stderr)
        return False
    try:
        watch(launch.home, under_way)
    except KeyboardInterrupt:
        print("the submitted jobs go on without this command", file=sys.stderr)
        raise
    return True


def _under_way(home: Home, current: Plan) -> list[str]:
    try:
        return [i for i in current.runs if home.state(i) in ("running", "queued")]
    except OSError:  # Slurm is silent: whoever is waited for in vain is found out later
        return [i for i in current.runs if not home.is_done(i) and home.claimed(i) is not None]


def submit(launch: Launch, current: Plan, rates: cost.Rates) -> tuple[int, int]:
    """Claim what is missing and submit it; the number of jobs and that of runs in them.

    A run that somebody alive has already is left to them; what needs it waits for their job.

    Raises:
        OSError: if Slurm is not there or refuses; what was submitted before stays.
        ValueError: if the code changed since the plan was made.
    """
    site, home = the_site(launch), launch.home
    if not current.to_do():
        return 0, 0
    scheduler.require()
    code = snapshot.take(launch.folder, home.root)
    _same_code(launch, current, code)
    claimed: dict[str, Run] = {}
    jobs: dict[str, str] = {}
    num_jobs = 0
    try:
        with home.claiming() as claim:
            for run in current.to_do():
                _note_jobs(home, run, claimed, jobs)
                known = claimed.keys() | jobs.keys()
                ready = all(i in known or home.state(i) == "done" for i in run.upstream.values())
                if ready and claim(run.id, call.record(run)):
                    claimed[run.id] = run

        def send(units: list[Unit], after: frozenset[str]) -> list[str]:
            nonlocal num_jobs
            array = _array(launch, home, home.queue.cluster(), units, after)
            ids = scheduler.submit(array, site, home.jobs, code)
            home.hand_over({r.id: i for u, i in zip(units, ids, strict=True) for r in u.runs})
            num_jobs += len(ids)
            return ids

        runs = list(claimed.values())
        encoders = batching.encoders(current.runs)
        units = batching.units(runs, encoders, _seconds(launch, rates))
        batching.send_all(units, jobs, site.max_array, send)
    finally:
        release_unsubmitted(home, claimed)
    return num_jobs, len(claimed)


def watch(home: Home, run_ids: Collection[str]) -> None:
    """Show how runs get on until none of them is in anybody's hands any more."""
    waiting = dict.fromkeys(run_ids)
    complained = False
    with terminal.Progress(home, len(waiting)) as display:
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
                    display.started(run_id)
                elif state != "queued":
                    del waiting[run_id]
                    display.ended(run_id, *_end(home, run_id, state))
            display.tick()
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


def the_site(launch: Launch) -> SlurmSite:
    """The launch's site, which is a cluster."""
    assert isinstance(launch.site, SlurmSite)
    return launch.site


def _seconds(launch: Launch, rates: cost.Rates) -> Callable[[Run], float]:
    sustained = launch.scale.device.sustained_gflops
    return lambda run: rates.seconds(run.resolved, run.work, sustained)[0]


def _same_code(launch: Launch, current: Plan, code: Path) -> None:
    for run in current.to_do():
        before = [current.runs[i].code for i in run.upstream.values()]
        modules = launch.stages.code_modules(run.resolved)
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
    launch: Launch, home: Home, cluster: str, units: list[Unit], after: frozenset[str]
) -> Array:
    calls = [
        work(launch, home, cluster, "run", [call.arguments(launch, run) for run in unit.runs])
        for unit in units
    ]
    name, target = f"iicl-{units[0].name}", "benchmarks.job:carry_out"
    return Array(name, target, calls, units[0].num_tasks, tuple(sorted(after)))


def work(
    launch: Launch, home: Home, cluster: str, function: str, runs: Sequence[Mapping[str, Any]]
) -> dict[str, Work]:
    """What a job is called with."""
    site = the_site(launch)
    work = Work(
        target=f"benchmarks.worker:{function}",
        runs=runs,
        stages=launch.stages.__name__,
        home=home.root,
        launch=home.token,
        cluster=cluster,
        site=site.name,
        patience=site.requeue,
    )
    return {"work": work}

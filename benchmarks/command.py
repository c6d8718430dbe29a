"""What one command does, step by step: plan, show, ask, prepare, launch, collect, judge, write."""

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.launch import cluster, corpus_jobs, display, local
from benchmarks.launch.request import Request, read
from benchmarks.plan import run_status
from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.spec.read_tables import find_tables
from benchmarks.store.files import is_regular
from benchmarks.store.home import Home
from slurm import launcher
from slurm.site import SlurmSite

FINE, MISMATCH, INCOMPLETE, FAILED = 0, 1, 3, 4
STATUS_SECONDS = 5.0


def real_stages() -> ModuleType:
    """The module that reaches ``iicl``."""
    from benchmarks import stages

    return stages


def execute(arguments: argparse.Namespace, stages: ModuleType, folder: Path) -> int:
    """Do what the command line asks; the exit code."""
    request = read(arguments, stages, folder)
    current = _accept(request, request.plan())
    if arguments.status:
        plans = itertools.chain([current], iter(request.plan, None))
        display.show_status(
            lambda: list(run_status.statuses(next(plans), request.home)),
            refresh_seconds=STATUS_SECONDS,
        )
        return FINE
    rates = _rates(request.home)
    forced = _forced(request, current)
    if arguments.dry_run:
        display.show_plan(current, rates, request.site, to_stdout=True)
        if isinstance(request.site, SlurmSite):
            previews = cluster.preview(request, current, rates)
            display.show_scripts(previews, request.scale.device.unit)
        return FINE
    missing = [c.name for c in current.used_corpora() if c.missing and c.header is None]
    if missing:
        wanted = " ".join(f"--data {name}=PATH" for name in missing)
        raise ValueError(f"scale {request.scale.scale} needs a real copy: {wanted}")
    if not arguments.collect:
        display.show_plan(current, rates, request.site)
        work = current.to_do() or any(c.to_prepare for c in current.used_corpora())
        if work and not _allowed(arguments):
            return INCOMPLETE
        if forced:
            current = _move_aside(request, forced)
        if work or arguments.yes:
            with request.home.launch():
                over = _launch(request, current, rates)
            if not over:
                return INCOMPLETE
            current = request.plan()
    return _conclude(request, current)


def _launch(request: Request, current: Plan, rates: Rates) -> bool:
    """Prepare and run what is missing; whether there is nothing more to wait for."""
    if not isinstance(request.site, SlurmSite):
        current = local.prepare(request, current)
        local.run(request, current)
        return True
    wait = not request.arguments.no_wait
    prepared = corpus_jobs.prepare(request, current, wait=wait)
    if prepared is None:
        return False
    return cluster.run(request, prepared, rates, wait=wait)


def _rates(home: Home) -> Rates:
    """What the sound results of a home say of speed."""
    finished = []
    for run_id in home.run_ids():
        if home.is_done(run_id) and home.damage(run_id) is None:
            spec, result = home.spec(run_id), home.result(run_id)
            if spec is not None and result is not None:
                finished.append((spec, result))
    return Rates(finished)


def _allowed(arguments: argparse.Namespace) -> bool:
    if arguments.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        print("nothing was run: there is no terminal to ask on; add --yes", file=sys.stderr)
        return False
    print("run this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _accept(request: Request, current: Plan) -> Plan:
    """Record the stale results that a person lets stand, and plan again."""
    for run_id in request.arguments.accept:
        if run_id in current.runs and request.home.accepted(run_id):
            continue  # by an earlier command
        replaced = [run for run in current.runs.values() if run_id in run.stale]
        if not replaced:
            raise ValueError(f"--accept {run_id}: no such stale result in this plan")
        request.home.accept(run_id, replaced[0].code)
        current = request.plan()
    return current


def _forced(request: Request, current: Plan) -> list[str]:
    """Runs to make again, with everything in the plan that was made from them; marked as new."""
    wanted = request.arguments.force
    found: dict[str, None] = {}
    for run_id in current.runs if "all" in wanted else wanted:
        if run_id not in current.runs:
            raise ValueError(f"--force {run_id}: no such run in this plan")
        found.update(dict.fromkeys(current.descendants(run_id)))
    there = [run_id for run_id in found if request.home.exists(run_id)]
    for run_id in there:
        current.runs[run_id] = dataclasses.replace(current.runs[run_id], state="new", damage=None)
    return there


def _move_aside(request: Request, run_ids: Sequence[str]) -> Plan:
    """Move runs aside and plan again."""
    for run_id in run_ids:
        target = request.home.move_aside(run_id)
        print(f"moved aside: {run_id} -> .aside/{target.name}", file=sys.stderr)
    return request.plan()


def _conclude(request: Request, current: Plan) -> int:
    """Collect, judge, write and show every table; the exit code."""
    from benchmarks.render import compose, markdown, write
    from benchmarks.results import judge, records

    code = FINE
    others = {t.name: t for t in find_tables(request.folder / "tables", ["all"])}
    for table in request.tables:
        frame = records.records(current, table, request.home)
        judged = judge.judge(frame, table, current.compares)
        sound = all(run.damage is None for run in current.of(table))
        complete = sound and bool(frame["status"].isin(["done", "accepted"]).all())
        shown = compose.compose(current, table, others, frame, judged, request.home)
        pictures = compose.pictures(shown, current, table, request.home, request.stages)
        files = write.write(shown, frame, pictures, request.out(complete))
        print(f"{table.heading}: {table.title} (scale: {request.scale.scale})\n")
        print(markdown.main_table(shown) + "\n")
        if shown.claims:
            print(markdown.claims(shown) + "\n")
        print("\n".join(markdown.order(shown)), flush=True)
        print("written: " + ", ".join(str(file) for file in files), file=sys.stderr)
        if not complete:
            code = max(code, INCOMPLETE)
        elif judged.faults(table):
            code = max(code, MISMATCH)
    failed = [run.id for run in current.runs.values() if run.state == "failed"]
    _explain(request.home, failed)
    blocked = [
        line for line in run_status.statuses(current, request.home) if line.state == "blocked"
    ]
    for line in blocked:
        print(f"blocked: {line.run}: {line.words}", file=sys.stderr)
    waiting = [run.id for run in current.runs.values() if run.state in ("running", "queued")]
    if waiting:
        print(f"{len(waiting)} runs are in the hands of another launch", file=sys.stderr)
    damaged = _name_damaged(current)
    return FAILED if failed or damaged else code


def _name_damaged(current: Plan) -> bool:
    """Say which runs are damaged, and what to do; whether there are any."""
    damaged = [run for run in current.runs.values() if run.damage is not None]
    for run in damaged:
        remedy = f"--force {run.id} moves the run aside and makes it again"
        print(f"damaged: {run.id}: {run.damage}; {remedy}", file=sys.stderr)
    return bool(damaged)


def _explain(home: Home, failed: Sequence[str]) -> None:
    for run_id in failed:
        print(f"failed: {run_id}: {home.reason(run_id)}", file=sys.stderr)
        log = home.log(run_id)
        for line in launcher.last_lines(log).splitlines() if is_regular(log) else ():
            print(f"    {line}", file=sys.stderr)

"""What one command does, step by step: plan, show, ask, launch, judge, write."""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.launch import display
from benchmarks.launch.launchers import launcher_of
from benchmarks.launch.request import Request, read
from benchmarks.plan import run_status
from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.read_tables import find_tables
from benchmarks.spec.table import Table
from benchmarks.store.files import is_regular
from benchmarks.store.home import Home
from benchmarks.store.records import Result, RunSpec
from slurm import launcher as processes

if TYPE_CHECKING:
    from benchmarks.render.document import Document

FINE, MISMATCH, INCOMPLETE, FAILED = 0, 1, 3, 4
STATUS_SECONDS = 5.0


def real_stages() -> Stages:
    """The module that reaches ``iicl``."""
    from benchmarks import stages

    return stages


def execute(arguments: argparse.Namespace, stages: Stages, folder: Path) -> int:
    """Do what the command line asks; the exit code.

    Args:
        arguments: of :mod:`benchmarks.run`.
        stages: carries stages out.
        folder: checkout whose ``tables`` and ``benchmarks/scales`` are read.

    Raises:
        ValueError: if something in the command, a table, a scale or the data given is wrong.
        OSError: if the file system or the scheduler fails.
    """
    request = read(arguments, stages, folder)
    launcher = launcher_of(request)
    plan = _accept(request, request.plan())
    if arguments.status:
        _show_status(request, plan)
        return FINE
    rates = Rates(_finished(request.home), launcher.known_speed(plan))
    if arguments.power:
        _show_power(request, plan, rates)
        return FINE
    mixture = run_status.mixture(plan, request.home)
    forced = _forced(request, plan)
    if arguments.dry_run:
        if launcher.remark:
            print(f"remark: nothing can be submitted: {launcher.remark}\n")
        display.show_plan(plan, rates, launcher.describe, mixture, to_stdout=True)
        display.show_scripts(launcher.preview(plan, rates), request.scale.device.unit)
        return FINE
    _check_data(request, plan)
    if not arguments.collect:
        if rates.speed is None and any(r.work.flops for r in plan.to_do()):
            rates.speed = launcher.measure(plan)
        display.show_plan(plan, rates, launcher.describe, mixture)
        has_work = bool(plan.to_do()) or any(c.to_prepare for c in plan.used_corpora())
        if has_work and not _is_allowed(arguments):
            return INCOMPLETE
        if forced:
            plan = _move_aside(request, forced)
        if has_work or arguments.yes:
            request.home.keep_claims(request.fixed_claims)  # before any run
            with request.home.launch():
                is_over = launcher.launch(plan, rates)
            if not is_over:
                return INCOMPLETE
            plan = request.plan()
    code = _conclude_all(request, plan)
    return FAILED if _name_faults(request, plan) else code


def _conclude_all(request: Request, plan: Plan) -> int:
    """Judge, write and show all tables, then their claims over the launch; the exit code."""
    from benchmarks.render import claims_table

    concluded = [_conclude(request, plan, table) for table in request.tables]
    documents = [document for document, _ in concluded if document.claims_family is not None]
    if len(documents) > 1:
        print("\n" + claims_table.claims_table(documents), flush=True)
    return max(code for _, code in concluded)


def _show_status(request: Request, plan: Plan) -> None:
    plans = itertools.chain([plan], iter(request.plan, None))
    display.show_status(
        lambda: list(run_status.statuses(next(plans), request.home)),
        refresh_seconds=STATUS_SECONDS,
    )
    if mixture := run_status.mixture(plan, request.home):
        print(mixture)


def _show_power(request: Request, plan: Plan, rates: Rates) -> None:
    from benchmarks.render.power_table import power_table
    from benchmarks.results.planning import planned_claims

    unit = request.scale.device.unit
    for table in request.tables:
        planned = planned_claims(plan, table, request.home, request.folder, rates)
        print(power_table(table, planned, len(plan.seeds[table.name]), unit) + "\n")


def _check_data(request: Request, plan: Plan) -> None:
    """Refuse a scale whose corpora neither are given nor can be generated."""
    missing = [c.name for c in plan.used_corpora() if c.missing and c.header is None]
    if missing:
        options = " ".join(f"--data {name}=PATH" for name in missing)
        raise ValueError(f"scale {request.scale.scale} needs a real copy: {options}")


def _finished(home: Home) -> list[tuple[RunSpec, Result]]:
    """The specifications and the results of the sound runs of a home."""
    finished = []
    for run in map(home.run, home.run_ids()):
        if run.is_done() and run.damage() is None:
            spec, result = run.spec(), run.result()
            if spec is not None and result is not None:
                finished.append((spec, result))
    return finished


def _is_allowed(arguments: argparse.Namespace) -> bool:
    """Whether the user lets the launch begin."""
    if arguments.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        print("nothing was run: there is no terminal to ask on; add --yes", file=sys.stderr)
        return False
    print("run this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _accept(request: Request, plan: Plan) -> Plan:
    """Record each ``--accept``, and plan again after it.

    Upstream runs come first, whatever the order on the command line: the code hash of a run
    contains that of its upstream.
    """
    waiting = list(request.arguments.accept)
    while waiting:
        code_of_stale = {run_id: run.code for run in plan.runs.values() for run_id in run.stale}
        run_id = next((i for i in code_of_stale if i in waiting), None)
        if run_id is None:
            break
        request.home.run(run_id).accept(code_of_stale[run_id])
        waiting.remove(run_id)
        plan = request.plan()
    for run_id in waiting:  # an earlier command may have accepted it
        if run_id not in plan.runs or not request.home.run(run_id).accepted():
            raise ValueError(f"--accept {run_id}: no such stale result in this plan")
    return plan


def _forced(request: Request, plan: Plan) -> list[str]:
    """The runs to move aside, with all runs of the home that rest on them; marks them as new.

    A run that rests on them and is not in the plan is moved aside too: it would be damaged. The
    next command that plans it makes it again.
    """
    named = request.arguments.force
    to_redo: dict[str, None] = {}
    for run_id in plan.runs if "all" in named else named:
        if run_id not in plan.runs:
            raise ValueError(f"--force {run_id}: no such run in this plan")
        to_redo.update(dict.fromkeys(plan.descendants(run_id)))
    if not to_redo:
        return []
    to_redo.update(dict.fromkeys(request.home.descendants(to_redo)))
    existing = [run_id for run_id in to_redo if request.home.run(run_id).exists()]
    for run_id in plan.runs.keys() & set(existing):
        plan.runs[run_id] = plan.runs[run_id].as_new()
    return existing


def _move_aside(request: Request, run_ids: Sequence[str]) -> Plan:
    """Move runs aside and plan again."""
    for run_id in run_ids:
        target = request.home.run(run_id).move_aside()
        print(f"moved aside: {run_id} -> .aside/{target.name}", file=sys.stderr)
    return request.plan()


def _conclude(request: Request, plan: Plan, table: Table) -> "tuple[Document, int]":
    """Judge, write and show a table; its document and the exit code that it asks for."""
    from benchmarks.render import compose, markdown, multiplicity, write
    from benchmarks.results import exploratory, judge, records

    others = {t.name: t for t in find_tables(request.folder / "tables", ["all"])}
    frame = records.records(plan, table, request.home)
    judged = judge.judge(frame, table, plan.compares)
    judged = exploratory.mark(judged, frame, table, request.home)
    is_sound = all(run.damage is None for run in plan.of(table))
    is_complete = is_sound and bool(frame["status"].isin(["done", "accepted"]).all())
    document = compose.compose(plan, table, others, frame, judged, request.home, request.stages)
    pictures = compose.pictures(document, plan, table, request.home, request.stages)
    files = write.write(document, frame, pictures, request.out(is_complete))
    print(f"{table.heading}: {table.title} (scale: {request.scale.scale})\n")
    print(markdown.main_table(document) + "\n")
    if document.claims:
        print("\n".join([*multiplicity.expected(document), markdown.claims(document)]) + "\n")
    print("\n".join(markdown.order(document)), flush=True)
    print("written: " + ", ".join(str(file) for file in files), file=sys.stderr)
    if not is_complete:
        return document, INCOMPLETE
    return document, MISMATCH if judged.faults(table) else FINE


def _name_faults(request: Request, plan: Plan) -> bool:
    """Say which runs failed, wait or are damaged; whether any failed or is damaged."""
    failed = [run.id for run in plan.runs.values() if run.state == "failed"]
    for run_id in failed:
        _explain_failure(request.home, run_id)
    for status in run_status.statuses(plan, request.home):
        if status.state == "blocked":
            print(f"blocked: {status.run}: {status.words}", file=sys.stderr)
    num_elsewhere = sum(run.state in ("running", "queued") for run in plan.runs.values())
    if num_elsewhere:
        print(f"{num_elsewhere} runs belong to another launch", file=sys.stderr)
    damaged = [run for run in plan.runs.values() if run.damage is not None]
    for run in damaged:
        remedy = f"--force {run.id} moves the run aside and makes it again"
        print(f"damaged: {run.id}: {run.damage}; {remedy}", file=sys.stderr)
    return bool(failed or damaged)


def _explain_failure(home: Home, run_id: str) -> None:
    run = home.run(run_id)
    print(f"failed: {run_id}: {run.reason()}", file=sys.stderr)
    log = run.log()
    for line in processes.last_lines(log).splitlines() if is_regular(log) else ():
        print(f"    {line}", file=sys.stderr)

"""A job of a cluster: it carries out runs, or a part of the preparation of a corpus.

Every task of the job calls :func:`carry_out`. The files of the runs say what happened. The exit
code tells Slurm whether jobs that wait for this one may start, and the job's script whether to
requeue it.
"""

import functools
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.store.home import Home
from benchmarks.store.run_folder import RunFolder
from slurm import task
from slurm.scheduler import AGAIN
from slurm.task import Task

DONE, FAILED = 0, 1


@dataclass(frozen=True)
class JobPayload:
    """What a job is submitted with.

    Attributes:
        target: the function that makes one attempt at one run, as ``module:function``.
        runs: its arguments for each run, ``run_id`` among them.
        stages: name of the module that carries stages out.
        home: root of the home folder that holds the runs.
        launch: token of the launch that claimed the runs.
        cluster: name of the cluster that has the job.
        site: name of its site, for the record.
        patience: how many attempts in a row may leave nothing new before a run counts as failed;
            0 for any number.
    """

    target: str
    runs: Sequence[Mapping[str, Any]]
    stages: str
    home: Path
    launch: str
    cluster: str
    site: str
    patience: int


def carry_out(payload: JobPayload) -> NoReturn:
    """Carry out runs one after another, except those that are done already.

    Raises:
        SystemExit: always: 0 if all are done, 1 if one failed or now belongs to another launch, and
            :data:`slurm.scheduler.AGAIN` if the job was interrupted.
        ValueError: if this is no task of a Slurm job.
    """
    this_task = task.enter()
    stages = importlib.import_module(payload.stages)
    code = DONE
    try:
        for arguments in payload.runs:
            code = max(code, _carry_out_run(payload, this_task, arguments))
    except Exception as problem:
        if stages.interruption(problem) is None:
            raise
        print(f"interrupted: {problem}", file=sys.stderr, flush=True)
        sys.exit(AGAIN)
    sys.exit(code)


def _carry_out_run(payload: JobPayload, this_task: Task, arguments: Mapping[str, Any]) -> int:
    """One attempt at a run, if the run still needs one and can have it; the exit code."""
    home = Home(payload.home)
    run = home.run(arguments["run_id"])
    stages = importlib.import_module(payload.stages)
    stages.listen(functools.partial(_leave, run, this_task.rank, len(run.attempts())))
    # All tasks read these files and decide alike: before the tasks of a run have met, none of them
    # writes any of the files.
    code = _known_end(payload, this_task, home, run, arguments)
    if code is not None:
        return code
    if this_task.rank == 0 and not run.take(payload.launch, payload.cluster, this_task.job):
        return FAILED
    _print_to(run.log(this_task.rank))
    place = {
        "launch": payload.launch,
        "site": payload.site,
        "job": this_task.job,
        "host": this_task.host,
        "num_ranks": this_task.num_tasks,
        "num_nodes": this_task.num_nodes,
    }
    module, name = payload.target.split(":")
    function = getattr(importlib.import_module(module), name)
    try:
        function(**arguments, place=place, rank=this_task.rank)
    except Exception as problem:
        if stages.interruption(problem) is not None:
            raise
        traceback.print_exc()
        return FAILED
    finally:
        if this_task.rank == 0 and (run.is_done() or run.failure() is not None):
            run.release()
    return DONE


def _known_end(
    payload: JobPayload, this_task: Task, home: Home, run: RunFolder, arguments: Mapping[str, Any]
) -> int | None:
    """The exit code for a run that no attempt is made at; None if one is to be made."""
    is_first = this_task.rank == 0
    lease = run.lease()
    is_own = lease is not None and lease.launch == payload.launch
    if (damage := run.damage()) is not None:
        print(f"{run.id}: {damage}", flush=True)
        if is_first and is_own:
            run.release()
        return FAILED
    if run.is_done():
        return DONE
    if run.failure() is not None:
        return FAILED
    if not is_own:
        print(f"{run.id} belongs to another launch", flush=True)
        return FAILED
    upstream = map(home.run, arguments.get("upstream", {}).values())
    missing = next((other for other in upstream if other.seal() is None), None)
    if missing is not None:
        reason = missing.damage() or "it is not finished"
        print(f"{run.id} needs {missing.id}: {reason}", flush=True)
        if is_first:
            run.release()
        return FAILED
    num_in_vain = run.num_in_vain(payload.launch)
    if payload.patience and num_in_vain >= payload.patience:
        if is_first:
            last = run.attempts()[-1]["ended"].replace("unknown", "killed")
            run.fail(f"{num_in_vain} attempts in a row got no further; the last was {last}")
            run.release()
        return FAILED
    return None


def _leave(run: RunFolder, rank: int, num_earlier: int, signal_name: str) -> NoReturn:
    """End this process in the middle of anything, and record that its attempt was stopped.

    Args:
        run: the run that the attempt is at.
        rank: number of this task; the first one writes the record.
        num_earlier: attempts before the one of this process, which are left as they are.
        signal_name: the signal that this process was stopped by.
    """
    try:
        # Not print: the signal may have come in the middle of another one.
        os.write(sys.stderr.fileno(), f"interrupted: stopped by {signal_name}\n".encode())
        begun = run.attempts()[num_earlier:]
        if rank == 0 and begun and begun[-1]["ended"] == "unknown":
            run.end_attempt(f"stopped by {signal_name}")
    finally:
        os._exit(AGAIN)


def _print_to(log: Path) -> None:
    """Send what this process prints from now on to the end of a file."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())

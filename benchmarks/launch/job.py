"""A job of a cluster: the runs, or the part of a preparation, that one submitted job carries out.

Every task of the job calls :func:`carry_out`. What happens is told by the files of the runs; the
exit code tells Slurm whether jobs that wait for this one may start, and the job's script whether it
is to be requeued.
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


def carry_out(work: JobPayload) -> NoReturn:
    """Carry out runs one after another; those that are done already are passed over.

    Raises:
        SystemExit: always: 0 if all are done, 1 if one failed or is another launch's by now, and
            :data:`slurm.scheduler.AGAIN` if the job was interrupted.
        ValueError: if this is no task of a Slurm job.
    """
    us = task.enter()
    stages = importlib.import_module(work.stages)
    ended = DONE
    try:
        for arguments in work.runs:
            ended = max(ended, _carry_out_one(work, us, arguments))
    except Exception as problem:
        if stages.interruption(problem) is None:
            raise
        print(f"interrupted: {problem}", file=sys.stderr, flush=True)
        sys.exit(AGAIN)
    sys.exit(ended)


def _carry_out_one(work: JobPayload, us: Task, arguments: Mapping[str, Any]) -> int:
    home, run_id = Home(work.home), arguments["run_id"]
    stages = importlib.import_module(work.stages)
    num_attempts = len(home.attempts(run_id))
    stages.listen(functools.partial(_leave, home, run_id, us.rank, num_attempts))
    # All tasks read these files and come to the same end: nobody writes any of them before all
    # tasks of a run with several have met.
    if (damage := home.damage(run_id)) is not None:
        print(f"{run_id}: {damage}", flush=True)
        claim = home.claimed(run_id)
        if us.rank == 0 and claim is not None and claim.launch == work.launch:
            home.release(run_id)
        return FAILED
    if home.is_done(run_id):
        return DONE
    if home.failure(run_id) is not None:
        return FAILED
    claim = home.claimed(run_id)
    if claim is None or claim.launch != work.launch:
        print(f"{run_id} is another launch's", flush=True)
        return FAILED
    lost = [i for i in arguments.get("upstream", {}).values() if home.seal_of(i) is None]
    if lost:
        why = home.damage(lost[0]) or "it is not finished"
        print(f"{run_id} needs {lost[0]}: {why}", flush=True)
        if us.rank == 0:
            home.release(run_id)
        return FAILED
    vain = home.num_in_vain(run_id, work.launch)
    if work.patience and vain >= work.patience:
        if us.rank == 0:
            last = home.attempts(run_id)[-1]["ended"].replace("unknown", "killed")
            home.fail(run_id, f"{vain} attempts in a row got no further; the last was {last}")
            home.release(run_id)
        return FAILED
    if us.rank == 0 and not home.take(run_id, work.launch, work.cluster, us.job):
        return FAILED
    _print_to(home.log(run_id, us.rank))
    place = {
        "launch": work.launch,
        "site": work.site,
        "job": us.job,
        "host": us.host,
        "num_ranks": us.num_tasks,
        "num_nodes": us.num_nodes,
    }
    module, function = work.target.split(":")
    try:
        getattr(importlib.import_module(module), function)(**arguments, place=place, rank=us.rank)
    except Exception as problem:
        if stages.interruption(problem) is not None:
            raise
        traceback.print_exc()
        return FAILED
    finally:
        if us.rank == 0 and (home.is_done(run_id) or home.failure(run_id) is not None):
            home.release(run_id)
    return DONE


def _leave(home: Home, run_id: str, rank: int, num_before: int, signal_name: str) -> NoReturn:
    """End this process amid anything; the attempt that it has begun was stopped, no earlier one."""
    try:
        # Not print: the signal may have come amid another one.
        os.write(sys.stderr.fileno(), f"interrupted: stopped by {signal_name}\n".encode())
        begun = home.attempts(run_id)[num_before:]
        if rank == 0 and begun and begun[-1]["ended"] == "unknown":
            home.end_attempt(run_id, f"stopped by {signal_name}")
    finally:
        os._exit(AGAIN)


def _print_to(log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())

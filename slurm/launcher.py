"""Runs jobs that depend on one another at a site: in this process or in processes beside it.

A job names its function as text, so that launching imports nothing of what it launches. Jobs of a
cluster go through :mod:`slurm.scheduler` instead: they outlive their launcher.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from slurm.site import ProcessSite

LAST_LINES = 12


@dataclass(frozen=True)
class Job:
    """One call to make.

    Attributes:
        id: unique among the jobs of a launch.
        target: the function, as ``module:function``; it is called with ``kwargs``.
        kwargs: keyword arguments, picklable.
        after: ids of the jobs that must have finished before this one starts.
        log: file that receives everything the call prints.
    """

    id: str
    target: str
    kwargs: Mapping[str, Any]
    after: tuple[str, ...]
    log: Path


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job; ``message`` says why it failed or what it waits for."""

    job: Job
    kind: Literal["started", "finished", "failed", "blocked"]
    message: str = ""


OnEvent = Callable[[JobEvent], None]


def launch(
    jobs: Sequence[Job],
    site: ProcessSite,
    *,
    preload: Sequence[str] = (),
    on_event: OnEvent = lambda event: None,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Run all jobs, each as soon as its predecessors have finished; earlier in ``jobs`` goes first.

    A job that fails fails alone: the jobs after it are blocked, all others run.

    Args:
        jobs: every job after those it waits for.
        site: where they run.
        preload: modules imported once, so that a fresh process per job starts in milliseconds.
        on_event: told of every start and end, in this thread.
        tick: called about twice a second while processes run, for a display.

    Returns:
        the kind of each job's last event by id: ``finished``, ``failed`` or ``blocked``.

    Raises:
        ValueError: if an id repeats, or a job waits for one that does not precede it.
        KeyboardInterrupt: after all running jobs have been stopped.
    """
    queue = _JobQueue(jobs, on_event)
    with environment(site.environment):
        BACKENDS[site.backend](queue, site, preload, tick)
    return queue.outcome


class _JobQueue:
    """The jobs that wait, and the outcome of the others."""

    def __init__(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        known: set[str] = set()
        for job in jobs:
            if job.id in known or not known.issuperset(job.after):
                raise ValueError(f"job {job.id!r} repeats, or precedes one that it waits for")
            known.add(job.id)
        self.waiting = list(jobs)
        self.outcome: dict[str, str] = {}
        self._on_event = on_event

    def next(self) -> Job | None:
        """Take the first job that can start now."""
        for job in self.waiting:
            if all(self.outcome.get(other) == "finished" for other in job.after):
                self.waiting.remove(job)
                self._on_event(JobEvent(job, "started"))
                return job
        return None

    def settle(self, job: Job, error: str | None) -> None:
        """Record a job's end and block the jobs that can no longer start."""
        self.outcome[job.id] = "failed" if error else "finished"
        self._on_event(JobEvent(job, "failed" if error else "finished", error or ""))
        for other in list(self.waiting):
            lost = [i for i in other.after if self.outcome.get(i) in ("failed", "blocked")]
            if lost:
                self.waiting.remove(other)
                self.outcome[other.id] = "blocked"
                self._on_event(JobEvent(other, "blocked", f"after {lost[0]}"))


def _call(target: str, kwargs: Mapping[str, Any]) -> None:
    module, function = target.split(":")
    getattr(importlib.import_module(module), function)(**kwargs)


def last_lines(log: Path) -> str:
    """The end of a log file, for a message."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def _run_inline(
    queue: _JobQueue, site: ProcessSite, preload: Sequence[str], tick: Callable[[], None]
) -> None:
    while job := queue.next():
        error = None
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a") as log, contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(log))
            stack.enter_context(contextlib.redirect_stderr(log))
            try:
                _call(job.target, job.kwargs)
            except Exception as exception:
                traceback.print_exc(file=log)
                error = f"{type(exception).__name__}: {exception}"
        queue.settle(job, error)
        tick()


def _run_local(
    queue: _JobQueue, site: ProcessSite, preload: Sequence[str], tick: Callable[[], None]
) -> None:
    context = _context(preload)
    running: list[tuple[BaseProcess, Job]] = []
    try:
        while running or queue.waiting:
            while len(running) < site.num_processes() and (job := queue.next()):
                process = context.Process(  # type: ignore[attr-defined]
                    target=_child, args=(job, dict(site.environment))
                )
                process.start()
                running.append((process, job))
            ended = connection.wait([p.sentinel for p, _ in running], timeout=0.5)
            for process, job in [r for r in running if r[0].sentinel in ended]:
                process.join()
                running.remove((process, job))
                queue.settle(job, _why(process.exitcode))
            tick()
    finally:
        for process, _ in running:
            _kill(process)


def _context(preload: Sequence[str]) -> BaseContext:
    """How fresh processes start: with ``preload`` imported, where that is safe."""
    if sys.platform != "linux":
        # On macOS a fork after the import of torch may abort: system libraries start threads.
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server is started by the first process and keeps this environment and these modules.
    context.set_forkserver_preload(list(preload))
    return context


def _why(exitcode: int | None) -> str | None:
    if exitcode == 0:
        return None
    if exitcode is not None and exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"ended with exit code {exitcode}"


def _kill(process: BaseProcess) -> None:
    """End a job and the processes it started."""
    # macOS says that signalling a group is not permitted when all its processes have ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()


def _child(job: Job, environment: Mapping[str, str]) -> None:
    # A session of its own: Ctrl-C reaches the launcher only, and the job can be ended as a group.
    os.setsid()
    os.environ.update(environment)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    _call(job.target, job.kwargs)


def _end_with_launcher() -> None:
    """End this process when its launcher is killed: it would write beside the next launch."""
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    connection.wait([launcher.sentinel])
    os.killpg(0, signal.SIGKILL)


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set a site's variables while inside; libraries read some of them once, when imported."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


BACKENDS: dict[str, Callable[[_JobQueue, ProcessSite, Sequence[str], Callable[[], None]], None]] = {
    "inline": _run_inline,
    "local": _run_local,
}

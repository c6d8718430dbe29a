"""What a person sees on a terminal: the plan before a launch, bars while it runs, the states."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table as Grid
from rich.text import Text

from benchmarks.plan import corpora
from benchmarks.plan.amounts import num_bytes
from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.plan.run_status import RunStatus
from benchmarks.store.home import Home

STATES = ("done", "running", "queued", "resume", "new", "failed", "stale", "blocked", "damaged")
SHOWN_FIRST = ("damaged", "failed", "running", "blocked", "resume")
WIDTH_WITHOUT_TERMINAL = 132
MAX_STALE_LINES = 20
COLUMNS = ("run", "state", "job", "progress", "last words")


def console(to_stdout: bool = False) -> Console:
    """A console that honours NO_COLOR and does not wrap a table in a log file."""
    file = sys.stdout if to_stdout else sys.stderr
    width = None if file.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


@dataclass(frozen=True)
class Preview:
    """An array of jobs that a launch would submit.

    Attributes:
        script: the text that sbatch would be given.
        num_jobs: jobs in it.
        num_runs: runs in them.
        seconds: that they take on one device, as far as that is known.
    """

    script: str
    num_jobs: int
    num_runs: int
    seconds: float


def show_plan(
    plan: Plan,
    rates: Rates,
    describe_site: Callable[[float], str],
    mixture: str,
    to_stdout: bool = False,
) -> None:
    """Show stages, states, hours to go and the origin of that estimate, site, data, stale runs.

    Args:
        plan: what to show.
        rates: how fast runs compute.
        describe_site: gives the site in words for the seconds to go on one device.
        mixture: says that finished runs stem from unlike processors; empty if they do not.
        to_stdout: in place of standard error.
    """
    grid, seconds, is_assumed = _by_stage(plan, rates)
    out = console(to_stdout)
    out.print(grid)
    if len(plan.tables) > 1:
        out.print(_by_table(plan, rates))
    out.print(
        f"{len(plan.runs)} runs; without sharing equal ones there would be"
        f" {plan.num_unshared(*plan.tables)}"
    )
    if is_assumed:
        device = plan.scale.device
        speed = f"{device.sustained_gflops:,.0f} GFLOP/s per {device.unit}"
        out.print(f"assumed, because no rate is measured yet: {speed} ({device.origin})")
    out.print(f"precision: {plan.precision}; {describe_site(seconds)}")
    for words in corpora.summaries(plan.used_corpora()):
        out.print(f"data: {words}")
    if size := corpora.bytes_to_come(plan.used_corpora()):
        out.print(f"data to generate and prepare: {num_bytes(size)} on disk")
    if mixture:
        out.print(mixture, soft_wrap=True)
    for run in plan.runs.values():
        if run.damage is not None:
            out.print(f"damaged: {run.id}: {run.damage}", markup=False, soft_wrap=True)
    stale = [other for run in plan.runs.values() for other in run.stale]
    for other in stale[:MAX_STALE_LINES]:
        out.print(f"stale, made by other code: {other}")
    if len(stale) > MAX_STALE_LINES:
        out.print(f"stale as well: {len(stale) - MAX_STALE_LINES} more")


def _by_stage(plan: Plan, rates: Rates) -> tuple[Grid, float, bool]:
    """One line for each stage, the seconds to go in all, and whether a rate is assumed in them."""
    unit, sustained = plan.scale.device.unit, plan.scale.device.sustained_gflops
    states = [s for s in STATES if any(r.state == s for r in plan.runs.values())]
    grid = Grid(title=f"plan, scale {plan.scale.scale}", title_justify="left")
    grid.add_column("stage")
    for column in ("runs", *states, f"{unit} hours to go"):
        grid.add_column(column, justify="right")
    grid.add_column("estimate")
    total, is_assumed = 0.0, False
    to_prepare = [c for c in plan.used_corpora() if c.to_prepare and c.generation is not None]
    if to_prepare:
        total, is_measured = rates.preparation_seconds(to_prepare)
        blanks, origin = [""] * len(states), "measured here" if is_measured else "assumed rate"
        grid.add_row("corpora", str(len(to_prepare)), *blanks, _hours(total), origin)
    for stage in dict.fromkeys(run.stage for run in plan.runs.values()):
        runs = [r for r in plan.runs.values() if r.stage == stage]
        to_go = [r for r in runs if r.state not in ("done", "running", "queued")]
        estimates = [rates.seconds(r.resolved, r.work, sustained) for r in to_go]
        seconds = sum(s for s, _ in estimates)
        total += seconds
        is_assumed |= any(s and not is_measured for s, is_measured in estimates)
        counts = [str(sum(r.state == s for r in runs)) for s in states]
        computes = any(r.work.flops for r in to_go)
        measured = [m for r, (_, m) in zip(to_go, estimates, strict=True) if r.work.flops]
        origin = _origin(measured if computes else [m for _, m in estimates], computes)
        grid.add_row(stage, str(len(runs)), *counts, _hours(seconds) if to_go else "0", origin)
    counts = [str(sum(r.state == s for r in plan.runs.values())) for s in states]
    grid.add_row("all", str(len(plan.runs)), *counts, _hours(total), "")
    return grid, total, is_assumed


def _by_table(plan: Plan, rates: Rates) -> Grid:
    """The hours of each table by itself, and those that it adds to the tables above it."""
    unit, sustained = plan.scale.device.unit, plan.scale.device.sustained_gflops
    grid = Grid(title="by table", title_justify="left")
    grid.add_column("table")
    for column in ("seeds", "runs", "without sharing", f"{unit} hours in all", "added hours"):
        grid.add_column(column, justify="right")
    counted: set[str] = set()
    for table in plan.tables:
        runs = plan.of(table)
        seconds = {r.id: rates.seconds(r.resolved, r.work, sustained)[0] for r in runs}
        for corpus in {r.corpus.path: r.corpus for r in runs}.values():
            if corpus.to_prepare:
                seconds[str(corpus.path)] = rates.preparation_seconds([corpus])[0]
        added = sum(s for key, s in seconds.items() if key not in counted)
        counted.update(seconds)
        seeds = str(len(plan.seeds[table.name]))
        counts = (str(len(runs)), str(plan.num_unshared(table)))
        grid.add_row(table.heading, seeds, *counts, _hours(sum(seconds.values())), _hours(added))
    return grid


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2f}"


def duration(seconds: float) -> str:
    """Seconds in words: minutes, hours or days."""
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"


def _origin(measured: Sequence[bool], computes: bool) -> str:
    if not measured:
        return ""
    if all(measured):
        return "measured here"
    if any(measured):
        return f"measured here for {sum(measured)} of {len(measured)}, else assumed"
    return "assumed rate" if computes else "not estimated"


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for one task; gives a function to call with items done and items in all."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console()) as bars:
        task = bars.add_task(text, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class ProgressDisplay:
    """One bar for all runs of a launch and one for each that is running now."""

    def __init__(self, home: Home, num_runs: int) -> None:
        self._home = home
        self._console = console()
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} % {task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._all = self._bars.add_task("all runs", total=num_runs, text="")
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def started(self, run_id: str) -> None:
        """Show a bar for a run, if there is none yet."""
        if run_id not in self._running:
            self._running[run_id] = self._bars.add_task(run_id, total=1.0, text="")

    def ended(self, run_id: str, how: str, why: str) -> None:
        """Take a run's bar away, and say how it ended unless it is finished."""
        if run_id in self._running:
            self._bars.remove_task(self._running.pop(run_id))
        self._bars.advance(self._all)
        if how != "finished" or not self._console.is_terminal:
            message = f": {why}" if why else ""
            self._console.print(f"{how}: {run_id}{message}")

    def tick(self) -> None:
        """Read how far the running stages are."""
        for run_id, task in self._running.items():
            fraction, text = self._home.run(run_id).progress()
            self._bars.update(task, completed=fraction, text=text)


def show_scripts(previews: Sequence[Preview], unit: str) -> None:
    """Show the text that sbatch would be given for each array, and how long its jobs take."""
    out = console(to_stdout=True)
    for number, preview in enumerate(previews, start=1):
        jobs = f"{preview.num_jobs} job{'' if preview.num_jobs == 1 else 's'}"
        out.print(
            f"\nARRAY{number}: {jobs}, {preview.num_runs} runs,"
            f" {_hours(preview.seconds)} {unit} hours"
        )
        out.print(preview.script, soft_wrap=True)


def show_status(read: Callable[[], Sequence[RunStatus]], *, refresh_seconds: float) -> None:
    """Show every run's state; on a terminal again and again until no run is running or queued."""
    out = console(to_stdout=True)
    statuses = read()
    if not out.is_terminal:
        from tabulate import tabulate

        # Ten times as fast as a grid of rich, and nothing is cut off.
        cells = map(_cells, statuses)
        out.file.write(tabulate(cells, COLUMNS, "plain", disable_numparse=True) + "\n")
        out.print(_counts(statuses))
        return
    with Live(_screen(statuses, out.height), console=out, auto_refresh=False) as live:
        while any(status.state in ("running", "queued") for status in statuses):
            time.sleep(refresh_seconds)
            statuses = read()
            live.update(_screen(statuses, out.height), refresh=True)


def _screen(statuses: Sequence[RunStatus], height: int) -> Group:
    """What fits: counts, and the runs that are not done, running ones first."""
    order = {state: i for i, state in enumerate(SHOWN_FIRST)}
    unfinished = sorted(
        (status for status in statuses if status.state != "done"),
        key=lambda status: order.get(status.state, len(order)),
    )
    visible = unfinished[: max(1, height - 6)]
    num_hidden = len(unfinished) - len(visible)
    grid = Grid(box=None, pad_edge=False)
    for column in COLUMNS:
        grid.add_column(column, no_wrap=True, overflow="ellipsis")
    for status in visible:
        grid.add_row(*map(Text, _cells(status)))
    rest = f"; {num_hidden} more not shown" if num_hidden else ""
    return Group(grid, _counts(statuses) + rest)


def _cells(status: RunStatus) -> tuple[str, ...]:
    progress = "" if status.progress is None else f"{100 * status.progress:.0f} %"
    return status.run, status.state, status.job, progress, status.words


def _counts(statuses: Sequence[RunStatus]) -> str:
    states = Counter(status.state for status in statuses)
    return f"{len(statuses)} runs: " + ", ".join(f"{n} {s}" for s, n in states.most_common())

"""What ``--status`` shows: every run's state, job, progress and last words."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan.graph import Plan
from benchmarks.store import provenance
from benchmarks.store.files import is_regular
from benchmarks.store.home import Home
from benchmarks.store.run_folder import RunFolder

TAIL_BYTES = 4096


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes:
        run: its id.
        state: as the plan has it; ``blocked`` also if it waits for one that failed or is damaged.
        job: id of the job that has it or had it last; empty if there was none.
        progress: finished fraction, 0-1, of a run that has begun and not ended.
        words: why it waits, failed, or is blocked or damaged, or the last line that it printed.
    """

    run: str
    state: str
    job: str
    progress: float | None
    words: str


def statuses(plan: Plan, home: Home) -> Iterator[RunStatus]:
    """The runs of a plan in their order, after the preparations that the home knows of.

    Args:
        plan: made just now; its states are taken as they are.
        home: the home that it was made from.
    """
    preparing = home.preparations()
    preparations = map(preparing.run, preparing.run_ids())
    yield from _statuses(preparing, ((r.id, r.state(), r.damage(), ()) for r in preparations))
    runs = plan.runs.values()
    yield from _statuses(home, ((r.id, r.state, r.damage, r.upstream.values()) for r in runs))


def _statuses(
    home: Home, runs: Iterable[tuple[str, str, str | None, Collection[str]]]
) -> Iterator[RunStatus]:
    """The statuses of runs, given as id, state, damage and the runs that they need."""
    lost: dict[str, str] = {}  # run -> the failed or damaged one that it waits for
    for run_id, state, damage, upstream in runs:
        if state == "done":
            yield RunStatus(run_id, state, "", None, "")
            continue
        run = home.run(run_id)
        job, progress, words = _job(run), None, ""
        cause = next((lost[other] for other in upstream if other in lost), None)
        if damage is not None:
            lost[run_id], words = run_id, damage
        elif state == "failed":
            lost[run_id], words = run_id, run.reason()
        elif state == "queued":
            entry = run.queue_entry()
            words = "" if entry is None or entry[1] == "None" else entry[1]
        elif state == "running":
            progress, words = run.progress()[0], last_line(run.log())
        elif cause is not None:
            lost[run_id], state, words = cause, "blocked", f"after {cause}"
        elif state == "resume":
            progress, words = run.progress()[0], last_line(run.log())
        elif job:
            words = "its job ended before it began"
        yield RunStatus(run_id, state, job, progress, " ".join(words.split()))


def mixture(plan: Plan, home: Home) -> str:
    """A line if finished runs of a plan were computed on unlike processors; else empty."""
    attempts = {i: home.run(i).attempts() for i, run in plan.runs.items() if run.state == "done"}
    counts = Counter(provenance.processor_of(made) for made in attempts.values() if made)
    if len(counts) < 2:
        return ""
    words = "; ".join(f"{number} on {name}" for name, number in counts.most_common())
    return f"the finished runs were computed on unlike processors: {words}"


def _job(run: RunFolder) -> str:
    """The job that has a run, or had it last; empty if there was none."""
    lease = run.lease()
    if lease is not None and lease.job:
        return lease.job
    attempts = run.attempts()
    return str(attempts[-1].get("job", "")) if attempts else ""


def last_line(log: Path) -> str:
    """The last line in a file that is not blank; empty if there is none."""
    if not is_regular(log):
        return ""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")

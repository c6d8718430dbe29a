"""What ``--status`` shows: every run's state, job, progress and last words."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan.graph import Plan
from benchmarks.store.files import is_regular
from benchmarks.store.home import Home

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
        plan: made just now; its states are not asked for again.
        home: that it was made from.
    """
    first = home.preparations()
    preparations = ((i, first.run(i).state(), first.run(i).damage(), ()) for i in first.run_ids())
    yield from _lines(first, preparations)
    runs = plan.runs.values()
    yield from _lines(home, ((r.id, r.state, r.damage, r.upstream.values()) for r in runs))


def _lines(
    home: Home, runs: Iterable[tuple[str, str, str | None, Collection[str]]]
) -> Iterator[RunStatus]:
    """One line per run, given as id, state, damage and the runs that it needs."""
    lost: dict[str, str] = {}  # run -> the failed or damaged one that it waits for
    for run_id, state, damage, before in runs:
        if state == "done":
            yield RunStatus(run_id, state, "", None, "")
            continue
        job, progress, words = _job(home, run_id), None, ""
        cause = next((lost[i] for i in before if i in lost), None)
        if damage is not None:
            lost[run_id], words = run_id, damage
        elif state == "failed":
            lost[run_id] = run_id
            words = home.run(run_id).reason()
        elif state == "queued":
            entry = home.run(run_id).queue_entry()
            words = "" if entry is None or entry[1] == "None" else entry[1]
        elif state == "running":
            progress, words = home.run(run_id).progress()[0], last_line(home.run(run_id).log())
        elif cause is not None:
            lost[run_id], state, words = cause, "blocked", f"after {cause}"
        elif state == "resume":
            progress, words = home.run(run_id).progress()[0], last_line(home.run(run_id).log())
        elif job:
            words = "its job ended before it began"
        yield RunStatus(run_id, state, job, progress, " ".join(words.split()))


def _job(home: Home, run_id: str) -> str:
    claim = home.run(run_id).lease()
    if claim is not None and claim.job:
        return claim.job
    attempts = home.run(run_id).attempts()
    return str(attempts[-1].get("job", "")) if attempts else ""


def last_line(log: Path) -> str:
    """The last line in a file that is not blank; empty if there is none."""
    if not is_regular(log):
        return ""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")

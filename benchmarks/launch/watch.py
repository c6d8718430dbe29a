"""Waiting for submitted runs."""

import sys
import time
from collections.abc import Collection

from benchmarks.launch.display import ProgressDisplay
from benchmarks.store.home import Home
from benchmarks.store.run_folder import RunFolder

WATCH_SECONDS = 2.0


def watch(home: Home, run_ids: Collection[str]) -> None:
    """Show the progress of runs until no launch and no job has any of them.

    While Slurm does not answer, nobody knows which runs are over: that is said once.
    """
    waiting = dict.fromkeys(run_ids)
    has_complained = False
    with ProgressDisplay(home, len(waiting)) as bars:
        while waiting:
            for run_id in list(waiting):
                try:
                    state = home.run(run_id).state()
                except OSError as problem:
                    if not has_complained:
                        print(f"{problem}; waiting until it does", file=sys.stderr)
                    has_complained = True
                    break
                if state == "running":
                    bars.started(run_id)
                elif state != "queued":
                    del waiting[run_id]
                    bars.ended(run_id, *_end(home.run(run_id), state))
            bars.tick()
            if waiting:
                time.sleep(WATCH_SECONDS)


def _end(run: RunFolder, state: str) -> tuple[str, str]:
    """How a run ended, and why."""
    if state == "done":
        return "finished", ""
    if state == "failed":
        return "failed", run.reason()
    if state == "damaged":
        return "damaged", str(run.damage())
    return "ended without a result", "cancelled, or after one that failed"

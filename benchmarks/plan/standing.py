"""How a planned run stands in a home: its state, and results of other code that may stand in."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.store.home import Home

RunState = Literal[
    "done", "running", "queued", "resume", "new", "failed", "stale", "blocked", "damaged"
]


@dataclass(frozen=True)
class Standing:
    """The state of a run.

    Attributes:
        state: from the files, or ``blocked`` when it cannot start: its data is not given, or a run
            that it is made from is damaged or blocked.
        stale: ids of finished runs with the same specification and other code.
        damage: why its records cannot be believed, if they cannot.
    """

    state: RunState
    stale: tuple[str, ...] = ()
    damage: str | None = None


@dataclass(frozen=True)
class FoundRun:
    """A run of a home: its name, the full hash of the code that makes it, and how it stands."""

    id: str
    code: str
    standing: Standing


class Standings:
    """Looks planned runs up in a home, which it lists once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._named: set[str] = set()
        self._finished: dict[str, list[str]] = {}  # by the name without its hash of code
        for run_id in home.run_ids():
            if home.run(run_id).is_done():
                self._finished.setdefault(run_id.rpartition(".")[0], []).append(run_id)

    def find(self, run_id: str, spec: str, code: str, is_blocked: bool) -> FoundRun:
        """The run whose result counts, and its state.

        A person may have accepted a result of other code for the present code; then that run is
        found in place of the one asked for.

        Args:
            run_id: the run as the present code would make it.
            spec: full hash of its specification.
            code: full hash of its code.
            is_blocked: its data is not given, or a run that it is made from cannot be used.
        """
        finished = self._finished.get(run_id.rpartition(".")[0], [])
        others = [] if run_id in finished else self._sound(finished, spec)
        for other in others:
            if code in self._home.run(other).accepted():
                accepted = self._home.run(other).spec()
                assert accepted is not None
                run_id, code = other, accepted["identity"]["code"]
                break
        run = self._home.run(run_id)
        damage = run.damage(spec, code)
        state: RunState = "damaged" if damage is not None else run.state()
        stale = tuple(other for other in others if other != run_id) if state != "done" else ()
        if state == "new" and stale:
            state = "stale"
        if state not in ("done", "damaged") and is_blocked:
            state = "blocked"
        return FoundRun(run_id, code, Standing(state, stale, damage))

    def _sound(self, run_ids: Sequence[str], spec: str) -> list[str]:
        """The finished runs that may stand in; says which of them are damaged, once."""
        sound = []
        for run_id in run_ids:
            damage = self._home.run(run_id).damage(spec, run_id.rpartition(".")[2])
            if damage is None:
                sound.append(run_id)
            elif run_id not in self._named:
                self._named.add(run_id)
                print(f"of other code, does not stand in: {run_id}: {damage}", file=sys.stderr)
        return sound

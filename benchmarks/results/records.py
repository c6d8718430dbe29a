"""From a plan's finished runs to long-form records: one line per row, column, seed and fold."""

import statistics

import pandas as pd

from benchmarks.plan.graph import Plan, Run
from benchmarks.results.verdict import Values
from benchmarks.spec.table import Table
from benchmarks.store import provenance
from benchmarks.store.files import DamagedFileError
from benchmarks.store.home import Home

COLUMNS = [
    "table",
    "row",
    "group",
    "block",
    "column",
    "metric",
    "seed",
    "fold",
    "status",
    "value",
    "chance",
    "num_evaluated",
    "num_expected",
    "item_error",
    "num_groups",
    "selection",
    "scale",
    "precision",
    "run",
    "commit",
    "claims",
    "processor",
]


def records(plan: Plan, table: Table, home: Home) -> pd.DataFrame:
    """One line per row, column, seed and fold; ``value`` and ``chance`` are fractions, 0-1.

    ``item_error`` is the standard error of the value over test items, those of one recording taken
    as one of the ``num_groups``; a fraction, and empty where the value is no mean over items.

    ``status`` is ``done``, ``accepted`` (other code made it, a person let it stand), ``stale``
    (other code made it), ``damaged``, or the state of the run that is still missing. ``claims`` is
    the digest of the claims that were fixed when the run was launched; earlier runs have none.
    ``processor`` names all processors that a value was computed on, those of the runs below it too.
    """
    lines, processors = [], _Processors(home)
    for cell in plan.cells:
        if cell.table is not table:
            continue
        run = plan.runs[cell.run]
        column = table.columns[cell.column]
        status, source = _shown(run, home)
        result = home.run(source).result() if source else None
        attempts = home.run(source).attempts() if source else []
        metrics = result["metrics"] if result else {}
        errors = result.get("item_errors", {}).get(column.metric) if result else None
        if result and column.metric not in metrics:
            known = ", ".join(metrics)
            raise ValueError(f"{source} has no metric {column.metric!r}; it has: {known}")
        lines.append(
            {
                "table": table.name,
                "row": cell.row,
                "group": "paper" if cell.row in table.rows else "control",
                "block": table.all_rows[cell.row].block,
                "column": cell.column,
                "metric": column.metric,
                "seed": cell.seed,
                "fold": cell.fold,
                "status": status,
                "value": metrics.get(column.metric),
                "chance": result.get("chance", {}).get(column.metric) if result else None,
                "num_evaluated": result.get("num_evaluated") if result else None,
                "num_expected": result.get("num_expected") if result else None,
                "item_error": errors["standard_error"] if errors else None,
                "num_groups": errors["num_groups"] if errors else None,
                "selection": result.get("selection") if result else None,
                "scale": plan.scale.scale,
                "precision": plan.precision,
                "run": source or run.id,
                "commit": attempts[-1]["commit"] if attempts else None,
                "claims": attempts[-1].get("claims") if attempts else None,
                "processor": processors.of(source) if source else None,
            }
        )
    frame = pd.DataFrame(lines, columns=COLUMNS)
    return frame.astype(dict.fromkeys(("num_evaluated", "num_expected", "num_groups"), "Int64"))


class _Processors:
    """Looks up what the values of a home were computed on; each run is read once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._found: dict[str, list[str]] = {}

    def of(self, run_id: str) -> str:
        """The processors of a run and of all runs that it rests on; ``unknown`` of a damaged one.

        What is damaged is named where the table says which of its runs are.
        """
        return " and ".join(dict.fromkeys(self._of(run_id)))

    def _of(self, run_id: str) -> list[str]:
        if run_id not in self._found:
            run = self._home.run(run_id)
            try:
                spec = run.spec()
            except DamagedFileError:
                return ["unknown"]
            below = spec["upstream"].values() if spec is not None else ()
            before = [name for other in below for name in self._of(other)]
            self._found[run_id] = [*before, *provenance.processors_of(run.attempts())]
        return self._found[run_id]


def _shown(run: Run, home: Home) -> tuple[str, str | None]:
    """A run's status in a record, and the finished run whose result is shown, if any."""
    if run.state == "done":
        return ("accepted" if home.run(run.id).accepted() else "done"), run.id
    if run.stale:
        latest = max(run.stale, key=lambda i: (home.run(i).finished_at(), i))
        return "stale", latest
    return run.state, None


def part(frame: pd.DataFrame, row: str, column: str) -> pd.DataFrame:
    """The records of a cell."""
    return frame[(frame["row"] == row) & (frame["column"] == column)]


def per_seed(frame: pd.DataFrame, row: str, column: str) -> Values:
    """Percentages of a cell by seed, folds averaged; only seeds with all folds."""
    cell = part(frame, row, column)
    return {
        seed: 100 * statistics.fmean(cell[cell["seed"] == seed]["value"])
        for seed in sorted(set(cell["seed"].tolist()))
        if cell[cell["seed"] == seed]["value"].notna().all()
    }

"""Which sources of variation a table's intervals cover."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.plan.graph import Run
from benchmarks.spec.table import Table
from benchmarks.store.home import Home


def covers(runs: Iterable[Run], table: Table, num_seeds: int) -> str:
    """A sentence: what differs between the seeds of a table, and what they have in common.

    Args:
        runs: that the table rests on.
        table: the table.
        num_seeds: of every row; one seed has no interval.
    """
    if num_seeds == 1:
        return ""
    paths: dict[str, set[Path]] = {}
    for run in runs:
        paths.setdefault(run.corpus.name, set()).add(run.corpus.path)
    own = [name for name, found in paths.items() if len(found) > 1]
    common = [name for name, found in paths.items() if len(found) == 1]
    num_folds = max(len(protocol.folds) for protocol in table.protocols.values())
    varies = ["the training seed"]
    varies += [f"the corpus seed ({', '.join(own)})"] if own else []
    fixed = [f"corpora: all seeds share {', '.join(common)}"] if common else []
    fixed += ["test items", "processors"]
    folds = " A value is the mean over its folds, which is no source of it." if num_folds > 1 else ""
    return (
        f"An interval covers {' and '.join(varies)}. It does not cover other"
        f" {'; nor other '.join(fixed)}.{folds}"
    )


def processors(runs: Sequence[Run], home: Home) -> list[str]:
    """The processors that a table's finished runs were made on, in alphabetical order."""
    attempts = [home.run(run.id).attempts() for run in runs if run.state == "done"]
    return sorted({str(last[-1]["processor"]) for last in attempts if last})

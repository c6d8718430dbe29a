"""Which sources of variation the intervals of a table cover."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from benchmarks.plan.amounts import numbers
from benchmarks.plan.graph import Plan
from benchmarks.spec.table import Table


@dataclass(frozen=True)
class Variation:
    """A source of variation of a table's numbers.

    Attributes:
        source: its name.
        is_covered: whether it differs between the seeds of the table, so that a 95 % interval over
            them covers its other values too.
        of: what it concerns: the seeds, the corpora, the folds of a corpus, or the processors.
    """

    source: Literal["training seed", "corpus seed", "fold", "processor"]
    is_covered: bool
    of: tuple[str, ...]


def variations(plan: Plan, table: Table, processors: Collection[str]) -> list[Variation]:
    """The sources of variation of a table, those that its intervals cover and those they do not.

    A corpus that is generated anew for each seed has other items in the train and the test split of
    a fold each time: the interval covers both. All seeds share the splits of any other corpus.
    Folds are averaged within a seed and are no further sample. Processors are never covered: where
    there are several, which seed met which one is chance.

    Args:
        plan: holds the table's runs.
        table: the table.
        processors: those that its values were computed on; empty before anything has run.
    """
    seeds = plan.seeds[table.name]
    read = list(dict.fromkeys(run.corpus.name for run in plan.of(table)))
    anew = [name for name in read if len(seeds) > 1 and plan.corpora.follows_run(name)]
    folds: dict[str, set[int]] = {}
    for cell in plan.cells:
        if cell.table is table:
            folds.setdefault(plan.runs[cell.run].corpus.name, set()).add(cell.fold)
    found = [Variation("training seed", len(seeds) > 1, (numbers(seeds),))]
    for is_covered in (True, False):
        names = tuple(name for name in read if (name in anew) is is_covered)
        tested = tuple(
            f"{name} {numbers(of_corpus)}"
            for name, of_corpus in folds.items()
            if (name in anew) is is_covered
        )
        found += [Variation("corpus seed", is_covered, names)] if names else []
        found += [Variation("fold", is_covered, tested)] if tested else []
    return [*found, Variation("processor", False, tuple(sorted(set(processors))))]

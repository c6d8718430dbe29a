"""What a plan is: runs with their states, and the cells that they fill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.plan.corpora import Corpora, UsedCorpus
from benchmarks.plan.standing import RunState, Standing
from benchmarks.spec.prices import Work
from benchmarks.spec.scale import Scale
from benchmarks.spec.table import Table


@dataclass(frozen=True)
class Run:
    """One stage with everything resolved.

    Attributes:
        id: its name and its folder's.
        resolved: as ``stages.resolve`` gave it, with the seed.
        corpus: the data it reads.
        upstream: ids of the runs whose files it reads, by role.
        spec: full hash of what it is.
        code: full hash of the code that makes it.
        work: what it computes.
        standing: its state in the home.
    """

    id: str
    resolved: Mapping[str, Any]
    corpus: UsedCorpus
    upstream: Mapping[str, str]
    spec: str
    code: str
    work: Work
    standing: Standing

    @property
    def state(self) -> RunState:
        """See :class:`benchmarks.plan.standing.Standing`."""
        return self.standing.state

    @property
    def stale(self) -> tuple[str, ...]:
        """See :class:`benchmarks.plan.standing.Standing`."""
        return self.standing.stale

    @property
    def damage(self) -> str | None:
        """See :class:`benchmarks.plan.standing.Standing`."""
        return self.standing.damage

    def as_new(self) -> "Run":
        """The run as it will stand once its folder is moved aside."""
        return replace(self, standing=Standing("new", self.stale))

    @property
    def stage(self) -> str:
        """The stage's name."""
        return str(self.resolved["stage"])

    def record(self) -> dict[str, Any]:
        """The content of ``spec.json``."""
        return {
            "identity": {"spec": self.spec, "code": self.code},
            "resolved": dict(self.resolved),
            "upstream": dict(self.upstream),
            "corpus": {
                "name": self.corpus.name,
                "seed": self.corpus.seed,
                "hash": self.corpus.hash,
                "is": self.corpus.summary,
            },
            "clips": self.work.clips,
            "flops": self.work.flops,
        }


@dataclass(frozen=True)
class PlannedCell:
    """The cell of a table that a run's metric fills."""

    table: Table
    row: str
    column: str
    seed: int
    fold: int
    run: str


@dataclass
class Plan:
    """All runs in an order that can be executed, and the cells they fill."""

    tables: Sequence[Table]
    scale: Scale
    corpora: Corpora
    precision: str
    seeds: Mapping[str, Sequence[int]]
    runs: dict[str, Run] = field(default_factory=dict)
    cells: list[PlannedCell] = field(default_factory=list)

    def to_do(self) -> list[Run]:
        """Runs that are neither finished nor under way nor impossible nor damaged."""
        return [r for r in self.runs.values() if r.state in ("new", "resume", "failed", "stale")]

    def given_all_data(self) -> list[Run]:
        """Runs to do, and those that are blocked by nothing but data that is not given."""
        hopeless = {
            dependent
            for run in self.runs.values()
            if run.state == "damaged"
            for dependent in self.descendants(run.id)
        }
        states = ("new", "resume", "failed", "stale", "blocked")
        return [r for r in self.runs.values() if r.state in states and r.id not in hopeless]

    @property
    def compares(self) -> bool:
        """Whether absolute numbers may be compared with the paper's."""
        return self.scale.compares and not any(c.stands_in for c in self.used_corpora())

    def used_corpora(self) -> list[UsedCorpus]:
        """The corpora that runs read, each once."""
        return list({r.corpus.path: r.corpus for r in self.runs.values()}.values())

    def of(self, table: Table) -> list[Run]:
        """The runs that a table rests on, in an executable order."""
        wanted = {cell.run for cell in self.cells if cell.table is table}
        for run in reversed(list(self.runs.values())):
            if run.id in wanted:
                wanted.update(run.upstream.values())
        return [run for run in self.runs.values() if run.id in wanted]

    def num_unshared(self, *tables: Table) -> int:
        """The number of runs if each measurement made everything it rests on anew.

        A measurement gives all columns of its protocol for one row, seed and fold.
        """
        rests_on: dict[str, set[str]] = {}
        for run in self.runs.values():
            rests_on[run.id] = {run.id}.union(*(rests_on[i] for i in run.upstream.values()))
        measured = {
            (c.table.name, c.row, c.table.columns[c.column].protocol, c.seed, c.fold): c.run
            for c in self.cells
            if c.table in tables
        }
        return sum(len(rests_on[run]) for run in measured.values())

    def descendants(self, run_id: str) -> list[str]:
        """A run and all runs that depend on it, in order."""
        dependent = {run_id}
        for run in self.runs.values():
            if dependent.intersection(run.upstream.values()):
                dependent.add(run.id)
        return [i for i in self.runs if i in dependent]


def by_longest_chain(runs: Mapping[str, Run]) -> Iterator[Run]:
    """Runs in an executable order; of those that can start, the longest chain comes first.

    Args:
        runs: each after those that it depends on.
    """
    to_go: dict[str, float] = {}  # operations of a run and of the longest chain after it
    for run in reversed(list(runs.values())):
        to_go[run.id] = to_go.get(run.id, 0.0) + run.work.flops + 1.0
        for other in run.upstream.values():
            to_go[other] = max(to_go.get(other, 0.0), to_go[run.id])
    order = sorted(runs, key=lambda i: -to_go[i])
    return (runs[i] for i in order)

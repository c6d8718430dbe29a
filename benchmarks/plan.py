"""Table x scale x seeds -> the graph of runs that gives every cell, and the state of each run.

Equal runs are one run, whoever needs them: rows share what does not differ between them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from benchmarks import cost, identity
from benchmarks.corpora import UsedCorpus
from benchmarks.spec import PRETRAIN_KEYS, Column, Scale, Settings, Table
from benchmarks.store import Home

RunState = Literal["done", "running", "resume", "new", "failed", "stale", "blocked"]
CODE = Path(__file__).parents[1]
PRECISE_STAGES = ("pretrain", "features", "finetune")  # those that run an encoder


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
        state: from the files, or ``blocked`` when it cannot start: its data is not given.
        stale: ids of finished runs with the same specification and other code.
    """

    id: str
    resolved: Mapping[str, Any]
    corpus: UsedCorpus
    upstream: Mapping[str, str]
    spec: str
    code: str
    work: cost.Work
    state: RunState
    stale: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """The stage's name."""
        return str(self.resolved["stage"])


@dataclass(frozen=True)
class Cell:
    """Where one run's metric goes."""

    table: Table
    row: str
    column: str
    seed: int
    fold: int
    run: str


@dataclass
class Plan:
    """All runs in an order that can be executed, and the cells they fill."""

    scale: Scale
    corpora: Mapping[str, UsedCorpus]
    precision: str
    seeds: Mapping[str, Sequence[int]]
    runs: dict[str, Run] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    num_unshared: int = 0

    def to_do(self) -> list[Run]:
        """Runs that are neither finished nor under way nor impossible."""
        return [r for r in self.runs.values() if r.state in ("new", "resume", "failed", "stale")]

    @property
    def compares(self) -> bool:
        """Whether absolute numbers may be compared with the paper's."""
        return self.scale.compares and not any(c.stands_in for c in self.used_corpora())

    def used_corpora(self) -> list[UsedCorpus]:
        """The corpora that runs read, each once."""
        return list({r.corpus.path: r.corpus for r in self.runs.values()}.values())

    def descendants(self, run_id: str) -> list[str]:
        """A run and all runs that depend on it, in order."""
        found = {run_id}
        for run in self.runs.values():
            if found.intersection(run.upstream.values()):
                found.add(run.id)
        return [i for i in self.runs if i in found]


def make(
    tables: Sequence[Table],
    scale: Scale,
    *,
    seeds: Sequence[int] | None,
    precision: str,
    corpora: Mapping[str, UsedCorpus],
    home: Home,
    stages: ModuleType,
    code: Path = CODE,
) -> Plan:
    """Plan tables at a scale.

    Args:
        tables: from :mod:`benchmarks.spec`.
        scale: the overlay.
        seeds: in place of those of each table.
        precision: ``bf16`` or ``float32``; part of every encoder run's identity.
        corpora: from :func:`benchmarks.corpora.resolve`.
        home: where results are.
        stages: resolves settings and names code.
        code: the folder that holds the package ``iicl``.

    Raises:
        SpecError: with file and line, if a setting of a table or scale does not exist.
    """
    plan = Plan(
        scale, corpora, precision, {t.name: list(seeds or t.defaults.seeds) for t in tables}
    )
    builder = _Builder(plan, home, stages, code)
    for table in tables:
        for name, column in table.columns.items():
            if column.corpus not in corpora:
                raise table.error(("columns", name, "corpus"), _no_corpus(column.corpus, corpora))
        for row, spec in table.all_rows.items():
            asked = table.pretrain(row)["corpus"]
            if asked not in corpora:
                raise table.setting_error(row, "corpus", _no_corpus(asked, corpora))
            if spec.cited or spec.unavailable:
                continue
            for seed in plan.seeds[table.name]:
                for name, column in table.columns.items():
                    for fold in column.folds:
                        run = builder.cell(table, row, column, seed, fold)
                        known = stages.metrics(builder.runs[run].resolved)
                        if column.metric not in known:
                            raise table.error(
                                ("columns", name, "metric"),
                                f"{column.stage} has no metric {column.metric!r};"
                                f" it has: {', '.join(known)}",
                            )
                        plan.cells.append(Cell(table, row, name, seed, fold, run))
    plan.num_unshared = sum(builder.chain_length(cell.run) for cell in plan.cells)
    plan.runs = {run.id: run for run in _by_longest_chain(builder.runs)}
    return plan


class _Builder:
    def __init__(self, plan: Plan, home: Home, stages: ModuleType, code: Path) -> None:
        self.runs: dict[str, Run] = {}
        self._plan, self._home, self._stages, self._code = plan, home, stages, code
        self._pretrained: dict[tuple[str, str, int], str] = {}
        self._finished: dict[str, list[str]] = {}
        for run_id in home.run_ids():
            if home.state(run_id) == "done":
                self._finished.setdefault(run_id.rpartition(".")[0], []).append(run_id)

    def cell(self, table: Table, row: str, column: Column, seed: int, fold: int) -> str:
        """Add the runs that one cell needs; the id of the one that holds its metric."""
        corpus = self._plan.corpora[column.corpus]
        self._need(corpus, f"{fold}/train", f"{fold}/test")
        encoder = self._pretrain(table, row, seed)
        method = self.runs[encoder].resolved["method"]["name"]
        if column.stage == "finetune":
            settings = {"corpus": column.corpus, "fold": fold, "seed": seed}
            return self._stage("finetune", settings, {"encoder": encoder}, method)
        settings = {"corpus": column.corpus, "seed": seed}
        features = self._stage("features", settings, {"encoder": encoder}, method)
        settings = {"corpus": column.corpus, "fold": fold, "seed": seed}
        return self._stage(column.stage, settings, {"features": features}, method)

    def _pretrain(self, table: Table, row: str, seed: int) -> str:
        key = (table.name, row, seed)
        if key not in self._pretrained:
            settings = self._pretrain_settings(table, row)
            upstream: dict[str, str] = {}
            try:
                phases = self._resolve("pretrain", {**settings, "seed": seed})
            except ValueError as problem:
                raise _blame(problem, table, row, self._plan.scale) from None
            for phase in phases:
                sound = phase["method"]["name"] == "iicl" and phase["silent_items"] == "drop"
                split = "1/train/with_sound" if sound else "1/train"
                self._need(self._corpus(phase), split)
                run = self._add(phase, upstream, phase["method"]["name"])
                upstream = {"previous": run}
            self._pretrained[key] = run
        return self._pretrained[key]

    def _pretrain_settings(self, table: Table, row: str) -> Settings:
        """The nested settings of the stage: the table's flat ones under the scale's overlay."""
        flat, scale = table.pretrain(row), self._plan.scale
        for name, values in scale.replace.items():
            if name in flat:
                if not isinstance(flat[name], int) or flat[name] not in values:
                    known = ", ".join(str(v) for v in values)
                    message = (
                        f"{name}: {flat[name]!r} has no value at scale {scale.scale} ({known})"
                    )
                    raise table.setting_error(row, name, message)
                flat[name] = values[flat[name]]
        method = {k: v for k, v in flat.items() if k not in PRETRAIN_KEYS}
        others = {k: v for k, v in flat.items() if k in PRETRAIN_KEYS and k != "method"}
        return {**others, "method": {"name": flat["method"], **method}}

    def _stage(
        self, stage: str, settings: Settings, upstream: Mapping[str, str], method: str
    ) -> str:
        try:
            (resolved,) = self._resolve(stage, settings)
        except ValueError as problem:
            raise self._plan.scale.error(("stages", stage), _words(problem)) from None
        return self._add(resolved, upstream, method)

    def _resolve(self, stage: str, settings: Settings) -> list[dict[str, Any]]:
        scale = self._plan.scale
        shared: Settings = {}
        if stage in PRECISE_STAGES:
            shared = {**scale.encoder_stages, "precision": self._plan.precision}
        overlay = scale.stages.get(stage, {})  # type: ignore[call-overload]
        corpus = {"corpus": self._plan.corpora[settings["corpus"]].name}
        return list(self._stages.resolve(stage, {**shared, **overlay, **settings, **corpus}))

    def _corpus(self, resolved: Mapping[str, Any]) -> UsedCorpus:
        return next(c for c in self._plan.corpora.values() if c.name == resolved["corpus"])

    def _need(self, corpus: UsedCorpus, *splits: str) -> None:
        """Refuse a corpus without items that a run reads, before hours go by.

        Raises:
            ValueError: if a prepared corpus has none of them, or the scale expects none.
        """
        for split in splits:
            if corpus.counts.get(split):
                continue
            if corpus.header is None:
                where = ("corpora", corpus.name, "counts")
                raise self._plan.scale.error(where, f"a table needs {split}, not counted here")
            hint = ""
            if corpus.header["reader"] == "folder" and "/test" in split:
                hint = "; class folders below train/ and test/ are fold 1"
            raise ValueError(f"{corpus.name}: {corpus.origin}, none usable for {split}{hint}")

    def _add(self, resolved: dict[str, Any], upstream: Mapping[str, str], method: str) -> str:
        corpus = self._corpus(resolved)
        before = {role: self.runs[i] for role, i in upstream.items()}
        spec = identity.digest(
            [
                resolved,
                {corpus.name: corpus.hash},
                {role: run.spec for role, run in before.items()},
            ]
        )
        modules = self._stages.code_modules(resolved)
        code = identity.code_hash(self._code, modules, [run.code for run in before.values()])
        run_id = identity.run_id(method, resolved, spec, code)
        if run_id in self.runs:
            return run_id
        others = self._finished.get(run_id.rpartition(".")[0], [])
        for other in [] if run_id in others else others:
            if code in self._home.accepted(other):
                accepted = self._home.spec(other)
                assert accepted is not None
                run_id, code = other, accepted["identity"]["code"]
                break
        state: RunState = self._home.state(run_id)
        stale = tuple(other for other in others if other != run_id) if state != "done" else ()
        if state == "new" and stale:
            state = "stale"
        if state != "done" and (
            (corpus.header is None and corpus.missing)
            or any(run.state == "blocked" for run in before.values())
        ):
            state = "blocked"
        work = cost.work(resolved, corpus.counts)
        self.runs[run_id] = Run(
            run_id, resolved, corpus, dict(upstream), spec, code, work, state, stale
        )
        return run_id

    def chain_length(self, run_id: str) -> int:
        """Runs that one cell would take if nothing were shared."""
        return 1 + sum(self.chain_length(i) for i in self.runs[run_id].upstream.values())


def _by_longest_chain(runs: Mapping[str, Run]) -> Iterator[Run]:
    """Runs in an executable order; of those that could start, the longest way to go comes first."""
    to_go: dict[str, float] = {}
    for run in reversed(list(runs.values())):  # runs were added after what they depend on
        to_go[run.id] = to_go.get(run.id, 0.0) + run.work.flops + 1.0
        for other in run.upstream.values():
            to_go[other] = max(to_go.get(other, 0.0), to_go[run.id])
    order = sorted(runs, key=lambda i: -to_go[i])
    return (runs[i] for i in order)


def _no_corpus(name: str, corpora: Mapping[str, UsedCorpus]) -> str:
    return f"no corpus {name!r} at this scale; known: {', '.join(corpora)}"


def _words(problem: ValueError) -> str:
    """A validation error as one line."""
    errors = getattr(problem, "errors", None)
    if errors is None:
        return str(problem)
    first = errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])} is {first['input']!r}: {first['msg']}"


def _blame(problem: ValueError, table: Table, row: str, scale: Scale) -> ValueError:
    """The error at the line that holds the offending setting, in the table or in the scale."""
    errors = getattr(problem, "errors", None)
    parts = [str(part) for part in errors()[0]["loc"]] if errors else []
    for part in reversed(parts):
        if part in table.pretrain(row):
            return table.setting_error(row, part, _words(problem))
    if parts and parts[0] == "method":
        return table.setting_error(row, "method", _words(problem))
    for section in (
        ("stages", "pretrain"),
        ("stages", "pretrain", "length"),
        ("encoder_stages",),
    ):
        held: Any = scale.model_dump()
        for key in section:
            held = held.get(key, {})
        if parts and parts[0] in held:
            return scale.error((*section, *parts), _words(problem))
    return table.setting_error(row, "method", _words(problem))

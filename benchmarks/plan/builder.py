"""Table x scale x seeds -> the graph of runs that gives every cell, and the state of each run.

Equal runs are one run: rows share what does not differ between them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plan import identity, row_settings
from benchmarks.plan.check_scale import check_scale
from benchmarks.plan.corpora import Corpora, UsedCorpus
from benchmarks.plan.graph import Plan, PlannedCell, Run, by_longest_chain
from benchmarks.plan.stage_functions import Stages
from benchmarks.plan.standing import Standings
from benchmarks.spec.scale import Scale
from benchmarks.spec.setting_errors import pretraining_error, setting_error
from benchmarks.spec.table import Settings, Table, overlay
from benchmarks.store import files
from benchmarks.store.home import Home
from slurm.strict_yaml import KeyPath, SpecError

CODE = Path(__file__).parents[2]


def make(
    tables: Sequence[Table],
    scale: Scale,
    *,
    seeds: Sequence[int] | None,
    precision: str,
    corpora: Corpora,
    home: Home,
    stages: Stages,
    code: Path = CODE,
) -> Plan:
    """Plan tables at a scale.

    Args:
        tables: from :mod:`benchmarks.spec.table`.
        scale: the overlay.
        seeds: in place of those of each table.
        precision: of the encoders; part of every encoder run's identity.
        corpora: from :func:`benchmarks.plan.corpora.resolve`.
        home: where results are.
        stages: resolves settings and names code.
        code: the folder that holds the package ``iicl``.

    Raises:
        SpecError: with file and line, if a setting of a table or scale does not exist.
    """
    plan = Plan(
        tables, scale, corpora, precision, {t.name: list(seeds or t.defaults.seeds) for t in tables}
    )
    builder = _Builder(plan, home, stages, code)
    check_scale(scale, stages)
    for table in tables:
        _check_names(table, corpora, stages)
        for row, spec in table.all_rows.items():
            if not spec.runs:
                continue
            for seed in plan.seeds[table.name]:
                for name, column in table.columns.items():
                    if name in spec.not_measured:
                        continue
                    for fold in table.protocol(name).folds:
                        run = builder.cell(table, row, column.protocol, seed, fold)
                        if column.metric not in builder.metrics(run):
                            raise table.error(
                                ("columns", name, "metric"),
                                f"{builder.runs[run].stage} has no metric {column.metric!r};"
                                f" it has: {', '.join(builder.metrics(run))}",
                            )
                        plan.cells.append(PlannedCell(table, row, name, seed, fold, run))
    plan.runs = {run.id: run for run in by_longest_chain(builder.runs)}
    return plan


def _check_names(table: Table, corpora: Corpora, stages: Stages) -> None:
    """Check that the stages and corpora that a table names exist.

    Raises:
        SpecError: with file and line.
    """
    known = f"no corpus %r at this scale; known: {', '.join(corpora)}"
    for name, protocol in table.protocols.items():
        if protocol.stage not in stages.STAGES:
            message = f"unknown stage {protocol.stage!r}; known: {', '.join(stages.STAGES)}"
            raise table.error(("protocols", name, "stage"), message)
        if protocol.corpus not in corpora:
            raise table.error(("protocols", name, "corpus"), known % protocol.corpus)
    for name, row in table.all_rows.items():
        if row.corpus is not None and row.corpus not in corpora:
            raise table.error((table.section(name), name, "corpus"), known % row.corpus)
        if (asked := table.pretrain(name)["corpus"]) not in corpora:
            raise table.setting_error(name, "corpus", known % asked)


def _clips(table: Table, row: str) -> list[tuple[KeyPath, Settings]]:
    """Where the settings of a row's clips stand, the row's own first; then the row itself."""
    of_row: KeyPath = (table.section(row), row)
    return [
        ((*of_row, "clip"), table.all_rows[row].clip),
        (("defaults", "clip"), table.defaults.clip),
        (of_row, {}),
    ]


class _Builder:
    """Collects the runs of a plan, each once."""

    def __init__(self, plan: Plan, home: Home, stages: Stages, code: Path) -> None:
        self.runs: dict[str, Run] = {}
        self._plan, self._stages, self._code = plan, stages, code
        self._pretrained: dict[tuple[str, str, str, int], str] = {}
        self._measured: dict[tuple[str, str, str, int, int], str] = {}
        self._metrics: dict[str, tuple[str, ...]] = {}
        self._standings = Standings(home)

    def cell(self, table: Table, row: str, name: str, seed: int, fold: int) -> str:
        """Add the runs that one measurement needs; the id of the one that holds its metrics."""
        key = (table.name, row, name, seed, fold)
        if key not in self._measured:
            self._measured[key] = self._measure(table, row, name, seed, fold)
        return self._measured[key]

    def metrics(self, run: str) -> tuple[str, ...]:
        """Names of the metrics that a run's result will have."""
        if run not in self._metrics:
            self._metrics[run] = self._stages.metrics(self.runs[run].resolved)
        return self._metrics[run]

    def _measure(self, table: Table, row: str, name: str, seed: int, fold: int) -> str:
        protocol, own = table.protocols[name], table.all_rows[row].evaluate.get(name, {})
        section = table.section(row)
        own = row_settings.replaced(
            own,
            self._plan.scale,
            lambda key, message: table.error((section, row, "evaluate", name, key), message),
        )
        common = {"corpus": table.corpus(row, name), "seed": seed}
        settings = {**overlay(protocol.settings, own), **common, "fold": fold}
        clip = table.clip(row)
        try:
            resolved = self._resolve(protocol.stage, clip, settings)
        except ValueError as problem:
            raise setting_error(
                problem,
                table,
                self._plan.scale,
                protocol.stage,
                [
                    ((section, row, "evaluate", name), own),
                    (("protocols", name, "settings"), protocol.settings),
                    *_clips(table, row),
                ],
            ) from None
        corpus = self._corpus(resolved)
        self._need(corpus, *(f"{fold}/{split}" for split in self._stages.splits(resolved)))
        encoder = self._pretrain(table, row, name, seed)
        method = self.runs[encoder].resolved["method"]["name"]
        upstream: dict[str, str] = {}

        def refused(message: str) -> SpecError:
            return table.error((section, row), f"{name}: {message}")

        for role, features_asked in self._stages.needs(resolved).items():
            if features_asked is None:
                upstream[role] = encoder
                continue
            try:
                asked = {**overlay(protocol.features, dict(features_asked)), **common}
                features = self._resolve("features", clip, asked)
            except ValueError as problem:
                raise setting_error(
                    problem,
                    table,
                    self._plan.scale,
                    "features",
                    [
                        (("protocols", name, "features"), protocol.features),
                        *_clips(table, row),
                    ],
                ) from None
            upstream[role] = self._add(features, {"encoder": encoder}, method, refused)
        return self._add(resolved, upstream, method, refused)

    def _pretrain(self, table: Table, row: str, protocol: str, seed: int) -> str:
        key = (table.name, row, protocol, seed)
        if key not in self._pretrained:
            flat = table.pretrain(row, protocol)
            settings = row_settings.pretraining(self._plan, self._stages, table, row, flat)
            upstream: dict[str, str] = {}
            try:
                phases = self._stages.resolve("pretrain", {**settings, "seed": seed})
            except ValueError as problem:
                raise pretraining_error(problem, table, row, flat, self._plan.scale) from None
            divisor = table.all_rows[row].epochs_divided_by
            for phase in phases:
                phase["epochs"] = math.ceil(phase["epochs"] / divisor)
                needed = phase["optimisation"]["batch_size"] if phase["epochs"] else 1
                items = self._stages.items_trained_on(phase)
                self._need(self._corpus(phase), items, at_least=needed)
                run = self._add(phase, upstream, phase["method"]["name"], ValueError)
                upstream = {"previous": run}
            self._pretrained[key] = run
        return self._pretrained[key]

    def _resolve(self, stage: str, clip: Settings, settings: Settings) -> dict[str, Any]:
        corpus = {"corpus": self._plan.corpora.serving(settings["corpus"])}
        merged = {**overlay(row_settings.shared(self._plan, stage, clip), settings), **corpus}
        (resolved,) = self._stages.resolve(stage, merged)
        return resolved

    def _corpus(self, resolved: Mapping[str, Any]) -> UsedCorpus:
        return self._plan.corpora.of(resolved["corpus"], resolved["seed"])

    def _need(self, corpus: UsedCorpus, *splits: str, at_least: int = 1) -> None:
        """Refuse a corpus without the items that a run reads, before hours go by.

        Raises:
            ValueError: if a prepared corpus has fewer of them, or the scale expects none.
        """
        for split in splits:
            count = corpus.counts.get(split, 0)
            if count >= at_least or (count and corpus.header is None):
                continue
            if corpus.header is None:
                where = ("corpora", corpus.name, "counts")
                raise self._plan.scale.error(where, f"a table needs {split}, not counted here")
            hint = ""
            if corpus.header["reader"] == "folder" and "/test" in split:
                hint = "; class folders below train/ and test/ are fold 1"
            fold, part, *with_sound = split.split("/")
            views = " that have both video and sound" if with_sound else ""
            least = f", fewer than one batch of {at_least}" if count else ""
            what = f"{count or 'none'} usable for {part} of fold {fold}{views}"
            raise ValueError(f"{corpus.name}: {corpus.origin}, {what}{least}{hint}")

    def _add(
        self,
        resolved: dict[str, Any],
        upstream: Mapping[str, str],
        method: str,
        refused: Callable[[str], ValueError],
    ) -> str:
        """Add a run unless it is there; ``refused`` makes the error of a missing encoder."""
        corpus = self._corpus(resolved)
        before = {role: self.runs[i] for role, i in upstream.items()}
        spec = files.digest(
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
        is_blocked = (corpus.header is None and corpus.missing) or any(
            run.state in ("blocked", "damaged") for run in before.values()
        )
        run = self._standings.find(run_id, spec, code, is_blocked)
        encoder = before.get("encoder")
        try:
            work = self._stages.work(resolved, corpus.counts, encoder.resolved if encoder else None)
        except ValueError as problem:
            raise refused(str(problem)) from None
        self.runs[run.id] = Run(
            run.id, resolved, corpus, dict(upstream), spec, run.code, work, run.standing
        )
        return run.id

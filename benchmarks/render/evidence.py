"""What a table's numbers rest on: data, cost, provenance, training curves."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from benchmarks.plan.corpora import by_name, summaries
from benchmarks.plan.graph import Plan, Run
from benchmarks.render import document
from benchmarks.spec.table import Table
from benchmarks.store import files
from benchmarks.store.files import DamagedFileError
from benchmarks.store.home import Home
from benchmarks.store.records import check

MAX_CURVE_POINTS = 200
CURVE_DIGITS = 4
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def data(runs: Iterable[Run], home: Home) -> Iterable[document.Data]:
    """The corpora that runs read, each once; a damaged picture of one is left out.

    A corpus that is generated with several seeds is one line, with the picture of the first seed.
    """
    for name, corpora in by_name(run.corpus for run in runs).items():
        manifests = [corpus.hash[:12] for corpus in corpora if corpus.header]
        ends = f"; manifest{'s' * (len(manifests) > 1)} {', '.join(manifests)}" if manifests else ""
        sheet = f"{name}.png" if _is_readable(corpora[0].sheet, home) else None
        yield document.Data(f"{'; '.join(summaries(corpora))}{ends}", sheet)


def _is_readable(picture: Path, home: Home) -> bool:
    try:
        file = files.open_to_read(picture)
    except DamagedFileError as problem:
        home.notices.say_once(problem, "the picture is left out")
        return False
    if file is not None:
        file.close()
    return file is not None


def costs(runs: Sequence[Run], home: Home) -> Iterable[document.Cost]:
    """What finished runs cost, by stage."""
    for stage in dict.fromkeys(run.stage for run in runs):
        of_stage = [run for run in runs if run.stage == stage]
        done = [run for run in of_stage if run.damage is None]
        results = [result for run in done if (result := home.run(run.id).result()) is not None]
        rates = [rate for result in results if (rate := result.get("clips_per_second"))]
        peak = max((r.get("peak_memory_bytes", 0) for r in results), default=0)
        yield document.Cost(
            stage,
            len(results),
            len(of_stage),
            sum(len(home.run(run.id).attempts()) for run in done),
            sum(result["seconds"] * result.get("num_ranks", 1) for result in results) / 3600,
            statistics.median_high(rates) if rates else None,
            peak / 2**30 if peak else None,
            tuple(sorted({_where(a[-1]) for run in done if (a := home.run(run.id).attempts())})),
        )


def _where(attempt: Mapping[str, Any]) -> str:
    """The site of an attempt, and its ranks if it had several."""
    site, num_ranks = str(attempt["site"]), attempt["num_ranks"]
    return f"{site}, {num_ranks} ranks on {attempt['num_nodes']} nodes" if num_ranks > 1 else site


def provenance(plan: Plan, runs: Sequence[Run], frame: pd.DataFrame, home: Home) -> Iterable[str]:
    """What made the numbers of the table; several values mean that runs differ."""
    run_ids = [run.id for run in runs if run.state == "done"]
    run_ids += sorted(set(frame[frame["status"] == "stale"]["run"]))
    last = [attempts[-1] for i in run_ids if (attempts := home.run(i).attempts())]
    if not last:
        yield "no run has finished"
        return

    def every(key: str) -> str:
        return ", ".join(sorted({str(dict(attempt)[key]) for attempt in last}))

    commit = every("commit")
    packages = sorted({f"{k} {v}" for a in last for k, v in a["packages"].items()})
    yield f"commit {commit}" + (" (+: with uncommitted changes)" if "+" in commit else "")
    yield (
        f"processor {every('processor')}, {every('cores')} cores, {every('threads')} thread(s) per"
        f" run; GPU {every('gpu')}"
    )
    yield f"precision {plan.precision}; Python {every('python')}; {', '.join(packages)}"
    yield from _exchange(runs)
    seeds = ", ".join(str(seed) for seed in sorted(set(frame["seed"])))
    yield f"seeds {seeds}; every line of the CSV names its run"
    unsealed = sum("digest" not in (home.run(run_id).result() or {}) for run_id in run_ids)
    if unsealed:
        yield (
            f"{unsealed} of {len(run_ids)} results carry no digest: they were made before results"
            " had one, and nobody would notice a changed digit in them"
        )


def _exchange(runs: Iterable[Run]) -> Iterable[str]:
    """A sentence if pretrainings add up the gradients of their ranks in float32."""
    trainings = [run.resolved for run in runs if run.stage == "pretrain"]
    rounded = [r for r in trainings if r["optimisation"].get("gradient_exchange") == "float32"]
    if rounded:
        yield (
            f"{len(rounded)} of {len(trainings)} pretrainings add up the gradients of their ranks"
            " in float32, so that the last digits of their numbers depend on how many ranks there"
            " were"
        )


def other_code(frame: pd.DataFrame) -> Iterable[document.OtherCode]:
    """Results in the table that other code than the present one made."""
    for status, text in (
        (
            "stale",
            "was made by other code than this checkout's and stands in until it is run again",
        ),
        ("accepted", "was made by other code than this checkout's; a person accepted it by name"),
    ):
        for run in sorted(set(frame[frame["status"] == status]["run"])):
            yield document.OtherCode(run, text)


def damaged(runs: Iterable[Run]) -> Iterable[document.Damaged]:
    """Runs whose records cannot be believed, and why."""
    for run in runs:
        if run.damage is not None:
            yield document.Damaged(run.id, run.damage)


def curves(plan: Plan, table: Table, home: Home) -> Iterable[document.Curve]:
    """The losses of the pretrainings with the first seed; rows that share one share its curve."""
    seed = plan.seeds[table.name][0]
    rows: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.table is table and cell.seed == seed:
            row = table.all_rows[cell.row]
            label = ", ".join([row.label, *row.about.values()])
            todo = [cell.run]
            while todo:
                run = plan.runs[todo.pop()]
                todo += run.upstream.values()
                if run.stage == "pretrain" and label not in rows.setdefault(run.id, []):
                    rows[run.id].append(label)
    for run in plan.of(table):
        if run.id in rows and run.state == "done":
            path = home.run(run.id).files / "metrics.jsonl"
            try:
                steps = _steps(path)
            except DamagedFileError as problem:
                home.notices.say_once(problem, "its curve is left out")
                continue
            if steps:
                yield curve(rows[run.id], str(run.resolved["phase"]), seed, steps)


def _steps(path: Path) -> list[dict[str, float]]:
    """What a training recorded, step by step.

    Raises:
        DamagedFileError: if a line holds no numbers, or other ones than the first.
    """
    steps: list[dict[str, float]] = []
    for number, line in enumerate((files.read_bytes(path) or b"").splitlines(), start=1):
        try:
            step = check(files.parse_json(line, path), dict[str, Number], path)
        except DamagedFileError as problem:
            raise DamagedFileError(path, f"line {number}: {problem.why}") from None
        if "step" not in step or (steps and step.keys() != steps[0].keys()):
            raise DamagedFileError(path, f"line {number}: it does not hold what others hold")
        steps.append(step)
    return steps


def curve(
    rows: Sequence[str], phase: str, seed: int, records: Sequence[Mapping[str, Any]]
) -> document.Curve:
    """A training curve thinned to ``MAX_CURVE_POINTS``, the first and last record among them.

    Args:
        rows: labels of the rows that rest on the run.
        phase: of the pretraining.
        seed: of the run.
        records: one per recorded step; learning rates are left out.
    """
    last, points = len(records) - 1, MAX_CURVE_POINTS - 1
    chosen = sorted({round(i * last / points) for i in range(points + 1)})
    names = [key for key in records[0] if key != "step" and not key.startswith("rate_")]
    terms = {
        name: tuple(float(f"{records[i][name]:.{CURVE_DIGITS}g}") for i in chosen) for name in names
    }
    return document.Curve(
        tuple(rows), phase, seed, tuple(int(records[i]["step"]) for i in chosen), terms
    )

"""How each column of a table is measured, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from benchmarks.plan.graph import Plan, Run
from benchmarks.render import document
from benchmarks.spec.table import ColumnSpec, Table

CHOICES = (
    "view", "space", "centred", "items", "assign", "num_clusters", "classifier", "galleries",
    "evaluate_on",
)  # fmt: skip
"""Settings of a protocol that a reader needs to know what was measured."""


def measured(plan: Plan, table: Table, frame: pd.DataFrame) -> Iterable[document.Measured]:
    """How the columns are measured, by protocol, and which rows differ in that."""
    for name, protocol in table.protocols.items():
        columns = {key: c for key, c in table.columns.items() if c.protocol == name}
        cells = [c for c in plan.cells if c.table is table and c.column in columns]
        if not cells:
            continue
        runs = list({cell.run: plan.runs[cell.run] for cell in cells}.values())
        row_of = {cell.run: table.all_rows[cell.row].label for cell in cells}
        choices = _by_rows({row_of[run.id]: _choices(run.resolved) for run in runs})
        metrics = ", ".join(dict.fromkeys(column.metric for column in columns.values()))
        corpora = " and ".join(dict.fromkeys(str(run.resolved["corpus"]) for run in runs))
        folds = ", ".join(str(fold) for fold in protocol.folds)
        clips = _by_rows({row_of[run.id]: _clips(plan, run) for run in runs})
        part = frame[frame["column"].isin(columns)]
        chosen = f"; {choices}" if choices else ""
        says = (
            f"{metrics} in percent, by {protocol.stage} on {corpora}, fold {folds}{chosen};"
            f" {clips}; {_evaluated(part)}; {_selection(part)}{_counting(columns, part)}"
        )
        yield document.Measured(tuple(c.label for c in columns.values()), says)


def _by_rows(words_of_row: Mapping[str, str]) -> str:
    """What holds for the rows; where they differ, with the labels of the rows it holds for."""
    rows: dict[str, list[str]] = {}
    for row, words in words_of_row.items():
        rows.setdefault(words, []).append(row)
    if len(rows) == 1:
        return next(iter(rows))
    return "; ".join(f"{words} ({', '.join(labels)})" for words, labels in rows.items() if words)


def _counting(columns: Mapping[str, ColumnSpec], part: pd.DataFrame) -> str:
    """How uncertain a mean over the test items of one seed is."""
    words = []
    rows = part[part["group"] == "paper"].dropna(subset=["value", "item_error"])
    for name, of_column in rows.groupby("column", sort=False):
        num_groups = int(of_column["num_groups"].min())
        half_width = 100 * of_column["item_error"].mean() * stdtrit(num_groups - 1, 0.975)
        words.append(
            f"{columns[str(name)].label} {100 * of_column['value'].mean():.1f} ± {half_width:.1f}"
            f" ({num_groups:,} recordings)"
        )
    interval = "t interval over test items, those of one recording as one (95 %)"
    return f"; {interval}: {', '.join(words)}" if words else ""


def _choices(resolved: Mapping[str, Any]) -> str:
    words = []
    for key in CHOICES:
        value = resolved.get(key)
        if value is not None:
            text = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"{key.replace('num_', 'number of ')} {text}")
    return ", ".join(words)


def _clips(plan: Plan, run: Run) -> str:
    """The clips that an item's value rests on: the run's own, or those of its features."""
    if run.stage == "pretext":
        return f"the samples of the method, once, in batches of {run.resolved['batch_size']} items"
    sources = [plan.runs[i] for i in run.upstream.values() if plan.runs[i].stage == "features"]
    return " and ".join(
        _views(source.resolved) + _encoder(plan, source) for source in sources or [run]
    )


def _encoder(plan: Plan, run: Run) -> str:
    """The encoder by its name, where it is not the default of its view."""
    if "encoder" not in run.upstream:
        return ""
    encoders = plan.runs[run.upstream["encoder"]].resolved["encoders"]
    name = encoders.get(run.resolved.get("view", "video"))
    return f", encoder {name}" if name is not None else ""


def _views(resolved: Mapping[str, Any]) -> str:
    clip, view = resolved["clip"], resolved.get("view", "video")
    text = f"mean over {resolved['num_clips']} evenly spaced clips"
    if view == "audio":
        return (
            f"{text} of {clip['audio_seconds']:g} s of sound, {clip['mel_bins']} x"
            f" {clip['spectrogram_frames']} log-mel"
        )
    crops = resolved.get("num_crops", 1)
    return (
        f"{text} x {crops} {'crop' if crops == 1 else 'crops'} of {clip['num_frames']} frames,"
        f" {clip['size']} x {clip['size']}, {clip['fps']:g} fps"
    )


def _evaluated(part: pd.DataFrame) -> str:
    known = part.dropna(subset=["num_evaluated"])
    pairs = sorted(set(zip(known["num_evaluated"], known["num_expected"], strict=True)))
    text = " or ".join(f"{int(a):,} of {int(b):,}" for a, b in pairs)
    return f"{text} items evaluated" if text else "not evaluated yet"


def _selection(part: pd.DataFrame) -> str:
    rules = sorted(set(part["selection"].dropna()))
    if rules == ["last"]:
        return "the last state is the one reported"
    return f"selection: {', '.join(rules)}" if rules else "no selection yet"

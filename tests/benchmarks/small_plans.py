"""The plan of one small table, and the settings that a row has in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fake_stages
from fake_checkout import ROOT

from benchmarks.plan import builder, corpora
from benchmarks.plan.graph import Plan
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.scale import load_scale
from benchmarks.store.home import Home

DESK = ROOT / "benchmarks" / "scales" / "desk.yaml"


def plan(folder: Path, text: str, scale_path: Path = DESK) -> Plan:
    """A table at desk scale, or at another one."""
    path = folder / "table2.yaml"
    path.write_text(text)
    scale, home = load_scale(scale_path), Home(folder)
    return builder.make(
        [load_table(path)],
        scale,
        seeds=[0],
        precision="float32",
        corpora=corpora.resolve(scale, {}, home, fake_stages, ROOT),
        home=home,
        stages=fake_stages,
    )


def of_row(plan: Plan, row: str) -> dict[str, Mapping[str, Any]]:
    """The settings of a row's stages; of a pretraining, of its last phase."""
    (cell,) = [cell for cell in plan.cells if cell.row == row]
    stages: dict[str, Mapping[str, Any]] = {}
    todo = [cell.run]
    while todo:
        run = plan.runs[todo.pop()]
        stages.setdefault(run.stage, run.resolved)
        todo += run.upstream.values()
    return stages

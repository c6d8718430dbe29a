"""A home that commit 8da87c8 wrote, before results carried digests, goes on working."""

import shutil
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import ROOT
from sample_records import PROVENANCE, RESULT

from benchmarks.plan.corpora import Corpora, UsedCorpus
from benchmarks.plan.graph import Plan, PlannedCell, Run
from benchmarks.plan.rates import Rates
from benchmarks.plan.standing import Standings
from benchmarks.results import records
from benchmarks.spec.prices import Work
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.scale import load_scale
from benchmarks.store.home import Home

PRETRAINED = "pretrain-iicl-audioset-s0-53d2bb17.5084"
MEASURED = "retrieval-iicl-ucf101-f1-s0-b7b115c7.30f7"
FAILED = "retrieval-iicl-ucf101-f1-s1-47b03fcb.30f7"
INTERRUPTED = "retrieval-iicl-ucf101-f1-s1-7ba9476d.30f7"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    shutil.copytree(Path(__file__).parent / "earlier_home", tmp_path / "home")
    return Home(tmp_path / "home")


def test_it_is_read(home: Home) -> None:
    states = {run_id: home.run(run_id).state() for run_id in home.run_ids()}
    assert states == {
        PRETRAINED: "done",
        MEASURED: "done",
        FAILED: "failed",
        INTERRUPTED: "resume",
    }
    result, spec = home.run(MEASURED).result(), home.run(MEASURED).spec()
    assert result is not None
    assert spec is not None
    assert result["metrics"]["recall_at_1"] == pytest.approx(0.55677)
    assert home.run(FAILED).reason() == "RuntimeError: retrieval cannot"
    assert home.run(MEASURED).attempts()[0]["commit"] == "8da87c8294"
    resolved = spec["resolved"]
    assert Rates([(spec, result)]).seconds(resolved, Work(0, 0.0, 1), 1.0) == (
        result["seconds"],
        True,
    )


@pytest.mark.parametrize("run_id", [FAILED, INTERRUPTED])
def test_what_it_lacks_is_made(home: Home, run_id: str) -> None:
    run = home.run(run_id)
    spec = run.spec()
    assert spec is not None
    assert home.claim(run_id, spec)
    assert home.run(run_id).state() == "running"
    run.begin_attempt(PROVENANCE)
    run.finish(RESULT)
    run.release()
    assert run.state() == "done"
    assert len(run.attempts()) == 2


@pytest.mark.parametrize("status", ["done", "stale"])
def test_it_is_collected(home: Home, status: str) -> None:
    """Its numbers count for the run of its name, and stand in for a run of other code."""
    spec = home.run(MEASURED).spec()
    assert spec is not None
    code = spec["identity"]["code"] if status == "done" else "0" * 64
    name = f"{MEASURED.rpartition('.')[0]}.{code[:4]}"
    found = Standings(home).find(name, spec["identity"]["spec"], code, is_blocked=False)
    assert found.standing.state == status
    corpus = UsedCorpus("ucf101", None, None, {}, Path("ucf101"), None, False, {})
    work = Work(0, 0.0, 1)
    run = Run(name, spec["resolved"], corpus, {}, "", code, work, found.standing)
    table = load_table(ROOT / "tables" / "table1.yaml")
    scale = load_scale(ROOT / "benchmarks" / "scales" / "smoke.yaml")
    plan = Plan(
        [table],
        scale,
        Corpora(scale, {}, home, fake_stages, ROOT),
        "bf16",
        {table.name: [0]},
        {name: run},
    )
    plan.cells.append(PlannedCell(table, "c400", "r1", 0, 1, name))
    (line,) = records.records(plan, table, home).to_dict("records")
    assert (line["status"], line["run"], line["commit"]) == (status, MEASURED, "8da87c8294")
    assert line["value"] == pytest.approx(0.55677)

"""The design of training seeds x corpus seeds: what it runs, shares and writes."""

import json

import fake_stages
import pytest
from fake_checkout import Checkout

from benchmarks.validity import coverage


def run(checkout: Checkout, *words: str) -> int:
    argv = ["--home", str(checkout.home.root), "--scale", "smoke", "--cluster", "inline"]
    return coverage.main([*argv, *words], stages=fake_stages, folder=checkout.folder)


def test_every_training_seed_meets_every_corpus_seed_and_nothing_runs_twice(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(checkout, "--seeds", "0", "1", "--corpus-seeds", "0", "1", "2") == 0
    runs = checkout.home.run_ids()
    specs = [checkout.home.run(run_id).spec() for run_id in runs]
    trained = [
        (spec["resolved"]["seed"], spec["corpus"]["seed"])  # type: ignore[index, typeddict-item]
        for spec in specs
        if spec["resolved"].get("phase") == "co_training"  # type: ignore[index]
    ]
    assert sorted(trained) == [(t, c) for t in (0, 1) for c in (0, 1, 2)]
    analysis = json.loads((checkout.home.root / "coverage-smoke.json").read_text())
    assert [len(line) for line in analysis["columns"]["r1"]["values"]] == [3, 3]
    assert (analysis["training_seeds"], analysis["corpus_seeds"]) == ([0, 1], [0, 1, 2])
    assert len(analysis["processors"]) == len(analysis["commits"]) == 1
    page = (checkout.home.root / "coverage-smoke.md").read_text()
    assert "2 training seeds x 3 corpus seeds" in page
    attempts = {i: len(checkout.home.run(i).attempts()) for i in runs}
    assert run(checkout, "--seeds", "0", "1", "--corpus-seeds", "0", "1", "2") == 0
    assert {i: len(checkout.home.run(i).attempts()) for i in checkout.home.run_ids()} == attempts


def test_a_failed_run_leaves_the_design_incomplete_and_names_it(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.scale(execution='{"fail": ["linear"]}')
    assert run(checkout, "--seeds", "0", "1", "--corpus-seeds", "0", "1") == 3
    assert "incomplete: 4 values, linear-" in capsys.readouterr().err
    assert not (checkout.home.root / "coverage-smoke.md").exists()

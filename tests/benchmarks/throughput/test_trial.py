"""The trial of the guard: the slowdown that it plants, and its tables."""

import dataclasses
import itertools
import json
import time
from pathlib import Path

import pytest

from benchmarks.throughput import cases, trial


def test_a_planted_slowdown_is_the_share_of_the_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()  # each look at it takes a second
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))

    def setup(place: cases.Place) -> cases.Body:
        return lambda: [next(clock) for _ in range(98)]

    known = {name: dataclasses.replace(case, setup=setup) for name, case in cases.CASES.items()}
    scope = {"CASES": known}
    exec(trial.PLANTED, scope)
    planted = scope["CASES"]
    assert planted.keys() == known.keys()
    for name, seconds in (("desk step", 110), ("loader", 115)):
        started = next(clock)
        planted[name].setup(cases.Place(Path()))()
        # One more for each of: this look, the look that ends the work, and its end.
        assert next(clock) - started - 1 == pytest.approx(seconds, abs=2)


def test_the_parts_that_count_as_steps_exist() -> None:
    assert set(trial.STEPS) <= {name for name, case in cases.CASES.items() if case.is_guarded}


def test_the_tables_count_alarms() -> None:
    def outcome(part: str, verdict: str, *ratios: float) -> dict[str, object]:
        rounds = [{"value": ratio} for ratio in ratios]
        return {"part": part, "verdict": verdict, "rounds": rounds, "spent": 3.4}

    trials = [
        {"kind": "unchanged", "outcomes": [outcome("a", "same", 0.98)]},
        {"kind": "slowed", "outcomes": [outcome("a", "slower", 1.1, 1.2)]},
        {"kind": "slowed", "outcomes": [outcome("a", "error")]},
    ]
    assert trial.tables(trials) == (
        "unchanged: 1 trials\n\n"
        "| part   | alarms   | errors   | ratios         | longest s   |\n"
        "|:-------|:---------|:---------|:---------------|:------------|\n"
        "| a      | 0        | 0        | 0.980 to 0.980 | 3           |\n\n"
        "slowed: 2 trials\n\n"
        "| part   | alarms   | errors   | ratios         | longest s   |\n"
        "|:-------|:---------|:---------|:---------------|:------------|\n"
        "| a      | 1        | 1        | 1.100 to 1.200 | 3           |"
    )


def test_the_page_holds_the_trials_that_are_there() -> None:
    file = trial.RESULTS / "trials.jsonl"
    trials = [json.loads(line) for line in file.read_text().splitlines()]
    assert trials
    assert file.with_suffix(".md").read_text() == trial.page(trials)

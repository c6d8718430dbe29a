"""Rates from results."""

import fake_stages
import pytest

from benchmarks.plan.rates import Rates
from benchmarks.spec.prices import Work
from benchmarks.store.records import Speed


def test_a_measured_rate_of_the_same_kind_wins_over_the_assumption() -> None:
    (resolved,) = fake_stages.resolve("features", {"corpus": "ucf101", "seed": 0})
    (other,) = fake_stages.resolve(
        "features", {"corpus": "ucf101", "seed": 0, "clip": {"size": 64}}
    )
    spec = {"resolved": resolved, "clips": 1000, "flops": 2e14}
    rates = Rates([(spec, {"seconds": s}) for s in (9.0, 10.0, 50.0)])
    assert rates.seconds(resolved, Work(2000, 4e14, 1), 1.0) == (pytest.approx(20.0), True)
    assert rates.seconds(other, Work(1, 3e9, 1), 1.0) == (3.0, False)
    other_encoders = Work(1000, 8e14, 1)
    assert rates.seconds(resolved, other_encoders, 1.0)[1] is False


def test_runs_on_several_ranks_count_the_time_of_each() -> None:
    (resolved,) = fake_stages.resolve("features", {"corpus": "ucf101", "seed": 0})
    spec = {"resolved": resolved, "clips": 1000, "flops": 2e14}
    rates = Rates([(spec, {"seconds": 5.0, "num_ranks": 4})])
    assert rates.seconds(resolved, Work(1000, 2e14, 8), 1.0) == (pytest.approx(20.0), True)


def test_runs_without_encoders_take_what_others_of_their_stage_took() -> None:
    (linear,) = fake_stages.resolve("linear", {"corpus": "ucf101", "seed": 0})
    nothing = Work(0, 0.0, 1)
    assert Rates([]).seconds(linear, nothing, 1.0) == (0.0, False)
    known = Rates([({"resolved": linear, "clips": 0, "flops": 0.0}, {"seconds": 4.0})])
    assert known.seconds(linear, nothing, 1.0) == (4.0, True)


def test_the_measured_speed_of_the_machine_comes_after_finished_runs() -> None:
    (resolved,) = fake_stages.resolve("features", {"corpus": "ucf101", "seed": 0})
    (other,) = fake_stages.resolve("finetune", {"corpus": "ucf101", "seed": 0})
    speed: Speed = {
        "machine": {},
        "seconds_per_flop": {"features": 1e-11},
        "preparation_pace": 0.5,
    }
    work = Work(1000, 2e12, 1)
    assert Rates([], speed).seconds(resolved, work, 1.0) == (pytest.approx(20.0), True)
    assert Rates([], speed).seconds(other, work, 1.0) == (2000.0, False)
    spec = {"resolved": resolved, "clips": 1000, "flops": 2e12}
    finished = Rates([(spec, {"seconds": 9.0})], speed)
    assert finished.seconds(resolved, work, 1.0) == (pytest.approx(9.0), True)

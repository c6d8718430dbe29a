"""Seeds for 80 % power, against statsmodels and against simulation."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from benchmarks.results import inference
from benchmarks.results.inference import estimate
from benchmarks.results.power import MAX_SEEDS, OneSidedTest, power, seeds_for_power


@pytest.mark.parametrize("ratio", [3.0, 1.0, 0.3, 0.1])
@pytest.mark.parametrize("level", [0.05, 0.025, 0.05 / 12])
def test_seeds_of_one_test_are_the_fewest_by_statsmodels(ratio: float, level: float) -> None:
    found = seeds_for_power([OneSidedTest(2 * ratio, 2.0, level)])
    assert found is not None
    slow = TTestPower()
    assert slow.power(ratio, found, level, alternative="larger") >= 0.8
    assert found == 2 or slow.power(ratio, found - 1, level, alternative="larger") < 0.8


@pytest.mark.parametrize(("ratio", "seeds"), [(1.33, 7), (0.704, 18), (0.386, 55), (0.209, 182)])
def test_seeds_that_an_interval_no_wider_than_the_effect_asks_for_give_half_the_power(
    ratio: float, seeds: int
) -> None:
    found = seeds_for_power([OneSidedTest(ratio, 1.0, 0.025)])
    assert found == pytest.approx(seeds, abs=1)


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("n", [3, 5, 20])
def test_power_is_the_simulated_share_of_rejections(n: int, printed: bool) -> None:
    draw = np.random.default_rng(n)
    values = draw.normal(1.5, 1.0, (40_000, n))
    other = draw.normal(0.0, 1.0, (40_000, 1)) if printed else 0.0
    rejected = inference.p_above(estimate(values - other, printed)) <= 0.025
    test = OneSidedTest(1.5, 1.0, 0.025, printed)
    assert test.power(n) == pytest.approx(float(rejected.mean()), abs=0.01)


@pytest.mark.parametrize("effects", [(1.5, 1.5), (1.5, 3.0, 2.0)])
def test_the_seeds_of_best_are_enough_for_all_rivals_at_once(effects: tuple[float, ...]) -> None:
    tests = [OneSidedTest(effect, np.sqrt(2), 0.025) for effect in effects]
    n = seeds_for_power(tests)
    assert n is not None
    draw = np.random.default_rng(len(effects))
    ours = draw.normal(size=(40_000, n))
    differences = [estimate(ours - draw.normal(-effect, 1.0, (40_000, n))) for effect in effects]
    held = float((inference.best(differences).holds <= 0.05).mean())
    assert 0.79 <= held <= 0.9
    assert power(tests, n - 1) < 0.8


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_the_seeds_of_near_are_enough_for_both_sides(effect: float) -> None:
    tests = [OneSidedTest(2.0 - effect, 1.0, 0.05), OneSidedTest(2.0 + effect, 1.0, 0.05)]
    n = seeds_for_power(tests)
    assert n is not None
    values = np.random.default_rng(3).normal(effect, 1.0, (40_000, n))
    held = float((inference.near(estimate(values), 2.0).holds <= 0.05).mean())
    assert 0.79 <= held <= 0.9


def test_some_effects_no_number_of_seeds_shows() -> None:
    assert seeds_for_power([OneSidedTest(0.0, 1.0, 0.025)]) is None
    assert seeds_for_power([OneSidedTest(5.0, 1.0, 0.025), OneSidedTest(-0.1, 1.0, 0.025)]) is None
    assert seeds_for_power([OneSidedTest(1e-4, 1.0, 0.025)]) is None  # more than MAX_SEEDS
    # One printed run spreads by 1: an effect of 2 stays within it, however many seeds are ours.
    assert seeds_for_power([OneSidedTest(2.0, 1.0, 0.025, printed=True)]) is None
    assert OneSidedTest(2.0, 1.0, 0.025, printed=True).power(MAX_SEEDS) < 0.8
    assert seeds_for_power([OneSidedTest(1.0, 0.0, 0.025)]) == 2

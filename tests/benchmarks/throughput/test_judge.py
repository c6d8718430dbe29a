"""Ratios, intervals and verdicts against scipy's own."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.throughput.judge import Ratio, ratio_of_pair, ratio_of_pairs, verdict


def test_a_pair_is_the_ratio_of_its_least_times() -> None:
    assert ratio_of_pair([2.0, 4.0, 9.0], [8.0, 3.0, 3.5]) == 1.5


@pytest.mark.parametrize("ratios", [[1.1, 1.2], [0.9, 1.0, 1.3], [1.02, 1.0, 0.97, 1.01, 1.5]])
def test_the_interval_is_that_of_scipy(ratios: list[float]) -> None:
    test = stats.ttest_1samp(np.log(ratios), 0)
    low, high = test.confidence_interval(0.9)
    expected = [math.exp(x) for x in (np.mean(np.log(ratios)), low, high)]
    ratio = ratio_of_pairs(ratios)
    assert [ratio.value, ratio.low, ratio.high] == pytest.approx(expected)


def test_the_lower_bound_holds_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    drawn = np.exp(generator.normal(math.log(1.1), 0.03, (4000, 3)))
    below = np.mean([ratio_of_pairs(row.tolist()).low < 1.1 for row in drawn])
    assert below == pytest.approx(0.95, abs=0.015)


def test_one_pair_has_no_interval() -> None:
    with pytest.raises(ValueError, match="2 pairs or more, got 1"):
        ratio_of_pairs([1.2])


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (Ratio(1.1, 1.06, 1.2), "slower"),
        (Ratio(1.1, 1.04, 1.2), "same"),
        (Ratio(0.9, 0.8, 0.94), "faster"),
        (Ratio(0.9, 0.8, 0.96), "same"),
    ],
)
def test_the_whole_interval_must_lie_beyond_the_threshold(ratio: Ratio, expected: str) -> None:
    assert verdict(ratio, 1.05) == expected

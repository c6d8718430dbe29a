"""The tests behind verdicts, against slow versions written from their definitions."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.weightstats import ttost_paired

from benchmarks.results import inference
from benchmarks.results.inference import Estimate, estimate

CASES = [(n, mean) for n in (2, 3, 5, 10) for mean in (-1.5, 0.2, 3.0)]


def drawn(n: int, mean: float) -> tuple[list[float], list[float]]:
    draw = random.Random(f"{n} {mean}")
    return [draw.gauss(50 + mean, 2) for _ in range(n)], [draw.gauss(50, 1) for _ in range(n)]


def slow_tail(differences: Sequence[float], shift: float, printed: bool) -> float:
    """P(T >= t) by integration of Student's density."""
    n = len(differences)
    mean = math.fsum(differences) / n
    variance = math.fsum((d - mean) ** 2 for d in differences) / (n - 1)
    t = (mean - shift) / math.sqrt(variance / n + (variance if printed else 0.0))
    constant = math.gamma(n / 2) / math.sqrt((n - 1) * math.pi) / math.gamma((n - 1) / 2)

    def density(x: float) -> float:
        return constant * (1 + x * x / (n - 1)) ** (-n / 2)

    return integrate.quad(density, t, math.inf)[0]


@pytest.mark.parametrize(("n", "mean"), CASES)
@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize("printed", [False, True])
def test_a_tail_is_that_of_student_s_density(
    n: int, mean: float, shift: float, printed: bool
) -> None:
    a, b = drawn(n, mean)
    differences = [x - y for x, y in zip(a, b, strict=True)]
    ours = estimate(differences, printed)
    assert inference.p_above(ours, shift) == pytest.approx(slow_tail(differences, shift, printed))
    mirrored = [-d for d in differences]
    assert inference.p_below(ours, shift) == pytest.approx(slow_tail(mirrored, -shift, printed))


@pytest.mark.parametrize(("n", "mean"), CASES)
def test_above_is_the_paired_t_test_and_near_is_tost(n: int, mean: float) -> None:
    a, b = drawn(n, mean)
    difference = estimate(np.subtract(a, b))
    assert inference.above(difference).p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    shifted = stats.ttest_1samp(np.subtract(a, b), 0.5).pvalue
    assert inference.above(difference, by=0.5).p == pytest.approx(shifted)
    judged = inference.near(difference, 2.0)
    assert judged.holds == pytest.approx(ttost_paired(np.array(a), np.array(b), -2.0, 2.0)[0])
    tails = [slow_tail([s * (x - y) for x, y in zip(a, b, strict=True)], 2.0, False)
             for s in (1, -1)]  # fmt: skip
    assert judged.reversed == pytest.approx(min(1.0, 2 * min(tails)))


@pytest.mark.parametrize("n", [3, 5])
def test_best_and_differ_are_made_of_their_pairs(n: int) -> None:
    draw = random.Random(n)
    rows = {name: [draw.gauss(mean, 1) for _ in range(n)]
            for name, mean in (("a", 54), ("b", 52), ("c", 52.5), ("d", 50))}  # fmt: skip
    for first in rows:
        rivals = [name for name in rows if name != first]
        judged = inference.best([estimate(np.subtract(rows[first], rows[r])) for r in rivals])
        two_sided = {r: stats.ttest_rel(rows[first], rows[r]) for r in rivals}
        ahead = [t.pvalue if t.statistic > 0 else 2 - t.pvalue for t in two_sided.values()]
        behind = [2 - p for p in ahead]
        assert judged.holds == pytest.approx(min(1.0, max(ahead)))
        assert judged.reversed == pytest.approx(min(1.0, 3 * min(behind)))
    pairs = [(a, b) for a in rows for b in rows if a < b]
    judged = inference.differ([estimate(np.subtract(rows[a], rows[b])) for a, b in pairs])
    smallest = min(stats.ttest_rel(rows[a], rows[b]).pvalue for a, b in pairs)
    assert judged.holds == pytest.approx(min(1.0, 6 * smallest))
    assert judged.reversed == 1.0


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_intervals_are_scipy_s_and_that_of_a_prediction_covers_one_more_run(
    n: int, confidence: float
) -> None:
    values, _ = drawn(n, 1.0)
    low, high = stats.t.interval(confidence, n - 1, np.mean(values), stats.sem(values))
    ours = estimate(values)
    assert ours.half_width(confidence) == pytest.approx((high - low) / 2)
    sd = stats.tstd(values) * math.sqrt(1 + 1 / n)
    low, high = stats.t.interval(confidence, n - 1, np.mean(values), sd)
    assert estimate(values, printed=True).half_width(confidence) == pytest.approx((high - low) / 2)
    assert math.isnan(estimate(values[:1]).half_width(confidence))


@pytest.mark.parametrize(("n", "mean"), CASES)
def test_the_largest_difference_is_the_smallest_margin_that_tost_accepts(
    n: int, mean: float
) -> None:
    a, b = drawn(n, mean)
    margin = inference.largest(estimate(np.subtract(a, b)), 0.05)
    assert ttost_paired(np.array(a), np.array(b), -margin, margin)[0] == pytest.approx(0.05)


def test_without_spread_or_a_second_seed_only_what_is_certain_is_decided() -> None:
    one, equal, apart = estimate([3.0]), estimate([0.1 + 0.2 - 0.3, 0.0]), estimate([2.0, 2.0])
    for evidence in (
        inference.above(one),
        inference.near(one, 1.0),
        inference.best([one]),
        inference.differ([one]),
        inference.above(equal),
        inference.differ([equal]),
    ):
        assert evidence.p == 1.0
    assert (inference.above(apart).p, inference.above(apart).favours) == (0.0, "holds")
    assert (inference.above(apart, 3.0).p, inference.above(apart, 3.0).favours) == (0.0, "reversed")
    assert inference.near(equal, 1.0).favours == "holds"
    assert (inference.near(apart, 1.0).p, inference.near(apart, 1.0).favours) == (0.0, "reversed")
    assert inference.near(apart, 2.0).p == 1.0  # on the edge


def slow_holm(p_values: Sequence[float]) -> list[float]:
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def slow_benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    n, adjusted = len(p_values), []
    for p in p_values:
        over = [q for q in p_values if q >= p]
        adjusted.append(min(min(1.0, n * q / sum(r <= q for r in p_values)) for q in over))
    return adjusted


@pytest.mark.parametrize("num", [1, 2, 7])
def test_adjusted_p_values_are_those_of_the_definitions(num: int) -> None:
    draw = random.Random(num)
    p_values = [draw.random() ** 3 for _ in range(num)] + [0.03, 0.03, 1.0]
    assert inference.holm(p_values) == pytest.approx(slow_holm(p_values))
    expected = slow_benjamini_hochberg(p_values)
    assert inference.benjamini_hochberg(p_values) == pytest.approx(expected)
    assert (inference.holm([]), inference.benjamini_hochberg([])) == ([], [])


def test_an_estimate_is_the_mean_over_the_last_axis() -> None:
    many = estimate(np.arange(12.0).reshape(2, 2, 3))
    assert isinstance(many, Estimate)
    assert many.mean.tolist() == [[1.0, 4.0], [7.0, 10.0]]
    assert many.sd.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert many.num_seeds == 3

"""Components of variance and coverage, against slow versions and known cases."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from benchmarks.validity.variance import Components, components, coverage


def slow_components(values: list[list[float]]) -> list[float]:
    """The variances by the equations of the module, term by term."""
    t, c = len(values), len(values[0])
    mean = sum(map(sum, values)) / (t * c)
    of_t = [sum(line) / c for line in values]
    of_c = [sum(line[j] for line in values) / t for j in range(c)]
    rest = sum(
        (values[i][j] - of_t[i] - of_c[j] + mean) ** 2 for i in range(t) for j in range(c)
    ) / ((t - 1) * (c - 1))
    training = c * sum((m - mean) ** 2 for m in of_t) / (t - 1)
    corpus = t * sum((m - mean) ** 2 for m in of_c) / (c - 1)
    return [max(0.0, (training - rest) / c), max(0.0, (corpus - rest) / t), rest]


@pytest.mark.parametrize("shape", [(5, 5), (2, 7), (4, 3)])
def test_components_are_those_of_the_equations(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(3).normal(50.0, 3.0, shape)
    found = components(values)
    squares = [found.training**2, found.corpus**2, found.rest**2]
    assert squares == pytest.approx(slow_components(values.tolist()), abs=1e-9)


def test_known_components_come_out_of_a_large_design() -> None:
    rng = np.random.default_rng(0)
    shape = (400, 300)
    values = rng.normal(0, 3.0, (400, 1)) + rng.normal(0, 2.0, (1, 300)) + rng.normal(0, 1.0, shape)
    found = components(values)
    assert (found.training, found.corpus, found.rest) == pytest.approx((3.0, 2.0, 1.0), rel=0.1)


def test_components_of_a_5_x_5_design_are_unbiased() -> None:
    """On average over many of them; with such effects hardly an estimate is cut off at 0."""
    rng = np.random.default_rng(1)
    squares = []
    for _ in range(4000):
        a, b = rng.normal(0, 3.0, (5, 1)), rng.normal(0, 3.0, (1, 5))
        found = components(a + b + rng.normal(0, 1.0, (5, 5)))
        squares.append([found.training**2, found.corpus**2, found.rest**2])
    assert np.mean(squares, axis=0) == pytest.approx([9.0, 9.0, 1.0], rel=0.05)


def test_a_table_without_an_effect_of_the_corpus_has_none() -> None:
    values = np.array([[1.0, 1.1, 0.9], [3.0, 2.9, 3.1]])
    assert components(values).corpus == 0.0


@pytest.mark.parametrize("values", [[[1.0, 2.0]], [[1.0, 2.0], [3.0, math.nan]], [1.0, 2.0]])
def test_a_table_that_is_not_full_is_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match="a full table of 2 x 2"):
        components(np.array(values))


def test_with_a_corpus_each_the_interval_covers_at_its_level() -> None:
    found = coverage(Components(3.3, 2.8, 1.0), 5, shares_corpus=False)
    assert found.share == pytest.approx(0.95, abs=0.003)


@pytest.mark.parametrize("corpus", [0.0, 1.0, 3.0])
def test_on_one_corpus_coverage_is_that_of_a_loop(corpus: float) -> None:
    found = coverage(Components(3.0, corpus, 0.0), 5, shares_corpus=True)
    rng = np.random.default_rng(9)
    hits, draws = 0, 20_000
    for _ in range(draws):
        shared = rng.normal(0.0, corpus)
        values = [shared + rng.normal(0.0, 3.0) for _ in range(5)]
        half = stats.t.ppf(0.975, 4) * statistics.stdev(values) / math.sqrt(5)
        hits += abs(statistics.fmean(values)) <= half
    assert found.share == pytest.approx(hits / draws, abs=0.008)
    if corpus == 0.0:
        assert found.share == pytest.approx(0.95, abs=0.003)
    if corpus == 3.0:
        assert found.share < 0.75

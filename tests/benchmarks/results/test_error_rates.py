"""How often each rule decides falsely if nothing is there to find, by simulation.

Rates lie at or below the nominal level within three standard errors of the simulation, and near it
where the rule is exact.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.results import inference
from benchmarks.results.inference import Estimate, Evidence, estimate

LEVEL = 0.05
NUM_WORLDS = 40_000
SEEDS = pytest.mark.parametrize("n", [3, 5])
Rows = NDArray[np.float64]  # worlds x rows x seeds


def rows(num_rows: int, n: int, means: float | list[float] = 0.0) -> Rows:
    """Seeds of rows in many worlds; what a seed has in common moves all rows of it."""
    draw = np.random.default_rng([num_rows, n])
    common = draw.normal(size=(NUM_WORLDS, 1, n))
    own = draw.normal(size=(NUM_WORLDS, num_rows, n))
    return common + own + np.broadcast_to(np.reshape(means, (-1, 1)), (num_rows, 1))


def printed(n: int, num_rivals: int = 1) -> list[Estimate]:
    """Our row against printed numbers, each one run of a system that is as good as ours."""
    draw = np.random.default_rng([n, num_rivals, 7])
    ours = draw.normal(size=(NUM_WORLDS, n))
    runs = draw.normal(size=(num_rivals, NUM_WORLDS, 1))
    return [estimate(ours - run, printed=True) for run in runs]


def rate(false: NDArray[np.bool_]) -> float:
    return float(np.mean(false))


def error(level: float = LEVEL) -> float:
    """Three standard errors of a simulated rate."""
    return 3 * math.sqrt(level * (1 - level) / NUM_WORLDS)


def assert_exact(evidence: Evidence) -> None:
    assert rate(evidence.p <= LEVEL) == pytest.approx(LEVEL, abs=error())


def assert_valid(evidence: Evidence, lowest: float) -> None:
    assert lowest <= rate(evidence.p <= LEVEL) <= LEVEL + error()


@SEEDS
@pytest.mark.parametrize("by", [0.0, 2.0])
def test_above_is_exact(n: int, by: float) -> None:
    world = rows(2, n, [by, 0.0])
    evidence = inference.above(estimate(world[:, 0] - world[:, 1]), by)
    assert_exact(evidence)
    assert rate(evidence.holds <= LEVEL) == pytest.approx(LEVEL / 2, abs=error(LEVEL / 2))


@SEEDS
def test_above_a_printed_number_is_exact(n: int) -> None:
    assert_exact(inference.above(*printed(n)))


@SEEDS
@pytest.mark.parametrize("num_rivals", [2, 5])
def test_best_is_valid_if_all_rows_are_equal_or_all_rivals_but_one_are_far(
    n: int, num_rivals: int
) -> None:
    for means in ([0.0] * (num_rivals + 1), [0.0, 0.0, *[-50.0] * (num_rivals - 1)]):
        world = rows(num_rivals + 1, n, means)
        evidence = inference.best([estimate(world[:, 0] - world[:, i + 1])
                                   for i in range(num_rivals)])  # fmt: skip
        assert_valid(evidence, LEVEL / 4)
    # One rival that is as good, all others far behind: the false "holds" has all of its level.
    assert rate(evidence.holds <= LEVEL) == pytest.approx(LEVEL / 2, abs=error(LEVEL / 2))


@SEEDS
@pytest.mark.parametrize("num_rivals", [5, 8])
def test_best_of_printed_rivals_is_valid(n: int, num_rivals: int) -> None:
    assert_valid(inference.best(printed(n, num_rivals)), LEVEL / 5)


@SEEDS
@pytest.mark.parametrize("num_rows", [2, 4])
def test_differ_is_valid(n: int, num_rows: int) -> None:
    world = rows(num_rows, n)
    pairs = [(i, j) for i in range(num_rows) for j in range(i)]
    evidence = inference.differ([estimate(world[:, i] - world[:, j]) for i, j in pairs])
    if num_rows == 2:
        assert_exact(evidence)
    assert_valid(evidence, LEVEL / 3)


@SEEDS
def test_near_is_valid_at_its_margin(n: int) -> None:
    """A little outside the margin only "holds" is false, a little inside only "reversed"."""
    world = rows(2, n, [10.0, 0.0])
    evidence = inference.near(estimate(world[:, 0] - world[:, 1]), 10.0)
    assert rate(evidence.holds <= LEVEL) == pytest.approx(LEVEL, abs=error())
    assert rate(evidence.reversed <= LEVEL) == pytest.approx(LEVEL / 2, abs=error(LEVEL / 2))
    world = rows(2, n, [0.1, 0.0])  # a margin within the noise: both sides count
    evidence = inference.near(estimate(world[:, 0] - world[:, 1]), 0.1)
    assert rate(evidence.holds <= LEVEL) <= LEVEL + error()
    assert LEVEL / 2 < rate(evidence.reversed <= LEVEL) <= LEVEL + error()


@SEEDS
def test_at_chance_is_valid_at_its_margin(n: int) -> None:
    """Chance is a constant: the estimate is one row's."""
    evidence = inference.near(estimate(rows(1, n, 4.0)[:, 0] - 2.0), 2.0)
    assert rate(evidence.holds <= LEVEL) <= LEVEL + error()
    assert rate(evidence.reversed <= LEVEL) <= LEVEL + error()


@SEEDS
def test_a_replication_of_one_printed_run_is_seldom_below_or_above(n: int) -> None:
    (difference,) = printed(n)
    tight = inference.near(difference, 0.01)
    assert rate(tight.reversed <= LEVEL) == pytest.approx(LEVEL, abs=0.01)
    assert rate(inference.near(difference, 1.0).reversed <= LEVEL) <= LEVEL + error()
    for shift in (3.0, -3.0):  # another method, at the edge of the tolerance
        moved = Estimate(difference.mean + shift, difference.sd, n, printed=True)
        assert rate(inference.near(moved, 3.0).holds <= LEVEL) <= LEVEL + error()


def family(n: int, effects: list[float]) -> Evidence:
    """Claims that depend on each other: several columns, one row in all of them."""
    world = rows(len(effects) + 1, n, [*effects, 0.0])
    return inference.above(estimate(world[:, :-1] - world[:, -1:]))


FAMILIES = pytest.mark.parametrize(
    "effects", [[0.0] * 6, [0.0, 0.0, 0.0, 50.0, 50.0, -50.0], [1.0] * 6, [0.5, -0.5, 2.0, 5.0]]
)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's adjustment of every line at once; the suite's takes a family at a time."""
    order = np.argsort(p_values, axis=1)
    num = p_values.shape[1]
    steps = np.take_along_axis(p_values, order, axis=1) * np.arange(num, 0, -1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(steps, axis=1), axis=1)
    for line, p in zip(adjusted[:5], p_values[:5], strict=True):
        assert inference.holm(list(p)) == pytest.approx(np.minimum(1.0, line))
    return np.minimum(1.0, adjusted)


def false_verdicts(evidence: Evidence, kept: NDArray[np.bool_], effects: list[float]) -> Rows:
    """Verdicts with the wrong sign, or on claims without an effect."""
    return kept & (np.where(evidence.holds < evidence.reversed, 1, -1) != np.sign(effects))


@SEEDS
@FAMILIES
def test_holm_bounds_the_probability_of_any_false_verdict(n: int, effects: list[float]) -> None:
    evidence = family(n, effects)
    false = false_verdicts(evidence, holm(evidence.p) <= LEVEL, effects).any(axis=1)
    assert rate(false) <= LEVEL + error()
    if not any(effects):  # the six claims share a row: not far below the level either
        assert rate(false) >= LEVEL / 2


@SEEDS
@FAMILIES
def test_benjamini_hochberg_bounds_the_share_of_false_verdicts(
    n: int, effects: list[float]
) -> None:
    evidence = family(n, effects)
    adjusted = stats.false_discovery_control(evidence.p, axis=1)
    assert inference.benjamini_hochberg(list(evidence.p[0])) == pytest.approx(adjusted[0])
    kept = adjusted <= LEVEL
    false = false_verdicts(evidence, kept, effects)
    share = false.sum(axis=1) / np.maximum(1, kept.sum(axis=1))
    assert share.mean() <= LEVEL + 3 * share.std() / math.sqrt(NUM_WORLDS)

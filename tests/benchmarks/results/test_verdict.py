"""Intervals against scipy, verdicts at their edges, and claims."""

import math
import random

import pytest
from fake_checkout import ROOT
from scipy import stats

from benchmarks.results import verdict
from benchmarks.results.verdict import (
    judge,
    judge_above,
    judge_best,
    judge_claim,
    judge_differ,
    paired,
    summarise,
)
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.read_tables import load_table

TABLE = load_table(ROOT / "tables" / "table1.yaml")


def seeds(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 6])
def test_intervals_are_scipys(n: int, level: float) -> None:
    draw = random.Random(n)
    first, second = ([draw.gauss(50, 2) for _ in range(n)] for _ in range(2))
    ours = summarise(first, level)
    low, high = stats.t.interval(level, n - 1, loc=ours.mean, scale=stats.sem(first))
    assert ours.mean - ours.half_width == pytest.approx(low)
    assert ours.mean + ours.half_width == pytest.approx(high)
    assert ours.sd == pytest.approx(stats.tstd(first))
    test = stats.ttest_rel(first, second).confidence_interval(level)
    difference = paired(seeds(*first), seeds(*second), level)
    assert difference.mean - difference.half_width == pytest.approx(test.low)
    assert difference.mean + difference.half_width == pytest.approx(test.high)


def test_pairs_are_formed_by_seed_not_by_order() -> None:
    difference = paired({0: 1.0, 1: 2.0, 2: 9.0}, {1: 1.0, 0: 0.0})
    assert (difference.num_seeds, difference.mean, difference.sd) == (2, 1.0, 0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((50.0, 50.1, 50.2), "match"),
        ((50.0, 50.0, 50.0), "match"),
        ((48.0, 48.1, 48.2), "below"),
        ((52.0, 52.1, 52.2), "above"),
        ((50.8, 51.0, 51.2), "open"),
        ((45.0, 50.0, 55.0), "open"),
        ((50.0,), "open"),
        ((90.0,), "open"),
    ],
)
def test_a_cell_is_judged_by_its_whole_interval(values: tuple[float, ...], expected: str) -> None:
    assert judge(seeds(*values), 50.0, 1.0).verdict == expected


def test_the_seeds_that_would_settle_are_the_fewest() -> None:
    n = verdict.seeds_to_settle(2.0, 1.0)
    assert n is not None

    def half_width(n: int) -> float:
        return float(stats.t.ppf(0.975, n - 1)) * 2.0 / math.sqrt(n)

    assert half_width(n) <= 1.0 < half_width(n - 1)
    assert verdict.seeds_to_settle(2.0, 0.0) is None
    assert judge(seeds(45.0, 50.0, 55.0), 50.0, 1.0).seeds_needed is not None


def test_best_holds_only_against_every_rival() -> None:
    far, near = seeds(10.0, 11.0, 12.0), seeds(14.5, 15.2, 16.9)
    best = seeds(15.0, 16.0, 17.0)
    assert judge_best("best", {"best": best, "far": far})[0] == "holds"
    found, rival, _, needed = judge_best("best", {"best": best, "far": far, "near": near})
    assert (found, rival) == ("open", "near")
    assert needed is not None
    found, rival, difference, _ = judge_best("far", {"best": best, "far": far, "near": near})
    assert (found, rival) == ("reversed", "best")
    assert difference.mean == -5.0


def test_reversal_is_corrected_for_the_number_of_rivals() -> None:
    ours = seeds(10.0, 10.0, 10.0)
    ahead = seeds(10.6, 11.0, 11.4)  # p = 0.0494 two-sided, uncorrected reversed
    assert paired(ours, ahead).mean + paired(ours, ahead).half_width < 0
    assert judge_best("a", {"a": ours, "b": ahead})[0] == "reversed"
    rivals = {name: seeds(5.0, 5.1, 5.2) for name in "cdefgh"}
    assert judge_best("a", {"a": ours, "b": ahead, **rivals})[0] == "open"


def test_rows_differ_if_any_corrected_pair_does() -> None:
    noise = {"a": seeds(1.0, 2.0, 3.0), "b": seeds(2.0, 1.5, 3.5), "c": seeds(3.0, 2.0, 1.0)}
    assert judge_differ(noise)[0] == "open"
    equal = {"a": seeds(1.0, 1.0, 1.0), "b": seeds(1.0, 1.0, 1.0)}
    assert judge_differ(equal)[0] == "open"
    assert judge_differ(equal)[3] is None
    found, pair, _, _ = judge_differ({**noise, "d": seeds(11.0, 12.1, 13.0)})
    assert found == "holds"
    assert "d" in pair


def test_one_seed_decides_no_claim() -> None:
    assert judge_best("a", {"a": seeds(9.0), "b": seeds(1.0)})[0] == "open"
    assert judge_differ({"a": seeds(9.0), "b": seeds(1.0)})[0] == "open"


def test_above_is_decided_by_the_paired_interval() -> None:
    low, high = seeds(1.0, 2.0, 3.0), seeds(2.0, 3.1, 4.0)
    assert judge_above(high, low)[0] == "holds"
    assert judge_above(low, high)[0] == "reversed"
    verdict_, _, needed = judge_above(seeds(1.0, 2.0, 3.0), seeds(2.0, 1.0, 3.5))
    assert (verdict_, needed is None) == ("open", False)
    assert judge_above(seeds(9.0), seeds(1.0))[0] == "open"


@pytest.mark.parametrize(
    ("ours", "expected"),
    [((50.0, 50.2, 50.4), "holds"), ((53.0, 53.2, 53.4), "reversed"), ((50.8, 51.0, 51.2), "open")],
)
def test_near_is_an_interval_within_the_points(ours: tuple[float, ...], expected: str) -> None:
    claim = ClaimSpec.model_validate(
        {"says": "x", "where": "y", "column": "r1", "near": ["c100", "c200"], "within": 1.0}
    )
    rows = {"c100": seeds(*ours), "c200": seeds(50.0, 50.0, 50.0)}
    assert judge_claim(claim, TABLE, rows).verdict == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"column": "r1"},
        {"column": "r1", "best": "a", "differ": True},
        {"best": "a"},
        {"column": "r1", "untested": "because"},
        {"column": "r1", "above": ["a", "b"], "best": "a"},
        {"column": "r1", "above": ["a", "b"], "within": 1.0},
    ],
)
def test_a_claim_has_one_kind_and_a_column(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a claim needs|need within"):
        ClaimSpec.model_validate({"says": "x", "where": "y", **fields})


def test_order_is_strict_between_all_values_of_neighbours() -> None:
    assert verdict.in_order([[1.0], [2.0, 3.0], [4.0]])
    assert not verdict.in_order([[1.0], [2.0, 5.0], [4.0]])
    assert not verdict.in_order([[2.0], [2.0]])

"""Standard errors of means over test items against the definition, a second program and draws."""

import math

import numpy as np
import pytest
from scipy import stats

from iicl.item_errors import item_errors, standard_error


def hits_in_groups(rng, num_groups, spread=1.5):
    """Hits of groups of 1 to 11 items; a group has a level of its own."""
    sizes = rng.integers(1, 12, num_groups)
    groups = np.repeat(np.arange(num_groups), sizes)
    levels = 1 / (1 + np.exp(-spread * rng.normal(size=num_groups)))
    return (rng.random(len(groups)) < levels[groups]).astype(float), groups


def slow_standard_error(values, groups):
    mean = sum(values) / len(values)
    names = sorted(set(groups))
    total = 0.0
    for name in names:
        own = 0.0
        for value, group in zip(values, groups, strict=True):
            if group == name:
                own += value - mean
        total += own**2
    return math.sqrt(len(names) / (len(names) - 1) * total) / len(values)


def test_the_error_over_groups_is_a_loop_over_them_and_that_of_a_regression_on_a_constant():
    values, groups = hits_in_groups(np.random.default_rng(0), 40)
    names = [f"class/g{group:02d}" for group in groups]
    found = standard_error(values, names)
    assert found == pytest.approx(slow_standard_error(values.tolist(), names), rel=1e-12)
    models = pytest.importorskip("statsmodels.regression.linear_model")
    fitted = models.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    assert found == pytest.approx(fitted.bse[0], rel=1e-10)


def test_with_one_item_in_each_group_it_is_that_of_a_sample():
    values = np.random.default_rng(1).random(30)
    assert standard_error(values, range(30)) == pytest.approx(stats.sem(values), rel=1e-12)


def test_drawing_whole_groups_again_gives_the_same_error():
    rng = np.random.default_rng(2)
    values, groups = hits_in_groups(rng, 300)
    sizes, sums = np.bincount(groups), np.bincount(groups, values)
    drawn = rng.integers(0, 300, (4000, 300))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    assert standard_error(values, groups) == pytest.approx(means.std(), rel=0.05)
    assert standard_error(values, range(len(values))) < 0.7 * means.std()


def test_copies_of_items_in_their_groups_tell_nothing_new():
    values, groups = hits_in_groups(np.random.default_rng(3), 50)
    names = [str(group) for group in groups]
    once = item_errors({"top1": values}, names)["top1"]
    twice = item_errors({"top1": np.tile(values, 2)}, names * 2)["top1"]
    assert twice["num_groups"] == once["num_groups"] == 50
    assert twice["num_items"] == 2 * once["num_items"] == 2 * len(values)
    assert twice["standard_error"] == pytest.approx(once["standard_error"], rel=1e-12)
    shrunk = math.sqrt((len(values) - 1) / (2 * len(values) - 1))
    assert twice["standard_error_items"] == pytest.approx(shrunk * once["standard_error_items"])


def test_intervals_over_groups_cover_the_mean_and_those_over_items_do_not():
    """700 draws of 60 groups; the true mean is 1/2 by symmetry. Within 3 Monte-Carlo errors."""
    rng, covered, num_draws = np.random.default_rng(4), np.zeros(2), 700
    for _ in range(num_draws):
        values, groups = hits_in_groups(rng, 60)
        for way, names in enumerate((groups, range(len(values)))):
            half_width = stats.t.ppf(0.975, len(set(names)) - 1) * standard_error(values, names)
            covered[way] += abs(values.mean() - 0.5) <= half_width
    of_groups, of_items = covered / num_draws
    assert of_groups == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / num_draws))
    assert of_items < 0.85


def test_clips_of_an_item_are_averaged_first():
    clips = np.random.default_rng(5).random((20, 3)) < 0.5
    groups = [f"g{i // 4}" for i in range(20)]
    found = item_errors({"clip": clips, "item": clips.mean(axis=1)}, groups)
    assert found["clip"] == found["item"]
    assert found["clip"]["num_items"] == 20


def test_one_group_has_no_error():
    found = item_errors({"top1": np.array([True, False, True])}, ["g01"] * 3)["top1"]
    assert (found["num_groups"], found["standard_error"]) == (1, None)
    assert found["standard_error_items"] == pytest.approx(1 / 3)
    assert standard_error(np.array([1.0]), ["g01"]) is None

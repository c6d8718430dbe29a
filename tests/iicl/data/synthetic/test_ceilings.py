"""What can be learnt in the generated world, against slow versions of the same."""

from itertools import permutations

import numpy as np
import pytest

from iicl.data.synthetic.ceilings import (
    accuracy_of_order,
    accuracy_of_speed,
    accuracy_of_speed_by_motion,
    area_under_curve,
    ceilings,
    classes_with_arrow,
    clips_of_two_speeds,
    draw_rates,
    frame_difference,
    has_arrow_of_time,
    likelihoods_of_orders,
    share_of_aligned_shifts,
)
from iicl.data.synthetic.world import CLASSES, MOTIONS, CorpusName, EventClass

ONE = (EventClass("x", "bounce", None, (1.0, 2.0)),)
TWO = (*ONE, EventClass("y", "spin", None, (1.0, 8.0)))


@pytest.mark.parametrize("classes", [ONE, TWO, CLASSES["kinetics400"], CLASSES["ucf101"]])
def test_speed_is_told_as_well_as_by_the_likelier_density(classes: tuple[EventClass, ...]) -> None:
    """Each class has the density 1 / (r log(high / low)) in r, and half of it at twice the rate."""
    rates = draw_rates(classes, 20_000, np.random.default_rng(0))

    def density(r: float, speed: float) -> float:
        inside = [c.rate for c in classes if speed * c.rate[0] < r < speed * c.rate[1]]
        return sum(1 / np.log(high / low) for low, high in inside) / len(classes)

    right = [density(r, 1) > density(r, 2) for r in rates[:4000]]
    right += [density(2 * r, 2) > density(2 * r, 1) for r in rates[4000:8000]]
    ties = [density(r, 1) == density(r, 2) for r in rates[:4000]]
    ties += [density(2 * r, 1) == density(2 * r, 2) for r in rates[4000:8000]]
    share = np.mean(right) + np.mean(ties) / 2
    assert accuracy_of_speed(classes) == pytest.approx(share, abs=0.02)


def test_known_cases_of_speed() -> None:
    """Ranges that only meet are told apart; equal densities are not, where they overlap."""
    assert accuracy_of_speed(ONE) == pytest.approx(1.0)
    assert accuracy_of_speed(TWO[1:]) == pytest.approx(0.5 + 0.5 / 3)
    assert accuracy_of_speed_by_motion(TWO) == pytest.approx((1.0 + 0.5 + 0.5 / 3) / 2)


@pytest.mark.parametrize(
    ("corpus", "accuracy"),
    [("audioset", 0.79), ("kinetics400", 0.79), ("ucf101", 0.78), ("hmdb51", 0.77)],
)
def test_speed_is_hard_to_tell_in_the_corpora(corpus: CorpusName, accuracy: float) -> None:
    assert accuracy_of_speed(CLASSES[corpus]) == pytest.approx(accuracy, abs=0.005)


def test_three_motions_show_the_direction_of_time() -> None:
    assert [motion for motion in MOTIONS if has_arrow_of_time(motion)] == ["shake", "rain", "loom"]
    assert len(classes_with_arrow(CLASSES["kinetics400"])) == 3
    assert len(classes_with_arrow(CLASSES["ucf101"])) == 6


def test_aligned_shifts_are_those_of_a_loop() -> None:
    """Of seconds of an item of three: there is room on one side of the first only."""
    rng = np.random.default_rng(1)
    hits, draws = 0, 20_000
    for rate in draw_rates(TWO, draws, rng):
        first = rng.uniform(0, 2)
        second = rng.uniform(first + 1, 2) if first < 1 else rng.uniform(0, first - 1)
        phase = rate * (second - first) % 1
        hits += min(phase, 1 - phase) < 0.1
    found = share_of_aligned_shifts(TWO, 3.0, 1.0, 20_000)
    assert found == pytest.approx(hits / draws, abs=0.015)
    still = (EventClass("x", "bounce", None, (1e-3, 2e-3)),)
    assert share_of_aligned_shifts(still, 3.0, 1.0, 100) == 1.0


def test_likelihoods_are_those_of_a_sum_over_onsets() -> None:
    rng = np.random.default_rng(2)
    times, phases = rng.uniform(0, 2, (3, 2)), rng.random((3, 2))
    rates, kappa = np.array([0.7, 1.9]), 3.0
    expected = []
    for order in permutations(range(3)):
        total = 0.0
        for rate in rates:
            for onset in np.arange(200) / 200:
                errors = [
                    phases[place, end] - rate * times[clip, end] - onset
                    for place, clip in enumerate(order)
                    for end in range(2)
                ]
                total += np.exp(kappa * np.cos(2 * np.pi * np.array(errors)).sum())
        expected.append(total / 200)
    np.testing.assert_allclose(likelihoods_of_orders(phases, times, rates, kappa), expected)


def test_the_order_of_clips_is_told_from_a_phase_that_is_read_well() -> None:
    slow = (EventClass("x", "bounce", None, (0.1, 0.28)),)  # the phase never comes back
    assert accuracy_of_order(slow, [0, 1, 2], 0.6, 0.02, 100) > 0.95
    assert accuracy_of_order(slow, [0, 1, 2], 0.6, 1.0, 600) == pytest.approx(1 / 6, abs=0.06)
    assert accuracy_of_order(slow, [0, 0, 0], 0.6, 0.02, 600) == pytest.approx(1 / 6, abs=0.06)


def test_the_normal_clip_is_in_the_middle_of_the_fast_one() -> None:
    normal, fast = clips_of_two_speeds("hmdb51", num_items=1, num_frames=8)
    assert normal.shape == fast.shape == (12, 8, 32, 32)
    np.testing.assert_array_equal(normal[:, ::2], fast[:, 2:6])


def test_the_difference_of_frames_is_that_of_a_loop() -> None:
    clips = np.random.default_rng(0).random((3, 4, 2, 2))
    expected = [np.mean([abs(c[t] - c[t - 1]).mean() for t in range(1, 4)]) for c in clips]
    np.testing.assert_allclose(frame_difference(clips), expected)


def test_the_area_is_the_share_of_pairs() -> None:
    lower, higher = np.array([1.0, 2.0, 2.0, 5.0]), np.array([2.0, 3.0, 0.0])
    pairs = [(high > low) + (high == low) / 2 for low in lower for high in higher]
    assert area_under_curve(lower, higher) == pytest.approx(np.mean(pairs))


def test_all_is_measured_of_a_corpus() -> None:
    found = ceilings("ucf101", num_items=1, num_draws=5)
    assert found.arrow == 0.25
    assert 0.5 < found.difference_auc < 0.75
    assert found.order_of_three.keys() == found.order_of_four.keys() == {0.02, 0.05, 0.1, 0.2}

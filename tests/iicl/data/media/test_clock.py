"""Time stamps that files get wrong, and pauses that are none of it."""

import numpy as np
import pytest

from iicl.data.media.clock import (
    MAX_PAUSE_SECONDS,
    InOrder,
    Jump,
    covers,
    removable,
    shifts,
    typical_step,
    without_wild_stamps,
)

STEP = 0.04
TIMES = np.arange(100) * STEP


def cleaned(stamps: np.ndarray) -> tuple[np.ndarray, list[Jump]]:
    return without_wild_stamps(stamps, STEP)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 3, 1, 2], [3, 1, 0, 2]])
def test_right_stamps_stay_as_they_are_in_any_order_of_decoding(order: list[int]) -> None:
    stamps = TIMES.reshape(-1, 4)[:, order].ravel()
    clean, jumps = cleaned(stamps)
    np.testing.assert_array_equal(clean, stamps)
    assert jumps == []


@pytest.mark.parametrize("place", [0, 1, 50, 97])
@pytest.mark.parametrize("error", [60.0, 3.0, 1e6, 1.3])
def test_a_stamp_far_ahead_of_those_after_it_is_taken_out(place: int, error: float) -> None:
    stamps = TIMES.copy()
    stamps[place] += error
    clean, jumps = cleaned(stamps)
    assert np.flatnonzero(np.isnan(clean)).tolist() == [place]
    assert jumps == []


def test_a_first_stamp_that_is_later_than_all_reordering_allows_is_taken_out() -> None:
    stamps = TIMES.copy()
    stamps[0] = 1.0
    clean, jumps = cleaned(stamps)
    assert np.flatnonzero(np.isnan(clean)).tolist() == [0]
    assert jumps == []


@pytest.mark.parametrize("place", [50, 99])
def test_a_stamp_far_behind_is_taken_out(place: int) -> None:
    stamps = TIMES + 100
    stamps[place] -= 50
    clean, jumps = cleaned(stamps)
    assert np.flatnonzero(np.isnan(clean)).tolist() == [place]
    assert jumps == []


def test_repeated_stamps_count_once() -> None:
    clean, _ = cleaned(np.zeros(10))
    assert np.isnan(clean).sum() == 9


@pytest.mark.parametrize("parts", [2, 3])
def test_a_clock_that_starts_anew_goes_on_where_it_was(parts: int) -> None:
    stamps = np.tile(TIMES, parts)
    clean, jumps = cleaned(stamps)
    assert removable(jumps, len(stamps), None, MAX_PAUSE_SECONDS) == [True] * (parts - 1)
    mended = clean + shifts(jumps, len(stamps))
    np.testing.assert_allclose(mended, np.arange(100 * parts) * STEP, atol=1e-9)


def test_pictures_that_decode_after_a_leap_may_belong_before_it() -> None:
    before, after = TIMES[:10], TIMES[:10] + 30
    stamps = np.concatenate([before[:8], after[:1], before[8:], after[1:]])
    clean, jumps = cleaned(stamps)
    assert [(jump.index, jump.late) for jump in jumps] == [(8, (9, 10))]
    mended = np.sort(clean + shifts(jumps, len(stamps)))
    np.testing.assert_allclose(np.diff(mended), np.full(19, STEP), atol=STEP * 2.1)
    assert mended[-1] < 1.0


@pytest.mark.parametrize(
    ("seconds", "other", "is_fault"),
    [
        (3.0, None, False),
        (60.0, None, True),
        (60.0, np.arange(0, 70, 0.02), False),
        (60.0, np.arange(0, 4, 0.02), True),
    ],
)
def test_a_leap_ahead_is_a_pause_if_it_is_short_or_the_other_stream_goes_on(
    seconds: float, other: np.ndarray | None, is_fault: bool
) -> None:
    stamps = TIMES + seconds * (np.arange(100) >= 50)
    _, jumps = cleaned(stamps)
    assert [round(jump.seconds, 6) for jump in jumps] == [seconds]
    assert removable(jumps, 100, other, MAX_PAUSE_SECONDS) == [is_fault]


def test_slides_are_no_leaps() -> None:
    stamps = np.array([0.0, 5.0, 10.0, 14.0, 30.0])
    step = typical_step(stamps, stamps, 0.04)
    assert step == 5.0
    clean, jumps = without_wild_stamps(stamps, step)
    np.testing.assert_array_equal(clean, stamps)
    assert jumps == []


def test_a_stream_covers_what_it_has_stamps_in() -> None:
    assert covers(np.arange(0, 10, 0.1), 2.0, 8.0)
    assert not covers(np.arange(0, 5, 0.1), 2.0, 8.0)


def given(times: list[float | None]) -> tuple[list[float], InOrder[int]]:
    order: InOrder[int] = InOrder(STEP, 0.0)
    pairs = [pair for n, time in enumerate(times) for pair in order.add(n, time)]
    pairs += order.finish()
    assert [item for item, _ in pairs] == list(range(len(times)))
    return [time for _, time in pairs], order


@pytest.mark.parametrize("swap", [1, 2, 3, 4])
def test_stamps_out_of_order_are_put_in_order(swap: int) -> None:
    times = TIMES[:20].tolist()
    times[8], times[8 + swap] = times[8 + swap], times[8]
    times_given, order = given(times)
    np.testing.assert_allclose(times_given, TIMES[:20])
    assert order.num_reordered > 0


def test_pictures_without_stamps_are_spaced_evenly_between_their_neighbours() -> None:
    times: list[float | None] = TIMES[:20].tolist()
    times[0] = times[5] = times[6] = times[19] = None
    times_given, order = given(times)
    np.testing.assert_allclose(times_given[1:], TIMES[1:20])
    assert order.num_filled == 4
    assert order.num_reordered == 0


def test_without_any_stamp_the_step_counts() -> None:
    times_given, _ = given([None] * 10)
    np.testing.assert_allclose(times_given, TIMES[:10])

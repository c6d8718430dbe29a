"""Random draws of samples. The numbers of the first samples are those of earlier runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from iicl.config import Clip
from iicl.data.draws import Draw, uniform_boxes
from iicl.data.manifest import ManifestItem
from iicl.samples import AUDIO, VIDEO, Sample
from iicl.views.audio import first_sample
from tests.iicl.data.drawn_samples import LONG, SHORT, SOUND, UPRIGHT, drawing, starts

# item, (seed, epoch, clip), start in seconds, box, flip, jitter, gain, first samples of sound
STORED: list[tuple[ManifestItem, tuple[int, int, int], str, list[int], bool, list[str], str, Any]]
STORED = [
    (
        LONG,
        (0, 0, 0),
        "0x1.9f72a69d35d56p+0",
        [3, 17, 106, 106],
        True,
        ["0x1.0000000000000p+0", "0x1.0000000000000p+0", "0x1.0000000000000p+0"],
        "0x1.102d8173116f0p+0",
        (18499, 25965),
    ),
    (
        LONG,
        (7, 3, 1),
        "0x1.806917eda48edp+0",
        [0, 44, 123, 123],
        True,
        ["0x1.8f01fc7bc691ap-1", "0x1.41c2b1ecf1380p+0", "0x1.8d0aabf381306p-1"],
        "0x1.083bdf3ae9ca0p+0",
        (16559, 24026),
    ),
    (
        UPRIGHT,
        (0, 0, 0),
        "0x1.42d510dd0e3f4p-7",
        [2, 8, 109, 109],
        True,
        ["0x1.ea03d46a3aeaep-1", "0x1.d373f7cec2912p-1", "0x1.43b07fd48c2b4p+0"],
        "0x1.d090869f31a3bp-1",
        (0, 158),
    ),
    (
        UPRIGHT,
        (7, 3, 1),
        "0x1.5021485bdd4f6p+0",
        [21, 5, 111, 111],
        True,
        ["0x1.0000000000000p+0", "0x1.0000000000000p+0", "0x1.0000000000000p+0"],
        "0x1.1534f1e0cbfcfp+0",
        (8000, 8000),
    ),
    (
        SOUND,
        (0, 0, 0),
        "0x1.700e69f972919p+1",
        [0, 0, 1, 1],
        False,
        ["0x1.24737dbabab17p+0", "0x1.58bafd7698070p-1", "0x1.515d4db10e0c2p-1"],
        "0x1.10e92dfd4441ep+0",
        (46007, 46007),
    ),
    (
        SOUND,
        (7, 3, 1),
        "0x1.5361a67121bf4p+1",
        [0, 0, 1, 1],
        False,
        ["0x1.210f758e8ff83p+0", "0x1.cba5cefb82746p-1", "0x1.2462f85f9c0f2p+0"],
        "0x1.d24a9493d4f03p-1",
        (42423, 42423),
    ),
    (
        SHORT,
        (0, 0, 0),
        "0x1.1473d219b693dp-3",
        [0, 2, 84, 84],
        False,
        ["0x1.3652efae641b2p-1", "0x1.d3e4405e61c55p-1", "0x1.668f70fed2196p-1"],
        "0x1.e2e162b7879a3p-1",
        (0, 0),
    ),
    (
        SHORT,
        (7, 3, 1),
        "0x1.51147fd2eaf1bp-3",
        [1, 2, 94, 94],
        True,
        ["0x1.1e28b94ca32e2p+0", "0x1.336ce2ae06b63p-1", "0x1.b66d753131bb6p-1"],
        "0x1.07ba9900b4edfp+0",
        (0, 0),
    ),
]


def assert_same(first: Draw, second: Draw) -> None:
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("alignment", [0, 1], ids=["centred", "start"])
@pytest.mark.parametrize("stored", STORED, ids=lambda s: f"{s[0].id}-{s[1]}")
@pytest.mark.parametrize("samples", [(VIDEO, AUDIO), (AUDIO,), (VIDEO, Sample("video:1"), AUDIO)])
def test_the_first_video_and_sound_are_drawn_as_ever(
    samples: tuple[Sample, ...], stored: tuple[Any, ...], alignment: int
) -> None:
    item, (seed, epoch, clip_index), start, box, flip, jitter, gain, first = stored
    clip = Clip(alignment=("centred", "start")[alignment])
    draws = drawing(*samples, clip=clip, seed=seed, epoch=epoch, clip_index=clip_index)
    sound = draws.draw(AUDIO, item, item)
    assert sound.gain.hex() == gain
    if "audio" in item.views:
        assert first_sample(item, sound.start_seconds, clip) == first[alignment]
    if VIDEO in samples and "video" in item.views:
        video = draws.draw(VIDEO, item, item)
        assert video.start_seconds.hex() == start
        assert video.boxes.tolist() == [box]
        assert video.flip == flip
        assert [float(factor).hex() for factor in video.jitter] == jitter


def test_a_second_sample_has_draws_of_its_own() -> None:
    samples = (VIDEO, Sample("video:1"), Sample("video:2"), Sample("audio"))
    times = starts(*samples)
    assert np.abs(np.corrcoef(times.T) - np.eye(4)).max() < 0.25
    draws = drawing(*samples)
    first, second, third, _ = (draws.draw(sample, LONG, LONG) for sample in samples)
    assert len({first.gain, second.gain, third.gain}) == 3
    assert len({tuple(draw.boxes[0]) for draw in (first, second, third)}) == 3
    # Neither what else is asked for nor the order matters.
    assert_same(drawing(Sample("video:2"), VIDEO).draw(samples[2], LONG, LONG), third)


def test_a_draw_depends_on_seed_epoch_item_clip_and_name() -> None:
    sample = Sample("video:1")
    start_times = [
        drawing(sample).start_seconds(sample, LONG),
        drawing(sample, seed=1).start_seconds(sample, LONG),
        drawing(sample, epoch=1).start_seconds(sample, LONG),
        drawing(sample, clip_index=1).start_seconds(sample, LONG),
        drawing(sample).start_seconds(sample, replace(LONG, id="x")),
        drawing(Sample("video:2")).start_seconds(Sample("video:2"), LONG),
    ]
    assert len(set(start_times)) == 6


def test_a_shared_augmentation_is_the_same_at_another_time() -> None:
    first, second = Sample("video:1"), Sample("video:2", augmentation_of="video:1", size=64)
    third = Sample("video:3", augmentation_of="video:2")
    draws = drawing(VIDEO, first, second, third)
    one, two, three = (draws.draw(sample, LONG, LONG) for sample in (first, second, third))
    assert len({one.start_seconds, two.start_seconds, three.start_seconds}) == 3
    assert_same(two._replace(start_seconds=0), one._replace(start_seconds=0))
    assert_same(three._replace(start_seconds=0), one._replace(start_seconds=0))
    assert draws.augmented_as(third) is first
    assert draws.augmented_as(VIDEO) is VIDEO
    assert draws.draw(VIDEO, LONG, LONG).gain != one.gain


def test_a_shared_augmentation_of_another_item_is_that_of_the_item_it_shares() -> None:
    """The crop has the same relative place in pictures of another size."""
    sample = Sample("video:other", item="other", augmentation_of="video")
    draws = drawing(VIDEO, sample)
    own_draw, other_draw = draws.draw(VIDEO, LONG, LONG), draws.draw(sample, UPRIGHT, LONG)
    assert (own_draw.flip, own_draw.gain) == (other_draw.flip, other_draw.gain)
    np.testing.assert_array_equal(own_draw.jitter, other_draw.jitter)
    top, left, side, _ = own_draw.boxes[0]
    other_top, other_left, other_side, _ = other_draw.boxes[0]
    assert side == other_side  # both have a short side of 128
    assert top / (128 - side) == pytest.approx(other_top / (170 - side), abs=0.1)
    assert left / (170 - side) == pytest.approx(other_left / (128 - side), abs=0.1)


def test_three_crops_lie_along_the_longer_side() -> None:
    np.testing.assert_array_equal(
        uniform_boxes(32, 42, 3), [[0, 0, 32, 32], [0, 5, 32, 32], [0, 10, 32, 32]]
    )
    np.testing.assert_array_equal(uniform_boxes(50, 32, 1), [[9, 0, 32, 32]])


def test_a_squashed_frame_is_whole_or_a_part_of_its_own_shape() -> None:
    np.testing.assert_array_equal(uniform_boxes(32, 42, 2, "squash"), [[0, 0, 32, 42]] * 2)
    crop, squash = (
        drawing(VIDEO, clip=Clip(framing=framing)).draw(VIDEO, LONG, LONG).boxes[0]
        for framing in ("crop", "squash")
    )
    assert crop[2] == crop[3] == squash[2]
    assert squash[3] / squash[2] == pytest.approx(LONG.width / LONG.height, abs=0.01)
    assert crop[0] == squash[0]
    assert 0 <= squash[1] <= LONG.width - squash[3]

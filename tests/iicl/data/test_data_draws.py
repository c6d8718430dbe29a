"""Where samples lie in their items. The numbers of the first samples are those of earlier runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.draws import Contents, Draw, Drawing, has_room, uniform_boxes
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import Batching
from iicl.samples import AUDIO, VIDEO, Sample, check_samples
from iicl.views.audio import first_sample
from iicl.views.video import frame_numbers

BOTH = ("video", "audio")
LONG = ManifestItem(
    "a/1.mkv",
    ("a",),
    {},
    "a",
    views=BOTH,
    num_frames=250,
    fps=25.0,
    height=128,
    width=170,
    num_samples=160_000,
)
UPRIGHT = ManifestItem(
    "b/2.mkv",
    ("b",),
    {},
    "b",
    views=BOTH,
    num_frames=90,
    fps=30000 / 1001,
    height=170,
    width=128,
    num_samples=40_000,
)
SOUND = ManifestItem("c/3.wav", ("c",), {}, "c", views=("audio",), num_samples=80_000)
SHORT = ManifestItem(
    "d/4.mkv", ("d",), {}, "d", views=("video",), num_frames=20, fps=10.0, height=96, width=96
)
CLIP = Clip()  # 1.07 s of video, 2 s of sound
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


def drawing(
    *samples: Sample,
    clip: Clip = CLIP,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    clip_index: int = 0,
    **batching: Any,
) -> Drawing:
    """A clip's draws with random sampling, unless told otherwise."""
    check_samples(samples)
    how = {"sampling": "random", "batch_size": 1, "num_clips": 2, "seed": seed} | batching
    contents = Contents(clip, samples, augmentation or Augmentation())
    if how["sampling"] == "uniform":
        contents = replace(contents, augmentation=NO_AUGMENTATION)
    return Drawing(contents, Batching(**how), epoch, clip_index)


def starts(*samples: Sample, item: ManifestItem = LONG, **options: Any) -> np.ndarray:
    """(200, samples) seconds, over as many epochs."""
    return np.array(
        [
            [drawing(*samples, epoch=epoch, **options).start_seconds(s, item) for s in samples]
            for epoch in range(200)
        ]
    )


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
    others = [
        drawing(sample).start_seconds(sample, LONG),
        drawing(sample, seed=1).start_seconds(sample, LONG),
        drawing(sample, epoch=1).start_seconds(sample, LONG),
        drawing(sample, clip_index=1).start_seconds(sample, LONG),
        drawing(sample).start_seconds(sample, replace(LONG, id="x")),
        drawing(Sample("video:2")).start_seconds(Sample("video:2"), LONG),
    ]
    assert len(set(others)) == 6


@pytest.mark.parametrize("alignment", ["centred", "start"])
@pytest.mark.parametrize("stride", [1, 2])
def test_with_is_aligned_and_kept_inside(alignment: str, stride: int) -> None:
    fast = Sample("video:fast", time="with", of="audio", stride=stride)
    clip = Clip(alignment=alignment)  # type: ignore[arg-type]
    times = starts(VIDEO, AUDIO, fast, clip=clip)
    audio, video = times[:, 1], times[:, 2]
    window = stride * 32 / 30
    shift = (2.0 - window) / 2 if alignment == "centred" else 0.0
    np.testing.assert_allclose(video, np.clip(audio + shift, 0, 10 - window))
    assert video.max() <= 10 - window
    numbers = frame_numbers(LONG, video[0], fast, clip)
    expected = video[0] + np.arange(32) * stride / 30
    np.testing.assert_allclose(numbers / 25, expected, atol=0.5 / 25 + 1e-6)
    assert numbers.max() < 250


def test_with_a_clip_that_is_longer_than_its_item_is_in_its_middle() -> None:
    """The clip has 1.07 s of an item of 0.5 s; its sound is centred on what there is."""
    item = replace(LONG, num_frames=12, fps=24.0, num_samples=8000)
    clip = Clip(audio_seconds=0.25, spectrogram_frames=25)
    draws = drawing(VIDEO, AUDIO, clip=clip)
    assert draws.start_seconds(VIDEO, item) == 0
    assert draws.start_seconds(AUDIO, item) == pytest.approx((0.5 - 0.25) / 2)


LATE = Sample("audio:late", time="apart", of="audio")
APART = [
    (VIDEO, Sample("video:1", time="apart", of="video")),
    (VIDEO, Sample("video:1", time="apart", of="video", stride=2)),
    (VIDEO, Sample("video:1", time="apart", of="video", num_frames=60)),
    (VIDEO, AUDIO, LATE),
    (VIDEO, Sample("audio", time="apart", of="video")),
    (AUDIO, Sample("video:1", time="apart", of="audio")),  # shorter than the other
]


@pytest.mark.parametrize("samples", APART, ids=lambda s: str(s[-1]))
def test_apart_is_a_window_away_on_either_side_and_all_of_it_is_used(
    samples: tuple[Sample, ...],
) -> None:
    windows = [
        2.0 if s.view == "audio" else (s.num_frames or 32) * s.stride / 30 for s in samples[-2:]
    ]
    distance, last = max(windows), 10 - windows[-1]
    times = starts(*samples)
    one, other = times[:, -2], times[:, -1]
    assert (np.abs(one - other) >= distance - 1e-9).all()
    assert other.min() >= 0
    assert other.max() <= last + 1e-9
    assert (other > one).any()
    assert (other < one).any()
    assert other.min() < 0.5
    assert other.max() > last - 0.5
    # Uniform over what is left: the share of the time before is the share of the room before.
    before = np.clip(one - distance, 0, last)
    after = np.clip(last - one - distance, 0, last)
    expected = (before / (before + after)).mean()
    assert (other < one).mean() == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("sampling", ["random", "uniform"])
@pytest.mark.parametrize("samples", APART, ids=lambda s: str(s[-1]))
def test_room_is_what_apart_needs_and_no_more(samples: tuple[Sample, ...], sampling: str) -> None:
    """An item that has just enough never fails, wherever the first sample lies."""
    windows = [
        2.0 if s.view == "audio" else (s.num_frames or 32) * s.stride / 30 for s in samples[-2:]
    ]
    needed = 2 * max(windows) + windows[-1]
    item = replace(LONG, num_frames=1000, fps=1000 / needed, num_samples=round(needed * 16_000))
    assert has_room(item, samples, CLIP)
    assert not has_room(
        replace(item, fps=1010 / needed, num_samples=item.num_samples - 200), samples, CLIP
    )
    times = starts(*samples, item=item, sampling=sampling)
    assert (np.abs(times[:, -2] - times[:, -1]) >= max(windows) - 1e-3).all()
    assert times.min() >= 0
    assert times[:, -1].max() <= needed - windows[-1] + 1e-3


def test_an_item_without_the_view_has_no_room() -> None:
    assert not has_room(SHORT, (VIDEO, AUDIO, LATE), CLIP)
    assert has_room(SHORT, (VIDEO, AUDIO), CLIP)


def test_uniform_clips_of_a_named_sample_span_the_item() -> None:
    sample = Sample("video:1")
    options = {"sampling": "uniform", "num_clips": 3}
    times = [drawing(sample, clip_index=k, **options).start_seconds(sample, LONG) for k in range(3)]
    np.testing.assert_allclose(times, np.linspace(0, 10 - 32 / 30, 3))
    draw = drawing(sample, **options).draw(sample, LONG, LONG)
    assert (draw.flip, draw.gain, draw.jitter.tolist()) == (False, 1.0, [1, 1, 1])


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
    one, other = draws.draw(VIDEO, LONG, LONG), draws.draw(sample, UPRIGHT, LONG)
    assert (one.flip, one.gain) == (other.flip, other.gain)
    np.testing.assert_array_equal(one.jitter, other.jitter)
    (top, left, side, _), (other_top, other_left, other_side, _) = one.boxes[0], other.boxes[0]
    assert side == other_side  # both have a short side of 128
    assert top / (128 - side) == pytest.approx(other_top / (170 - side), abs=0.1)
    assert left / (170 - side) == pytest.approx(other_left / (128 - side), abs=0.1)


@pytest.mark.parametrize("fps", [6, 8.0, 16.0, 25.0, 30000 / 1001])
@pytest.mark.parametrize("clip_fps", [4, 8, 25, 30])
def test_frames_are_the_nearest(fps: float, clip_fps: float) -> None:
    item = ManifestItem("x", (), {}, "", num_frames=300, fps=fps)
    clip = Clip(num_frames=16, fps=clip_fps)
    for start in (0.0, 0.31, 1.7):
        for k, number in enumerate(frame_numbers(item, start, VIDEO, clip)):
            time = start + k / clip_fps
            distances = np.abs(np.arange(300) / fps - time)
            assert distances[number] == pytest.approx(distances.min(), abs=1e-5)


def test_a_clip_longer_than_its_item_starts_over() -> None:
    item = ManifestItem("x", (), {}, "", num_frames=5, fps=10.0)
    numbers = frame_numbers(item, 0.0, VIDEO, Clip(num_frames=12, fps=10))
    np.testing.assert_array_equal(numbers, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    exact = frame_numbers(item, 0.0, VIDEO, Clip(num_frames=8, fps=16))
    assert exact.max() == 4
    assert (np.diff(exact) >= 0).all()


def test_three_crops_lie_along_the_longer_side() -> None:
    np.testing.assert_array_equal(
        uniform_boxes(32, 42, 3), [[0, 0, 32, 32], [0, 5, 32, 32], [0, 10, 32, 32]]
    )
    np.testing.assert_array_equal(uniform_boxes(50, 32, 1), [[9, 0, 32, 32]])


def test_an_item_without_video_is_sampled_by_its_sound() -> None:
    item = ManifestItem("x", (), {}, "", views=("audio",), num_samples=5 * 16_000)
    clip = Clip(audio_seconds=2.0, sample_rate=16_000)
    options = {"sampling": "uniform", "num_clips": 3, "clip": clip}
    times = [drawing(AUDIO, clip_index=k, **options).start_seconds(AUDIO, item) for k in range(3)]
    assert times == [0.0, 1.5, 3.0]
    assert [first_sample(item, time, clip) for time in times] == [0, 24_000, 48_000]
    assert first_sample(item, 4.5, clip) == 48_000

"""Where samples lie in their items, alone and with respect to each other."""

from dataclasses import replace

import numpy as np
import pytest

from iicl.config import Clip
from iicl.data.draws import has_room
from iicl.data.manifest import ManifestItem
from iicl.samples import AUDIO, VIDEO, Sample
from iicl.views.audio import first_sample
from iicl.views.video import frame_numbers
from tests.iicl.data.drawn_samples import CLIP, LONG, SHORT, drawing, starts


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


WHOLE = Sample("video", num_frames=60, whole=True)
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
    first_times, second_times = times[:, -2], times[:, -1]
    assert (np.abs(first_times - second_times) >= distance - 1e-9).all()
    assert second_times.min() >= 0
    assert second_times.max() <= last + 1e-9
    assert (second_times > first_times).any()
    assert (second_times < first_times).any()
    assert second_times.min() < 0.5
    assert second_times.max() > last - 0.5
    # Uniform over what is left: the share of the time before is the share of the room before.
    before = np.clip(first_times - distance, 0, last)
    after = np.clip(last - first_times - distance, 0, last)
    expected = (before / (before + after)).mean()
    assert (second_times < first_times).mean() == pytest.approx(expected, abs=0.1)


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


@pytest.mark.parametrize("sample", [Sample("video:fast", stride=2, whole=True), WHOLE], ids=str)
def test_a_whole_sample_needs_an_item_of_its_window_and_no_more(sample: Sample) -> None:
    window = (sample.num_frames or 32) * sample.stride / 30
    item = replace(LONG, num_frames=1000, fps=1000 / window)
    shorter = replace(item, fps=1001 / window)
    assert has_room(item, (sample,), CLIP)
    assert not has_room(shorter, (VIDEO, sample), CLIP)
    assert has_room(shorter, (VIDEO, replace(sample, whole=False)), CLIP)
    assert not has_room(replace(item, views=("audio",)), (sample,), CLIP)


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


def test_an_item_without_video_is_sampled_by_its_sound() -> None:
    item = ManifestItem("x", (), {}, "", views=("audio",), num_samples=5 * 16_000)
    clip = Clip(audio_seconds=2.0, sample_rate=16_000)
    options = {"sampling": "uniform", "num_clips": 3, "clip": clip}
    times = [drawing(AUDIO, clip_index=k, **options).start_seconds(AUDIO, item) for k in range(3)]
    assert times == [0.0, 1.5, 3.0]
    assert [first_sample(item, time, clip) for time in times] == [0, 24_000, 48_000]
    assert first_sample(item, 4.5, clip) == 48_000

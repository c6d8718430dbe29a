"""SpeedNet: where its clips lie, the loss of the speed, what can be learnt, and what cannot."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iicl import encoders
from iicl.config import Clip
from iicl.data.draws import has_room
from iicl.methods.speednet.method import SpeedNet, num_times
from iicl.methods.speednet.settings import FAST, Settings
from iicl.pretraining import pretrain_phases
from iicl.training import pretrain
from iicl.views.video import frame_numbers
from iicl.work import encoded_samples
from tests.iicl.context import context
from tests.iicl.data.drawn_samples import LONG, starts
from tests.iicl.methods.every_method import LENGTH, SMALL
from tests.iicl.methods.toy_training import Batch, toy, trained

NUM_FRAMES = 8


def make(**settings: object) -> SpeedNet:
    method = toy({"name": "speednet", "sizes": (1.0, 1.0), **settings})
    assert isinstance(method, SpeedNet)
    return method


def waves(num_items: int, speed: int = 2) -> Batch:
    """A brightness that swings at a random slow rate, and the same at another speed."""
    rate, onset = 0.05 + 0.04 * torch.rand(num_items, 1), torch.rand(num_items, 1)
    times = torch.arange(NUM_FRAMES)

    def video(stride: int) -> Tensor:
        wave = torch.sin(2 * math.pi * (rate * stride * times + onset))
        return wave[:, None, :, None, None].expand(-1, 3, -1, 4, 4)

    return {"video": video(1), FAST: video(speed)}


def test_the_place_of_a_clip_does_not_tell_its_speed() -> None:
    """The mean times of both have one distribution, up to half a frame, and nothing is moved."""
    samples = Settings().samples("training")
    clip = Clip(num_frames=8, fps=25.0)
    times = starts(*samples, clip=clip)
    means = [
        [frame_numbers(LONG, start, sample, clip).mean() for start in times[:, column]]
        for column, sample in enumerate(samples)
    ]
    fast, normal = np.array(means)
    np.testing.assert_allclose(normal - fast, 0.5, atol=0.51)
    last = LONG.num_frames / LONG.fps - 16 / 25
    assert 0 <= times[:, 0].min() < 0.1 * last
    assert 0.9 * last < times[:, 0].max() <= last


def test_an_item_that_is_too_short_for_the_fast_clip_is_left_out(
    settings: dict, corpora: dict[str, Path], tmp_path: Path
) -> None:
    """The generated items have 24 frames; none starts over to fill a clip of 26."""
    samples = Settings().samples("training")
    assert has_room(LONG, samples, Clip(num_frames=LONG.num_frames // 2, fps=LONG.fps))
    assert not has_room(LONG, samples, Clip(num_frames=LONG.num_frames // 2 + 1, fps=LONG.fps))
    settings |= {
        "method": {"name": "speednet"},
        "encoders": SMALL,
        "clip": Clip(num_frames=13, fps=8.0, size=16),
    }
    (phase,) = pretrain_phases(LENGTH, **settings)
    with pytest.raises(ValueError, match="corpus audioset has 0 usable train items"):
        pretrain.run(phase, context(tmp_path, corpora=corpora, upstream={}))


def test_the_feature_is_the_greatest_over_space_and_the_mean_over_time() -> None:
    """By the network's own map of 3 x 2 x 2 places."""
    method = toy({"name": "speednet"}).eval()
    network = torch.nn.Conv3d(3, 16, 1)
    method.video_encoder = torch.nn.Module()
    method.video_encoder.tokens = lambda x: network(x).permute(0, 2, 3, 4, 1).flatten(1, 3)
    method.sizes = Identity()
    video = torch.randn(2, 3, 3, 2, 2)
    features = method.encode({"video": video, FAST: video + 1})
    for name, clip in (("normal", video), ("fast", video + 1)):
        expected = network(clip).amax((3, 4)).mean(2)
        torch.testing.assert_close(features[name], expected)


class Identity:
    """The price of a network that keeps each place."""

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        return (3, clip.num_frames, clip.size, clip.size)

    def num_tokens(self, clip: Clip) -> int:
        return clip.num_frames * clip.size**2


def test_times_of_a_map_are_counted() -> None:
    encoder = SMALL.of("video")
    for num_frames, times in ((4, 1), (8, 1), (9, 2), (16, 2), (64, 8)):
        assert num_times(encoder, num_frames, 16) == times


@pytest.mark.parametrize("name", encoders.names())
def test_the_times_of_every_encoder_are_what_maps_of_all_sizes_share(name: str) -> None:
    """A map has T' times the square of its side; the sides of several sizes have no divisor."""
    settings = encoders.settings_class(name)()
    if settings.INPUT == "frames":
        for num_frames in (8, 16):
            clip = Clip(num_frames=num_frames)
            clips = [clip.model_copy(update={"size": side}) for side in range(32, 160, 2)]
            times = math.gcd(*map(settings.num_tokens, clips))
            assert num_times(settings, num_frames, 32) == times


def test_a_clip_that_the_encoder_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="S3D-G cannot take a clip of 8 frames of 16 x 16 pixels"):
        num_times(encoders.settings_class("s3dg")(), 8, 16)


def test_both_clips_go_through_one_call_of_the_encoder() -> None:
    method, calls = make(), []
    tokens = method.video_encoder.tokens
    method.video_encoder.tokens = lambda x: calls.append(len(x)) or tokens(x)
    method.encode(waves(5))
    assert calls == [10]


def test_a_chunk_has_a_random_size_in_training_and_its_own_in_evaluation() -> None:
    method = toy({"name": "speednet", "sizes": (0.5, 1.5)})
    clips = torch.rand(2, 3, 4, 16, 16)
    sides = {method.resized(clips).shape[-1] for _ in range(300)}
    assert sides == set(range(8, 25))
    sizes: list[int] = []
    tokens = method.video_encoder.tokens
    method.video_encoder.tokens = lambda x: sizes.append(x.shape[-1]) or tokens(x)
    batch = {"video": clips, FAST: clips}
    for _ in range(5):
        method.train().encode(batch)
    assert len(set(sizes)) > 1
    sizes.clear()
    method.eval().encode(batch)
    assert sizes == [16]


def test_resizing_leaves_time_alone() -> None:
    method = toy({"name": "speednet", "sizes": (0.5, 0.5)})
    clips = torch.rand(2, 3, 4, 16, 16)
    by_frame = torch.nn.functional.interpolate(
        clips.transpose(1, 2).flatten(0, 1), (8, 8), mode="bilinear"
    )
    torch.testing.assert_close(method.resized(clips), by_frame.unflatten(0, (2, 4)).transpose(1, 2))


def test_the_loss_is_the_cross_entropy_of_the_speed() -> None:
    method = make().double()
    features = {name: torch.randn(5, 16, dtype=torch.float64) for name in ("normal", "fast")}
    p_fast = [torch.sigmoid(method.classifier(features[name])) for name in ("normal", "fast")]
    expected = -torch.cat([(1 - p_fast[0]).log(), p_fast[1].log()]).mean()
    torch.testing.assert_close(method.loss(features)[0], expected)


def test_the_loss_starts_at_log_2() -> None:
    method = make()
    assert method.loss(method.encode(waves(90)))[0].item() == pytest.approx(math.log(2), abs=0.1)
    torch.nn.init.zeros_(method.classifier.weight)
    torch.nn.init.zeros_(method.classifier.bias)
    total, _ = method.loss(method.encode(waves(90)))
    assert total.item() == pytest.approx(0.6931472, abs=1e-6)


def test_swapped_clips_and_a_negated_head_have_the_same_loss() -> None:
    method = make().double()
    features = {name: torch.randn(5, 16, dtype=torch.float64) for name in ("normal", "fast")}
    before = method.loss(features)[0].clone()
    with torch.no_grad():
        for parameter in method.classifier.parameters():
            parameter.neg_()
    swapped = {"normal": features["fast"], "fast": features["normal"]}
    torch.testing.assert_close(method.loss(swapped)[0], before)


def test_frozen_video_cannot_go_below_log_2() -> None:
    method = make().double().eval()
    frozen = torch.rand(9, 3, 1, 4, 4, dtype=torch.float64).expand(-1, -1, NUM_FRAMES, -1, -1)
    total, _ = method.loss(method.encode({"video": frozen, FAST: frozen}))
    assert total.item() >= math.log(2)


def test_speed_is_learnt_from_a_wave() -> None:
    assert trained(make(), waves, 150) > 0.95


def test_without_a_signal_both_clips_are_the_normal_one() -> None:
    """The two are the same frames with the same augmentation: no logit tells one from another."""
    samples = Settings(signal="destroyed").samples("training")
    assert [sample.stride for sample in samples] == [1, 1]
    times = starts(*samples, clip=Clip(num_frames=8, fps=25.0))
    np.testing.assert_array_equal(times[:, 0], times[:, 1])
    assert samples[1].augmentation_of == FAST
    method = make(signal="destroyed")
    total, _ = method.loss(method.encode(waves(9, speed=1)))
    assert total.item() >= math.log(2)


def test_the_price_is_that_of_the_mean_number_of_pixels() -> None:
    settings = {"name": "speednet", "sizes": (0.5, 1.5)}
    (phase,) = pretrain_phases(
        LENGTH, method=settings, corpus="x", seed=0, clip=Clip(num_frames=8, size=32)
    )
    sides = np.linspace(16, 48, 10_001)
    for video in encoded_samples(phase):
        assert video.clip.size == round(math.sqrt((sides**2).mean()))
        assert video.clip.num_frames == 8


@pytest.mark.parametrize(("sizes", "speed"), [((1.5, 0.5), 2), ((0.5, 1.5), 1)])
def test_settings_that_make_no_sense_are_refused(sizes: tuple[float, float], speed: int) -> None:
    with pytest.raises(ValueError, match=r"low <= high, got 1.5, 0.5|2 or more, got 1"):
        Settings(sizes=sizes, speed=speed)

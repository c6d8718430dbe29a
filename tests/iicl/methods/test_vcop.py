"""VCOP: which clips are shown, the loss of their order, and what can be learnt from it."""

import math
from collections import Counter
from itertools import permutations

import pytest
import torch
from torch import Tensor

from iicl.config import Clip, PretrainLength
from iicl.methods.vcop.method import VCOP
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.work import encoded_samples, work
from tests.iicl.methods.every_method import SMALL
from tests.iicl.methods.toy_training import Batch, toy, trained

DESK = {"name": "vcop", "clip_frames": 6, "gap": 2, "crop": 1.0}
REVERSED = [5, 3, 4, 1, 2, 0]


def make(**settings: object) -> VCOP:
    method = toy({**DESK, **settings})
    assert isinstance(method, VCOP)
    return method


def draws_of(orders: list[tuple[int, ...]]) -> Tensor:
    """Numbers that show the clips in these orders, at the first crop."""
    numbers = torch.zeros(len(orders), 10)
    for row, order in zip(numbers, orders, strict=True):
        for place, clip in enumerate(order):
            row[clip] = place / 10  # sorting them puts the clip at its place
    return numbers


def counted(num_items: int, num_frames: int = 22) -> Batch:
    """Videos whose brightness is the number of the frame."""
    counter = torch.arange(num_frames) / num_frames
    video = counter[None, None, :, None, None].expand(num_items, 3, -1, 4, 4)
    return {"video": video, "draws": torch.rand(num_items, 10)} | {
        f"draws:{i}": torch.rand(num_items, 10) for i in (1, 2)
    }


def test_clips_are_a_gap_apart_and_shown_in_the_drawn_order() -> None:
    video = torch.arange(22.0)[None, None, :, None, None].expand(6, 3, -1, 4, 4)
    orders = sorted(permutations(range(3)))
    clips = make().shown_clips({"video": video, "draws": draws_of(orders)})
    assert clips.shape == (6, 3, 3, 6, 4, 4)
    for shown, order in zip(clips, orders, strict=True):
        frames = [list(range(8 * clip, 8 * clip + 6)) for clip in order]
        assert shown[:, 0, :, 0, 0].tolist() == frames


def test_all_orders_are_equally_frequent() -> None:
    orders = Counter(map(tuple, torch.rand(6000, 10)[:, :3].argsort(1).tolist()))
    assert len(orders) == 6
    assert min(orders.values()) > 850


def test_each_clip_has_a_crop_of_its_own() -> None:
    """The authors' 112 of 128 pixels, at all places, in columns as in rows."""
    settings = make(crop=0.875).settings
    assert settings.side(128) == 112
    rows, columns = torch.arange(16.0)[:, None], torch.arange(16.0)[None, :] * 100
    video = (rows + columns).expand(200, 1, 22, 16, 16)
    clips = make(crop=0.875).shown_clips({"video": video, "draws": torch.rand(200, 10)})
    assert clips.shape[-2:] == (14, 14)
    corners = clips[:, :, 0, 0, 0, 0]
    assert set(corners.flatten().tolist()) == {y + 100.0 * x for y in range(3) for x in range(3)}
    assert (corners[:, 0] != corners[:, 1]).any()
    torch.testing.assert_close(
        clips[..., 13, 13] - clips[..., 0, 0], torch.full((200, 3, 1, 6), 1313.0)
    )


def test_all_clips_go_through_one_call_of_the_encoder() -> None:
    """So that batch norm's statistics do not differ with the place at which a clip is shown."""
    method, calls = make(), []
    method.video_encoder.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    method.encode(counted(5))
    assert calls == [15]


def test_logits_are_those_of_the_equation() -> None:
    method = make().double().eval()
    h = torch.randn(4, 3, 16, dtype=torch.float64)
    w1, b1 = method.pair[0].weight, method.pair[0].bias
    for row, logits in zip(h, method.logits(h), strict=True):
        pairs = [w1 @ torch.cat([row[k], row[m]]) + b1 for k, m in ((0, 1), (0, 2), (1, 2))]
        expected = method.classifier.weight @ torch.cat(pairs).clamp(min=0)
        torch.testing.assert_close(logits, expected + method.classifier.bias)


def test_in_training_half_of_the_pairs_features_are_dropped() -> None:
    method = make().double()
    torch.nn.init.ones_(method.classifier.weight)
    torch.nn.init.zeros_(method.classifier.bias)
    clips = torch.randn(4, 3, 16, dtype=torch.float64)
    dropped = torch.stack([method.logits(clips) for _ in range(400)])
    kept = method.eval().logits(clips)
    assert (dropped != kept).all()
    torch.testing.assert_close(dropped.mean(0), kept, rtol=0.05, atol=0)


def test_the_loss_starts_at_log_6() -> None:
    method = make()
    assert method.loss(method.encode(counted(60)))[0].item() == pytest.approx(math.log(6), abs=0.2)
    method.classifier.weight.data.zero_()
    method.classifier.bias.data.zero_()
    total, _ = method.loss(method.encode(counted(60)))
    assert total.item() == pytest.approx(1.7917595, abs=1e-6)


def test_clips_that_are_all_equal_cannot_go_below_log_6() -> None:
    """The logits are those of every order, and by Jensen's inequality their mean loss is more."""
    method = make().double().eval()
    draws = draws_of(sorted(permutations(range(3))))
    features = method.encode({"video": torch.ones(6, 3, 22, 4, 4).double(), "draws": draws})
    logits = method.logits(features["clips"])
    torch.testing.assert_close(logits, logits[:1].expand(6, -1))
    assert method.loss(features)[0].item() >= math.log(6) - 1e-12


def test_clips_shown_backwards_are_of_the_reversed_orders_class() -> None:
    method = make().eval()
    orders = sorted(permutations(range(3)))
    forwards, backwards = draws_of(orders), draws_of([order[::-1] for order in orders])
    video = counted(6)["video"]
    ahead, back = (method.encode({"video": video, "draws": d}) for d in (forwards, backwards))
    torch.testing.assert_close(back["clips"], ahead["clips"].flip(1))
    expected = torch.nn.functional.cross_entropy(
        method.logits(ahead["clips"].flip(1)), torch.tensor(REVERSED)
    )
    torch.testing.assert_close(method.loss(back)[0], expected)


def test_a_painted_counter_is_learnt() -> None:
    assert trained(make(), counted, 150) > 0.99


def test_shuffled_frames_tell_no_order() -> None:
    method = make(signal="destroyed")
    assert method.samples == ("video", "draws", "draws:1", "draws:2")
    batch = counted(50)
    clips = method.shown_clips(batch)[:, :, 0, :, 0, 0]
    kept = sorted(22 * batch["video"][0, 0, :, 0, 0][[*range(6), *range(8, 14), *range(16, 22)]])
    for item in clips:
        torch.testing.assert_close(22 * item.flatten().sort().values, torch.stack(kept))
    assert trained(method, counted, 150) == pytest.approx(1 / 6, abs=0.06)


def planned(**settings: object) -> Pretrain:
    """At desk scale."""
    (phase,) = pretrain_phases(
        PretrainLength(initialisation=0, co_training=2),
        **{
            "method": DESK, "corpus": "x", "seed": 0, "encoders": SMALL,
            "clip": Clip(num_frames=8, fps=8.0, size=32),
            "optimisation": {"batch_size": 4, "chunk_size": 4}, **settings,
        },
    )  # fmt: skip
    return phase


def test_three_clips_of_six_frames_are_priced() -> None:
    stage = planned()
    (video,) = encoded_samples(stage)
    assert video.sample.num_frames == 22
    assert (video.clip.num_frames, video.clip.size) == (6, 32)
    clip = Clip(num_frames=6, size=32)
    per_item = 3 * SMALL.of("video").macs(clip)
    trained = work(stage, {"1/train": 9}, None)
    assert trained.flops == 2 * 8 * 3 * 2.0 * per_item  # epochs, items, passes, operations
    (cropped,) = encoded_samples(planned(method={**DESK, "crop": 0.875}))
    assert (cropped.clip.num_frames, cropped.clip.size) == (6, 28)

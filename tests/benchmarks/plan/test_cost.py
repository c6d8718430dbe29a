"""Operations against published figures, passes against slow counting, rates from results."""

import fake_stages
import pytest
import torch
from torch import nn

from benchmarks.plan import cost
from iicl.config import Clip
from iicl.encoders.choice import Encoders
from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet

FULL = Encoders().model_dump()


@pytest.mark.parametrize(
    ("frames", "size", "gmacs"), [(32, 128, 105.85), (16, 112, 40.52), (32, 112, 81.04)]
)
def test_video_operations_are_those_of_r2plus1d_18(frames: int, size: int, gmacs: float) -> None:
    clip = Clip(num_frames=frames, size=size).model_dump()
    assert cost.video_macs(clip, FULL) / 1e9 == pytest.approx(gmacs, abs=0.006)


@pytest.mark.parametrize("width", [3, 4, 16])
@pytest.mark.parametrize("depth", [1, 2])
def test_operations_are_those_that_the_encoders_carry_out(width: int, depth: int) -> None:
    found = {"video": 0, "audio": 0}

    def count(view: str, module: nn.Module, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Conv3d)
        found[view] += output.numel() * module.weight[0].numel()

    clip = Clip(num_frames=5, size=20)
    shapes = {
        "video": (1, 3, clip.num_frames, clip.size, clip.size),
        "audio": (1, 1, clip.mel_bins, clip.spectrogram_frames),
    }
    encoders = {"video": R2Plus1D(width, depth), "audio": ResNet(width, depth)}
    for view, encoder in encoders.items():
        for module in encoder.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                module.register_forward_hook(
                    lambda module, _, output, view=view: count(view, module, output)
                )
        encoder.eval()(torch.zeros(shapes[view]))
    widths = {f"{v}_{k}": x for v in found for k, x in (("width", width), ("depth", depth))}
    assert cost.video_macs(clip.model_dump(), widths) == found["video"]
    assert cost.audio_macs(clip.model_dump(), widths) == found["audio"]


def test_audio_operations_are_those_of_resnet_18() -> None:
    assert cost.audio_macs(Clip().model_dump(), FULL) / 1e9 == pytest.approx(0.185, abs=0.0005)


def test_a_full_pretraining_on_ucf101_costs_what_hand_arithmetic_says() -> None:
    settings = {"corpus": "ucf101", "method": {"name": "iicl"}, "seed": 0}
    phases = fake_stages.resolve("pretrain", settings)
    total = sum(cost.work(phase, {"1/train/with_sound": 4901}, None).flops for phase in phases)
    # 600 epochs of 19 steps of 256 clips at 635 GFLOP
    assert total == pytest.approx(600 * 19 * 256 * 635e9, rel=0.005)


def test_the_work_of_a_fine_tuning_is_its_training_and_its_test() -> None:
    (resolved,) = fake_stages.resolve("finetune", {"corpus": "ucf101", "seed": 0})
    found = cost.work(resolved, {"1/train": 9537, "1/test": 3783}, {"encoders": FULL})
    assert found.clips == 9537 * 10 * 12 + 3783 * 10 * 3
    clip = 2 * 105.85e9
    assert found.flops == pytest.approx(9537 * 10 * 12 * 3 * clip + 3783 * 10 * 3 * clip, rel=0.001)


def test_a_measured_rate_of_the_same_kind_wins_over_the_assumption() -> None:
    (resolved,) = fake_stages.resolve("features", {"corpus": "ucf101", "seed": 0})
    (other,) = fake_stages.resolve(
        "features", {"corpus": "ucf101", "seed": 0, "clip": {"size": 64}}
    )
    pretrained = {"encoders": FULL, "method": {"name": "iicl"}}
    work = cost.work(resolved, {"all": 100}, pretrained)
    spec = {"resolved": resolved, "clips": work.clips, "flops": work.flops}
    rates = cost.Rates([(spec, {"seconds": s}) for s in (9.0, 10.0, 50.0)])
    double = cost.Work(2 * work.clips, 2 * work.flops)
    assert rates.seconds(resolved, double, 1.0) == (pytest.approx(20.0), True)
    assert rates.seconds(other, cost.Work(1, 3e9), 1.0) == (3.0, False)
    wider = cost.Work(work.clips, 4 * work.flops)  # other encoders
    assert rates.seconds(resolved, wider, 1.0)[1] is False
    (linear,) = fake_stages.resolve("linear", {"corpus": "ucf101", "seed": 0})
    nothing = cost.Work(0, 0.0)
    assert rates.seconds(linear, nothing, 1.0) == (0.0, False)
    known = cost.Rates([({"resolved": linear, "clips": 0, "flops": 0.0}, {"seconds": 4.0})])
    assert known.seconds(linear, nothing, 1.0) == (4.0, True)


def test_only_what_is_read_is_paid_for() -> None:
    counts = {"all": 100, "1/test": 10, "1/train": 90, "1/train/with_sound": 50}
    pretrained = {"encoders": FULL, "method": {"name": "iicl"}}
    settings = {"corpus": "kinetics400", "seed": 0, "items": "test", "view": "audio"}
    (resolved,) = fake_stages.resolve("features", settings)
    found = cost.work(resolved, counts, pretrained)
    assert found == cost.Work(100, pytest.approx(100 * 2 * 0.185e9, rel=0.005))
    free = cost.work(resolved, counts, {"encoders": FULL, "method": {"name": "mfcc"}})
    assert free == cost.Work(100, 0.0)
    for method, items in (("iicl", "1/train/with_sound"), ("supervised", "1/train/with_sound")):
        phase = fake_stages.resolve(
            "pretrain", {"corpus": "x", "method": {"name": method}, "seed": 0}
        )
        assert cost.items_trained_on(phase[0]) == items
    (untrained,) = fake_stages.resolve(
        "pretrain", {"corpus": "x", "method": {"name": "random_init"}, "seed": 0}
    )
    assert cost.work(untrained, counts, None) == cost.Work(0, 0.0)

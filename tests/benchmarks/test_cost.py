"""Operations against published figures, passes against slow counting, rates from results."""

import fake_stages
import pytest
import torch
from torch import nn

from benchmarks import cost
from iicl.config import Clip, Encoders
from iicl.models.audio import AudioEncoder
from iicl.models.video import VideoEncoder

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
    encoders = {"video": VideoEncoder(width, depth), "audio": AudioEncoder(width, depth)}
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
    total = sum(cost.work(phase, {"1/train/with_sound": 4901}).flops for phase in phases)
    # 600 epochs of 19 steps of 256 clips at 635 GFLOP
    assert total == pytest.approx(600 * 19 * 256 * 635e9, rel=0.005)


def test_the_work_of_a_fine_tuning_is_its_training_and_its_test() -> None:
    (resolved,) = fake_stages.resolve("finetune", {"corpus": "ucf101", "seed": 0})
    found = cost.work(resolved, {"1/train": 9537, "1/test": 3783})
    assert found.clips == 9537 * 10 * 12 + 3783 * 10 * 3
    clip = 2 * 105.85e9
    assert found.flops == pytest.approx(9537 * 10 * 12 * 3 * clip + 3783 * 10 * 3 * clip, rel=0.001)


def test_a_measured_rate_of_the_same_kind_wins_over_the_assumption() -> None:
    (resolved,) = fake_stages.resolve("features", {"corpus": "ucf101", "seed": 0})
    (other,) = fake_stages.resolve(
        "features", {"corpus": "ucf101", "seed": 0, "clip": {"size": 64}}
    )
    flops = cost.work(resolved, {"all": 100}).flops
    spec = {"resolved": resolved, "flops": flops}
    rates = cost.Rates([(spec, {"seconds": s}) for s in (9.0, 10.0, 50.0)])
    assert rates.seconds(resolved, 2 * flops, 1.0) == (pytest.approx(20.0), True)
    assert rates.seconds(other, 3e9, 1.0) == (3.0, False)
    (linear,) = fake_stages.resolve("linear", {"corpus": "ucf101", "seed": 0})
    assert rates.seconds(linear, 0.0, 1.0) == (0.0, False)
    known = cost.Rates([({"resolved": linear, "flops": 0.0}, {"seconds": 4.0})])
    assert known.seconds(linear, 0.0, 1.0) == (4.0, True)

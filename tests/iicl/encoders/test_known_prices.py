"""The prices of the encoders against published figures."""

import pytest
import torch

from iicl.config import Clip
from iicl.encoders import build, settings_class
from iicl.encoders.r2plus1d.settings import Settings as R2Plus1D
from iicl.encoders.resnet.settings import Settings as ResNet
from tests.iicl.facts import facts


@pytest.mark.parametrize(
    ("frames", "size", "gmacs"), [(32, 128, 105.85), (16, 112, 40.52), (32, 112, 81.04)]
)
def test_video_operations_are_those_of_r2plus1d_18(frames: int, size: int, gmacs: float) -> None:
    clip = Clip(num_frames=frames, size=size)
    assert R2Plus1D().macs(clip) / 1e9 == pytest.approx(gmacs, abs=0.006)


def test_audio_operations_are_those_of_resnet_18() -> None:
    assert ResNet().macs(Clip()) / 1e9 == pytest.approx(0.185, abs=0.0005)


@pytest.mark.parametrize(
    ("name", "sizes", "num_parameters", "feature_dim"),
    [
        ("r2plus1d", {}, 31_300_125, 512),  # IICL, GDT: torchvision's r2plus1d_18 without fc
        ("r2plus1d", {"middle": "convolution"}, 33_165_639, 512),  # XDC: VMZ's
        ("r2plus1d_avid", {}, 15_379_136, 512),  # AVID
        ("r3d", {}, 33_166_272, 512),  # ST-Puzzle
        ("r3d", {"depth": 1}, 14_361_792, 512),  # VCOP
        ("mc3", {}, 11_490_240, 512),  # AVTS
        ("s3d", {}, 7_910_048, 1024),  # CoCLR
        ("s3dg", {}, 9_098_000, 1024),  # SpeedNet
        ("resnet", {}, 11_170_240, 512),  # IICL, XDC: torchvision's resnet18 of one input channel
        ("resnet", {"depth": 1}, 4_899_520, 512),  # GDT: ResNet-9
        ("conv10", {}, 4_725_696, 512),  # AVID
        ("r3d", {"width": 16, "depth": 1}, 903_984, 128),
        ("mc3", {"width": 16, "depth": 1}, 323_376, 128),
        ("s3d", {"width": 16}, 500_120, 256),
    ],
)
def test_parameters_of_cited_encoders(
    name: str, sizes: dict[str, int | str], num_parameters: int, feature_dim: int
) -> None:
    settings = settings_class(name)(**sizes)
    assert settings.num_parameters() == num_parameters
    assert settings.feature_dim == feature_dim
    with torch.device("meta"):
        network = build(settings, facts())
    assert sum(p.numel() for p in network.parameters()) == num_parameters


@pytest.mark.parametrize(("name", "gmacs"), [("r3d", 106.3), ("mc3", 113.2)])
def test_operations_of_torchvisions_video_networks(name: str, gmacs: float) -> None:
    assert settings_class(name)().macs(Clip()) / 1e9 == pytest.approx(gmacs, abs=0.05)


def test_operations_of_gated_s3d() -> None:
    clip = Clip(num_frames=64, size=224)
    assert settings_class("s3dg")().macs(clip) / 1e9 == pytest.approx(71.9, abs=0.05)

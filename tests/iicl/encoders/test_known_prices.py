"""The prices of the encoders against published figures."""

import pytest

from iicl.config import Clip
from iicl.encoders.r2plus1d.settings import Settings as R2Plus1D
from iicl.encoders.resnet.settings import Settings as ResNet


@pytest.mark.parametrize(
    ("frames", "size", "gmacs"), [(32, 128, 105.85), (16, 112, 40.52), (32, 112, 81.04)]
)
def test_video_operations_are_those_of_r2plus1d_18(frames: int, size: int, gmacs: float) -> None:
    clip = Clip(num_frames=frames, size=size)
    assert R2Plus1D().macs(clip) / 1e9 == pytest.approx(gmacs, abs=0.006)


def test_audio_operations_are_those_of_resnet_18() -> None:
    assert ResNet().macs(Clip()) / 1e9 == pytest.approx(0.185, abs=0.0005)


def test_parameters_of_the_papers_encoders() -> None:
    assert R2Plus1D().num_parameters() == 31_300_125
    assert ResNet().num_parameters() == 11_170_240

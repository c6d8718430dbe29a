"""No convolution in use may have a bf16 gradient far from float32's."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from iicl import encoders
from iicl.config import Clip
from iicl.encoders.settings import EncoderSettings
from iicl.models.channels_last import SpatialConv3d, SpatiotemporalConv3d, TemporalConv3d
from tests.iicl.encoders.test_encoder_contract import small
from tests.iicl.facts import facts

Shape = tuple[type[nn.Module], int, int, tuple, tuple, tuple, tuple]

# (width, depth, frames, side), smoke to paper; 10 and 12 frames also pass through T = 2. An encoder
# that takes no so short or small a clip is left out there.
VIDEO = [
    (2, 1, 4, 16),
    (64, 1, 2, 16),  # two frames: the stem too
    (8, 1, 8, 16),
    (16, 1, 8, 32),
    (16, 1, 8, 48),
    (16, 1, 16, 32),
    (16, 1, 10, 32),
]
# A second block of a stage has other channels in R(2+1)D only.
LARGE_VIDEO = {"r2plus1d": [(64, 2, 8, 112), (64, 2, 16, 112), (64, 2, 32, 128)]}
LARGE_VIDEO_OF_OTHERS = [(64, 1, 8, 112)]
AUDIO = [(2, 1), (8, 1), (16, 1), (64, 2)]
LARGEST_SIDE = 6  # errors of kernels depend on time, kernel and stride, not on more space


def uses() -> Iterator[tuple[EncoderSettings, Clip]]:
    """Sizes of each encoder with the clips that it takes."""
    for name in encoders.names():
        if encoders.settings_class(name).INPUT == "spectrogram":
            yield from ((small(name, width=w, depth=d), Clip()) for w, d in AUDIO)
            continue
        for width, depth, frames, size in VIDEO + LARGE_VIDEO.get(name, LARGE_VIDEO_OF_OTHERS):
            settings, clip = (
                small(name, width=width, depth=depth),
                Clip(num_frames=frames, size=size),
            )
            if not (name.startswith("s3d") and min(frames - 5, size - 18) < 0):
                yield settings, clip


def convolutions_in_use() -> dict[Shape, nn.Module]:
    """One of every distinct convolution, by its shape and the extent of its input."""
    found: dict[Shape, nn.Module] = {}

    def note(conv: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, nn.Conv2d | nn.Conv3d)
        *frames, height, width = args[0].shape[2:]
        if isinstance(conv, SpatialConv3d):
            frames = [1]  # it takes frames as items
        extent = (*frames, min(height, LARGEST_SIDE), min(width, LARGEST_SIDE))
        shape = (conv.kernel_size, conv.stride, conv.padding, extent)
        found[(type(conv), conv.in_channels, conv.out_channels, *shape)] = conv

    with torch.device("meta"):
        for settings, clip in uses():
            encoder = encoders.build(settings, facts()).eval()
            for module in encoder.modules():
                if isinstance(module, nn.Conv2d | nn.Conv3d):
                    module.register_forward_pre_hook(note)
            encoder(torch.empty(2, *settings.input_shape(clip)))
    for conv in found.values():
        conv._forward_pre_hooks.clear()
        conv.to_empty(device="cpu").reset_parameters()
    return found


def gradient_error(conv: nn.Module, x: Tensor, dtype: torch.dtype | None = torch.bfloat16) -> float:
    """Relative distance of bf16's gradients from float32's, the larger of weight and input."""

    def gradients(enabled: bool) -> list[Tensor]:
        module, leaf = copy.deepcopy(conv), x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            y = module(leaf)
        signal = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
        y.float().backward(signal)
        return [module.weight.grad, leaf.grad]

    errors = [
        (low - full).norm() / full.norm()
        for low, full in zip(gradients(True), gradients(False), strict=True)
    ]
    return max(error.item() if error.isfinite() else float("inf") for error in errors)


def test_every_convolution_in_use() -> None:
    torch.manual_seed(0)
    convolutions = convolutions_in_use()
    assert len(convolutions) > 300
    kinds_at_two_frames = {type(conv) for shape, conv in convolutions.items() if shape[-1][0] == 2}
    assert TemporalConv3d in kinds_at_two_frames, "no clip reaches T = 2 any more: widen the list"
    wrong = {}
    for shape, conv in convolutions.items():
        error = gradient_error(conv, torch.randn(4, shape[1], *shape[-1]))
        if error > 0.02:
            wrong[shape] = error
    assert not wrong


@pytest.mark.parametrize("frames", range(1, 9))
@pytest.mark.parametrize("stride", [1, 2])
def test_temporal_convolution_at_any_length(frames: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = TemporalConv3d(24, 16, 3, stride)
    assert gradient_error(conv, torch.randn(4, 24, frames, 4, 4)) < 0.02


@pytest.mark.parametrize("height", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", [SpatialConv3d, SpatiotemporalConv3d])
def test_convolution_of_few_places(
    kind: type[nn.Conv3d], stride: int, width: int, height: int
) -> None:
    torch.manual_seed(0)
    strides = (stride, stride) if kind is SpatiotemporalConv3d else stride
    conv = kind(32, 64, 3, strides)
    assert gradient_error(conv, torch.randn(4, 32, 2, height, width)) < 0.02

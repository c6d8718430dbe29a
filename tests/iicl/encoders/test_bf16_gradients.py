"""No convolution in use may have a bf16 gradient far from float32's."""

import copy

import pytest
import torch
from torch import Tensor, nn

from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet
from iicl.models.channels_last import TemporalConv3d

Shape = tuple[type[nn.Module], int, int, tuple, tuple, tuple, tuple]

# (width, depth, frames, side), smoke to paper; 10 and 12 frames also pass through T = 2
VIDEO = [
    (2, 1, 4, 16),
    (64, 1, 2, 16),  # two frames: the stem too
    (8, 1, 8, 16),
    (16, 1, 8, 32),
    (16, 1, 8, 48),
    (16, 1, 16, 32),
    (16, 1, 10, 32),
    (64, 2, 8, 112),
    (64, 2, 16, 112),
    (64, 2, 32, 128),
]
AUDIO = [(2, 1), (8, 1), (16, 1), (64, 2)]
LARGEST_SIDE = 6  # errors of kernels depend on time, kernel and stride, not on more space


def convolutions_in_use() -> dict[Shape, nn.Module]:
    """One of every distinct convolution, by its shape and the extent of its input."""
    found: dict[Shape, nn.Module] = {}

    def note(conv: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, nn.Conv2d | nn.Conv3d)
        *frames, height, width = args[0].shape[2:]
        extent = (*frames, min(height, LARGEST_SIDE), min(width, LARGEST_SIDE))
        shape = (conv.kernel_size, conv.stride, conv.padding, extent)
        found[(type(conv), conv.in_channels, conv.out_channels, *shape)] = conv

    with torch.device("meta"):
        runs = [(R2Plus1D(w, d), torch.empty(2, 3, t, s, s)) for w, d, t, s in VIDEO]
        runs += [(ResNet(w, d), torch.empty(2, 1, 40, 100)) for w, d in AUDIO]
        for encoder, x in runs:
            for module in encoder.modules():
                if isinstance(module, nn.Conv2d | nn.Conv3d):
                    module.register_forward_pre_hook(note)
            encoder(x)
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
    assert len(convolutions) > 60
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
    conv = TemporalConv3d(24, 16, stride)
    assert gradient_error(conv, torch.randn(4, 24, frames, 4, 4)) < 0.02

"""No convolution in use may have a bf16 gradient far from float32's."""

import copy

import pytest
import torch
from torch import Tensor, nn

from iicl.encoders.r2plus1d.network import R2Plus1D, TemporalConv3d
from iicl.encoders.resnet.network import ResNet

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
LARGEST_SIDE = 6  # the fault depends on time, kernel and stride, not on the extent in space


def shapes_in_use() -> list[Shape]:
    """Every distinct convolution with its input's extent, found by running on the meta device."""
    found: dict[Shape, None] = {}

    def note(conv: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, nn.Conv2d | nn.Conv3d)
        *frames, height, width = args[0].shape[2:]
        extent = (*frames, min(height, LARGEST_SIDE), min(width, LARGEST_SIDE))
        shape = (conv.kernel_size, conv.stride, conv.padding, extent)
        found[(type(conv), conv.in_channels, conv.out_channels, *shape)] = None

    with torch.device("meta"):
        runs = [(R2Plus1D(w, d), torch.empty(2, 3, t, s, s)) for w, d, t, s in VIDEO]
        runs += [(ResNet(w, d), torch.empty(2, 1, 40, 100)) for w, d in AUDIO]
        for encoder, x in runs:
            for module in encoder.modules():
                if isinstance(module, nn.Conv2d | nn.Conv3d):
                    module.register_forward_pre_hook(note)
            encoder(x)
    return list(found)


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
    shapes = shapes_in_use()
    assert len(shapes) > 60
    struck = [
        s for s in shapes if s[3][0] == 3 and s[4][0] == 1 and s[-1][0] == 2 and len(s[3]) == 3
    ]
    assert struck, "no clip in use reaches T = 2 any more: widen the list"
    wrong = {}
    for shape in shapes:
        kind, in_channels, out_channels, kernel, stride, padding, extent = shape
        conv = kind(in_channels, out_channels, kernel, stride, padding, bias=False)
        error = gradient_error(conv, torch.randn(4, in_channels, *extent))
        if error > 0.02:
            wrong[shape] = error
    assert not wrong


@pytest.mark.parametrize("frames", range(1, 9))
@pytest.mark.parametrize("stride", [1, 2])
def test_temporal_convolution_at_any_length(frames: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = TemporalConv3d(24, 16, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False)
    assert gradient_error(conv, torch.randn(4, 24, frames, 4, 4)) < 0.02


def test_the_plain_convolution_is_still_wrong() -> None:
    """When this fails torch has mended its kernel: then remove TemporalConv3d."""
    torch.manual_seed(0)
    conv = nn.Conv3d(144, 64, (3, 1, 1), 1, (1, 0, 0), bias=False)
    x = torch.randn(4, 144, 2, 4, 4)
    if gradient_error(conv, x.repeat(1, 1, 2, 1, 1)) > 0.02 or not has_bf16_kernels():
        pytest.skip("this CPU has no oneDNN bf16 convolution to check")
    assert max(gradient_error(conv, x) for _ in range(5)) > 0.05


def has_bf16_kernels() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


class Recorder(TemporalConv3d):
    """Notes the precision its convolution is really computed in."""

    dtype: torch.dtype

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        result = super()._conv_forward(input, weight, bias)
        self.dtype = result.dtype
        return result


@pytest.mark.parametrize(
    ("frames", "kernel", "stride", "expected"),
    [
        (2, 3, 1, torch.float32),
        (1, 3, 1, torch.bfloat16),
        (3, 3, 1, torch.bfloat16),
        (4, 3, 1, torch.bfloat16),
        (2, 3, 2, torch.bfloat16),
        (2, 1, 1, torch.bfloat16),
    ],
)
@pytest.mark.parametrize("recording", [True, False])
def test_float32_only_where_it_strikes(
    frames: int, kernel: int, stride: int, expected: torch.dtype, recording: bool
) -> None:
    conv = Recorder(4, 4, (kernel, 1, 1), (stride, 1, 1), (kernel // 2, 0, 0), bias=False)
    x = torch.randn(2, 4, frames, 3, 3)
    with torch.set_grad_enabled(recording), torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16
    assert conv.dtype == expected
    conv(x)
    assert conv.dtype == torch.float32
    conv.double()(x.double())
    assert conv.dtype == torch.float64

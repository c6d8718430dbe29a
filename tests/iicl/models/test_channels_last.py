"""Convolutions and batch norm in the channels-last layout against torch's own."""

import copy

import pytest
import torch
from torch import Tensor, nn

from iicl.models import channels_last
from iicl.models.channels_last import (
    BatchNorm2d,
    BatchNorm3d,
    SpatialConv3d,
    SpatiotemporalConv3d,
    TemporalConv3d,
)


def values_and_gradients(module: nn.Module, x: Tensor) -> list[Tensor]:
    leaf = x.clone().requires_grad_()
    y = module(leaf)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype))
    return [y.detach(), leaf.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("shape", [(2, 5, 4, 6, 7), (1, 5, 1, 3, 3), (3, 5, 7, 2, 1)])
@pytest.mark.parametrize(
    "conv",
    [
        SpatialConv3d(5, 4, 3),
        SpatialConv3d(5, 4, 3, stride=2),
        SpatialConv3d(5, 4, 7, stride=2),
        TemporalConv3d(5, 4, 3),
        TemporalConv3d(5, 4, 3, stride=2),
        SpatialConv3d(5, 4, 1),
        TemporalConv3d(5, 4, 7, stride=2),
        SpatiotemporalConv3d(5, 4, 3),
        SpatiotemporalConv3d(5, 4, 3, (2, 2)),
        SpatiotemporalConv3d(5, 4, 7, (1, 2)),
    ],
    ids=str,
)
def test_a_convolution_is_a_conv3d(conv: nn.Conv3d, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    conv = conv.double()
    plain = nn.Conv3d(5, 4, conv.kernel_size, conv.stride, conv.padding, bias=False).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(shape, dtype=torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        conv.zero_grad(), plain.zero_grad()
        given = x.contiguous(memory_format=layout)
        torch.testing.assert_close(
            values_and_gradients(conv, given), values_and_gradients(plain, x)
        )
        # A single frame leaves open where the channels lie.
        if shape[2] > 1:
            output = copy.deepcopy(conv).float()(given.float())
            assert output.is_contiguous(memory_format=torch.channels_last_3d)


NORMS = {4: (BatchNorm2d, nn.BatchNorm2d), 5: (BatchNorm3d, nn.BatchNorm3d)}


@pytest.mark.parametrize("shape", [(3, 5, 4, 6, 8), (3, 5, 3, 5, 7), (4, 36, 6, 2), (2, 7, 3, 3)])
def test_batch_norm_is_torchs(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_last, "FEW_VALUES", 0)
    torch.manual_seed(0)
    own, plain = (kind(shape[1]).double() for kind in NORMS[len(shape)])
    nn.init.normal_(own.weight), nn.init.normal_(own.bias)
    plain.load_state_dict(own.state_dict())
    for _ in range(2):
        x = 3 + 2 * torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(values_and_gradients(own, x), values_and_gradients(plain, x))
        torch.testing.assert_close(own.state_dict(), plain.state_dict())
    own.eval(), plain.eval()
    torch.testing.assert_close(values_and_gradients(own, x), values_and_gradients(plain, x))


def test_places_are_taken_together_where_channels_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    apply = channels_last._BatchNorm.apply

    def note(*args: object) -> object:
        taken.append(args[-1])
        return apply(*args)

    monkeypatch.setattr(channels_last._BatchNorm, "apply", note)
    for channels, places in [
        (11, 2**15),
        (36, 3 * 2**12),
        (127, 2**11 + 2),
        (128, 2**12),
        (11, 99),
    ]:
        BatchNorm2d(channels)(torch.randn(1, channels, places, 1))
    assert taken == [16, 16, 2]


def test_batch_norm_of_a_large_mean_is_precise() -> None:
    torch.manual_seed(0)
    own, exact = BatchNorm3d(16), nn.BatchNorm3d(16).double()
    x = 100 + torch.randn(8, 16, 8, 16, 16)
    torch.testing.assert_close(own(x).double(), exact(x.double()), rtol=0, atol=1e-4)
    torch.testing.assert_close(own.running_var.double(), exact.running_var, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(6, 1, 4, 5), (1, 3, 4, 5), (2, 3, 1, 4, 5), (2, 1, 1, 1, 1)])
def test_strides_depend_on_the_shape_alone(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    odd = [7 if size == 1 else stride for size, stride in zip(shape, x.stride(), strict=True)]
    given = [x, x.transpose(-1, -2).contiguous().transpose(-1, -2), x.as_strided(shape, odd)]
    strides = [channels_last.channels_last(tensor).stride() for tensor in given]
    batch, *places = x.movedim(1, -1).shape
    expected = torch.empty(batch, *places).movedim(-1, 1).stride()
    assert strides == [expected] * 3

"""Convolution and batch norm of videos whose channels lie last in memory.

Such a video (B, C, T, H, W) lies in memory as (B, T, H, W, C). Its frames (B T, C, H, W) and its
columns (B, C, T, H W) are then views, so that each factor of a (2+1)D convolution is a Conv2d, for
which libraries have faster kernels than for a Conv3d. Parameters and state are those of a Conv3d.

On the CPU the kernels of torch 2.11 for bf16 compute wrong weight gradients of a Conv3d over two
frames, and of any convolution that passes a single column with a stride of 2; they can also write
outside of their memory. A Conv2d over the same columns, with a stride of 1 where there is one
place, is right, and so is a Conv3d in float32.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm as _AnyBatchNorm

# From here on torch's kernels of batch norm are as fast on the CPU: a layer of so many channels, or
# of so few values.
MANY_CHANNELS, FEW_VALUES = 128, 2**17


class SpatialConv3d(nn.Conv3d):
    """A convolution (1, k, k) of each frame, as a Conv2d.

    Args:
        in_planes: input channels.
        out_planes: output channels.
        size: k, in pixels.
        stride: in space.
    """

    def __init__(self, in_planes: int, out_planes: int, size: int, stride: int = 1) -> None:
        kernel, padding = (1, size, size), (0, size // 2, size // 2)
        super().__init__(in_planes, out_planes, kernel, (1, stride, stride), padding, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        frames = channels_last(input).transpose(1, 2).flatten(0, 1)
        stride = _stride(self.stride[1:], frames.shape[2:])
        frames = F.conv2d(frames, self.weight[:, :, 0], stride=stride, padding=self.padding[1:])
        return frames.unflatten(0, (len(input), -1)).transpose(1, 2)


class TemporalConv3d(nn.Conv3d):
    """A convolution (k, 1, 1) of each pixel's course in time, as a Conv2d.

    Args:
        in_planes: input channels.
        out_planes: output channels.
        size: k, in frames.
        stride: in time.
    """

    def __init__(self, in_planes: int, out_planes: int, size: int, stride: int = 1) -> None:
        kernel, padding = (size, 1, 1), (size // 2, 0, 0)
        super().__init__(in_planes, out_planes, kernel, (stride, 1, 1), padding, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        # By way of (B, T, H W, C), as a flatten of H and W loses the layout of a single video.
        columns = channels_last(input).movedim(1, -1).flatten(2, 3).movedim(-1, 1)
        stride = _stride((self.stride[0], 1), columns.shape[2:])
        padding = (self.kernel_size[0] // 2, 0)
        columns = F.conv2d(columns, self.weight[..., 0], stride=stride, padding=padding)
        return columns.unflatten(3, input.shape[3:])


class SpatiotemporalConv3d(nn.Conv3d):
    """A convolution (3, k, k), on the CPU in float32 or the weights' precision.

    On the CPU bf16 would be wrong for short videos. A Conv2d of frames with three times the
    channels, and a sum of three Conv2d, took 1.4 to 1.7 times as long in float32, and about as long
    as this in bf16.

    Args:
        in_planes: input channels.
        out_planes: output channels.
        size: k, in pixels.
        stride: in time, and in space.
    """

    def __init__(
        self, in_planes: int, out_planes: int, size: int, stride: tuple[int, int] = (1, 1)
    ) -> None:
        time, space = stride
        kernel, padding = (3, size, size), (1, size // 2, size // 2)
        super().__init__(in_planes, out_planes, kernel, (time, space, space), padding, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        video = channels_last(input)
        if input.device.type != "cpu":
            return super().forward(video)
        with torch.autocast("cpu", enabled=False):
            return super().forward(video.to(self.weight.dtype))


class BatchNorm3d(nn.BatchNorm3d):
    """Batch norm of videos; see `batch_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, T, H, W)."""
        return batch_norm(self, input)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm of pictures; see `batch_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return batch_norm(self, input)


def channels_last(x: Tensor) -> Tensor:
    """A video (B, C, T, H, W) or picture (B, C, H, W) with its channels last in memory.

    Its strides depend on its shape alone: a dimension of size 1 can have any stride, and by that
    torch would choose kernels that differ in the last bits.
    """
    places = x.movedim(1, -1)
    return places.flatten().view(places.shape).movedim(-1, 1)


def _stride(strides: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """The strides, but 1 along a dimension of one place, where each stride gives that place."""
    return [1 if size == 1 else stride for stride, size in zip(strides, sizes, strict=True)]


def batch_norm(norm: nn.BatchNorm2d | nn.BatchNorm3d, x: Tensor) -> Tensor:
    """The module's batch norm, several times as fast for few channels on the CPU.

    torch's kernel works along the channels, and is slow where these are few or do not fill vector
    registers. Places that lie next to each other are therefore taken as one place of more channels,
    normalised with equal numbers; the statistics of a channel are pooled over its columns. This
    differs from torch's result by rounding.

    Args:
        norm: has a scale, a shift, running statistics and a fixed momentum.
        x: (B, C, ...), what to normalise.
    """
    num_columns = _places_as_one(x)
    if not norm.training or num_columns == 1:
        return _AnyBatchNorm.forward(norm, x)
    output, mean, variance = _BatchNorm.apply(
        channels_last(x), norm.weight, norm.bias, norm.eps, num_columns
    )
    num_places = x.numel() // x.shape[1]
    update_running_statistics(norm, mean, variance * (num_places / (num_places - 1)))
    return output


@torch.no_grad()
def update_running_statistics(norm: _AnyBatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Count a batch, and move the running statistics towards its own.

    Args:
        norm: has running statistics and a fixed momentum.
        mean: of each channel, (C,).
        variance: of each channel, unbiased, (C,).
    """
    assert norm.momentum is not None
    assert norm.num_batches_tracked is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
    norm.running_var.lerp_(variance.to(norm.running_var), norm.momentum)


def _places_as_one(x: Tensor) -> int:
    """How many places are taken as one: a power of two that divides their number."""
    num_places = x.numel() // x.shape[1]
    is_precise = x.dtype in (torch.float32, torch.float64)
    if x.device.type != "cpu" or not is_precise or x.shape[1] >= MANY_CHANNELS:
        return 1
    return min(16, num_places & -num_places) if x.numel() > FEW_VALUES else 1


class _BatchNorm(torch.autograd.Function):
    """Normalised x, and the mean and biased variance of each channel."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, scale: Tensor, shift: Tensor, eps: float, num_columns: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        columns = _columns(x, num_columns)
        means, variances = torch.batch_norm_update_stats(columns, None, None, 0.0)
        means, variances = means.view(num_columns, -1), variances.view(num_columns, -1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        factor = scale * (variance + eps).rsqrt()
        output = torch.empty_like(x)
        torch.addcmul(
            _repeat(shift - mean * factor, num_columns),
            columns,
            _repeat(factor, num_columns),
            out=_columns(output, num_columns),
        )
        ctx.save_for_backward(x, scale, mean, variance)
        ctx.eps, ctx.num_columns = eps, num_columns  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, gradient: Tensor, _mean: None, _variance: None
    ) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, scale, mean, variance = ctx.saved_tensors  # type: ignore[attr-defined]
        eps, num_columns = ctx.eps, ctx.num_columns  # type: ignore[attr-defined]
        columns = _columns(x, num_columns)
        gradients = _columns(channels_last(gradient), num_columns)
        # In evaluation mode, in which the statistics are constants, torch gives the two sums.
        statistics = (_repeat(number, num_columns).flatten() for number in (mean, variance))
        _, at_scales, at_shifts = torch.ops.aten.native_batch_norm_backward(
            gradients, columns, None, *statistics, *(None, None), False, eps, [False, True, True]
        )
        at_scale = at_scales.view(num_columns, -1).sum(0)
        at_shift = at_shifts.view(num_columns, -1).sum(0)
        num_places = x.numel() // x.shape[1]
        deviation = (variance + eps).rsqrt()
        factor = scale * deviation
        of_x = -factor * deviation * at_scale / num_places
        constant = -factor * at_shift / num_places - mean * of_x
        at_x = torch.empty_like(x)
        at_columns = _columns(at_x, num_columns)
        torch.addcmul(
            _repeat(constant, num_columns), gradients, _repeat(factor, num_columns), out=at_columns
        )
        at_columns.addcmul_(columns, _repeat(of_x, num_columns))
        return at_x, at_scale, at_shift, None, None


def _columns(x: Tensor, num_columns: int) -> Tensor:
    """(B, C, ...) of channels-last memory as (1, num_columns C, P, 1), a view."""
    places = x.movedim(1, -1)
    return places.view(1, -1, 1, num_columns * x.shape[1]).permute(0, 3, 1, 2)


def _repeat(numbers: Tensor, num_columns: int) -> Tensor:
    return numbers.expand(num_columns, -1).reshape(1, -1, 1, 1)

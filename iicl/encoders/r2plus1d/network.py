"""R(2+1)D, the video encoder E_v (paper III-A and IV-B): torchvision's trunk at any width."""

import torch
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D

from iicl.config import CorpusFacts
from iicl.encoders.r2plus1d.settings import Settings


class TemporalConv3d(nn.Conv3d):
    """A Conv3d that uses float32 where the CPU's bf16 kernel returns wrong weight gradients.

    With torch 2.11 the bf16 weight gradient of a convolution with temporal kernel 3, stride 1 and
    padding 1 is wrong on the CPU if its input has exactly two frames. This happens to a clip of 8
    frames in the third stage, and to one of 16 frames in the fourth. The choice must not depend on
    whether gradients are recorded, because the large-batch engine encodes once without and once
    with gradients.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        if not self._is_struck(input):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(torch.bfloat16)

    def _is_struck(self, input: Tensor) -> bool:
        return (
            input.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
            and torch.get_autocast_dtype("cpu") == torch.bfloat16
            and input.shape[2] == 2
            and self.kernel_size[0] == 3
            and self.stride[0] == 1
        )


class _Conv2Plus1D(Conv2Plus1D):
    """torchvision's factorised convolution, whose temporal half is right in bf16, too."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, midplanes, stride, padding)
        self[3] = TemporalConv3d(
            midplanes, out_planes, (3, 1, 1), (stride, 1, 1), (padding, 0, 0), bias=False
        )


class R2Plus1D(nn.Module):
    """R(2+1)D: a factorised stem and four stages of residual blocks, without a classifier.

    Width 64 and depth 2 is torchvision's ``r2plus1d_18`` without ``fc``: the same state names and
    31,300,125 parameters. Stage s has ``width * 2**s`` channels; time and space are halved from the
    second stage on. The middle of the stem keeps torchvision's ratio of 45 planes to a width of 64.

    Args:
        width: channels of the stem and the first stage; 1 or more.
        depth: residual blocks per stage; 1 or more.
    """

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.feature_dim = 8 * width
        middle = max(1, round(45 * width / 64))
        self.stem = nn.Sequential(
            nn.Conv3d(3, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            TemporalConv3d(middle, width, (3, 1, 1), (1, 1, 1), (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        self.layer1 = _stage(width, width, depth, stride=1)
        self.layer2 = _stage(width, 2 * width, depth, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, depth, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, depth, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def tokens(self, video: Tensor) -> Tensor:
        """The feature map before pooling, one token for each of its L = T' x H' x W' places.

        Args:
            video: (B, 3, T, H, W), normalised RGB.

        Returns:
            (B, L, D) with D = ``feature_dim``.
        """
        x = self.stem(video)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.permute(0, 2, 3, 4, 1).flatten(1, 3)

    def forward(self, video: Tensor) -> Tensor:
        """The feature f_v: the mean over tokens, (B, D), in float32 or the weights' precision."""
        tokens = self.tokens(video)
        return tokens.mean(1, dtype=torch.promote_types(tokens.dtype, torch.float32))


def _stage(in_planes: int, planes: int, depth: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1:
        shortcut = nn.Sequential(
            nn.Conv3d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm3d(planes),
        )
    blocks = [BasicBlock(in_planes, planes, _Conv2Plus1D, stride, shortcut)]
    blocks += [BasicBlock(planes, planes, _Conv2Plus1D) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def build(settings: Settings, facts: CorpusFacts) -> R2Plus1D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return R2Plus1D(settings.width, settings.depth)

"""R(2+1)D, the video encoder E_v (paper III-A and IV-B): torchvision's trunk at any width."""

import torch
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock

from iicl.config import CorpusFacts
from iicl.encoders.r2plus1d.settings import Settings, block_middle, stem_middle
from iicl.models.channels_last import BatchNorm3d, SpatialConv3d, TemporalConv3d


class _Conv2Plus1D(nn.Sequential):
    """The factorised convolution of a block, under torchvision's state names."""

    def __init__(self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1) -> None:
        super().__init__(
            SpatialConv3d(in_planes, midplanes, 3, stride),
            BatchNorm3d(midplanes),
            nn.ReLU(inplace=True),
            TemporalConv3d(midplanes, out_planes, stride),
        )


class _Block(BasicBlock):
    """torchvision's residual block with the batch norms of this project."""

    def __init__(
        self, in_planes: int, planes: int, middle: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__(in_planes, planes, _Conv2Plus1D, stride, shortcut)
        self.conv1[0] = _Conv2Plus1D(in_planes, planes, middle, stride)
        self.conv2[0] = _Conv2Plus1D(planes, planes, middle)
        self.conv1[1], self.conv2[1] = BatchNorm3d(planes), BatchNorm3d(planes)


class R2Plus1D(nn.Module):
    """R(2+1)D: a factorised stem and four stages of residual blocks, without a classifier.

    Width 64 and depth 2 is torchvision's ``r2plus1d_18`` without ``fc``: the same state names and
    31,300,125 parameters. Stage s has ``width * 2**s`` channels; time and space are halved from the
    second stage on. The middle of the stem keeps torchvision's ratio of 45 planes to a width of 64.

    Args:
        width: channels of the stem and the first stage; 1 or more.
        depth: residual blocks per stage; 1 or more.
        middle_multiple: the channels between the two convolutions of a pair are a multiple of it.
    """

    def __init__(self, width: int = 64, depth: int = 2, middle_multiple: int = 1) -> None:
        super().__init__()
        self.feature_dim = 8 * width
        middle = stem_middle(width, middle_multiple)
        self.stem = nn.Sequential(
            SpatialConv3d(3, middle, 7, stride=2),
            BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            TemporalConv3d(middle, width),
            BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        self.layer1 = _stage(width, width, depth, 1, middle_multiple)
        self.layer2 = _stage(width, 2 * width, depth, 2, middle_multiple)
        self.layer3 = _stage(2 * width, 4 * width, depth, 2, middle_multiple)
        self.layer4 = _stage(4 * width, 8 * width, depth, 2, middle_multiple)
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


def _stage(
    in_planes: int, planes: int, depth: int, stride: int, middle_multiple: int
) -> nn.Sequential:
    shortcut = None
    if stride != 1:
        shortcut = nn.Sequential(
            nn.Conv3d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
            BatchNorm3d(planes),
        )
    middle = block_middle(in_planes, planes, middle_multiple)
    blocks = [_Block(in_planes, planes, middle, stride, shortcut)]
    middle = block_middle(planes, planes, middle_multiple)
    blocks += [_Block(planes, planes, middle, 1, None) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def build(settings: Settings, facts: CorpusFacts) -> R2Plus1D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return R2Plus1D(settings.width, settings.depth, settings.middle_multiple)

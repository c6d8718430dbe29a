"""R(2+1)D, the video encoder E_v (paper III-A and IV-B): torchvision's trunk at any width."""

from typing import Literal

from torch import nn

from iicl.config import CorpusFacts
from iicl.encoders.network import Unit
from iicl.encoders.r2plus1d.settings import Settings, stem_middle
from iicl.encoders.settings import BlockSizes, residual_stages
from iicl.encoders.video_resnet import Block, VideoResNet
from iicl.models.channels_last import SpatialConv3d, TemporalConv3d


class _Conv2Plus1D(nn.Sequential):
    """The factorised convolution of a block, under torchvision's state names."""

    def __init__(
        self, in_planes: int, middle: int, out_planes: int, stride: int, eps: float
    ) -> None:
        super().__init__(
            *Unit(SpatialConv3d(in_planes, middle, 3, stride), eps),
            TemporalConv3d(middle, out_planes, 3, stride),
        )


class R2Plus1D(VideoResNet):
    """R(2+1)D: a factorised stem and four stages of residual blocks, without a classifier.

    Width 64 and depth 2 is torchvision's ``r2plus1d_18`` without ``fc``: the same state names and
    31,300,125 parameters; with ``middle="convolution"`` it is VMZ's, of 33,165,639. Stage s has
    ``width * 2**s`` channels; time and space are halved from the second stage on. The middle of the
    stem keeps torchvision's ratio of 45 planes to a width of 64.

    Args:
        width: channels of the stem and the first stage; 1 or more.
        depth: residual blocks per stage; 1 or more.
        middle_multiple: the channels between the two convolutions of a pair are a multiple of it.
        middle: from which channels these are calculated; see ``Settings``.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        middle_multiple: int = 1,
        middle: Literal["block", "convolution"] = "block",
    ) -> None:
        settings = Settings(
            width=width, depth=depth, middle_multiple=middle_multiple, middle=middle
        )
        eps, stem_planes = settings.norm_eps, stem_middle(width, middle_multiple)
        stem = nn.Sequential(
            *Unit(SpatialConv3d(3, stem_planes, 7, stride=2), eps),
            *Unit(TemporalConv3d(stem_planes, width, 3), eps),
        )
        stages = (
            nn.Sequential(*(_block(sizes, settings) for sizes in stage))
            for stage in residual_stages(width, depth)
        )
        super().__init__(stem, stages, settings.feature_dim)


def _block(sizes: BlockSizes, settings: Settings) -> Block:
    eps = settings.norm_eps

    def convolution(in_planes: int, planes: int, _middle: int, stride: int = 1) -> nn.Module:
        middle = settings.pair_middle(sizes.in_planes, in_planes, planes)
        return _Conv2Plus1D(in_planes, middle, planes, stride, eps)

    return Block(sizes, convolution, sizes.stride, eps)


def build(settings: Settings, facts: CorpusFacts) -> R2Plus1D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return R2Plus1D(settings.width, settings.depth, settings.middle_multiple, settings.middle)

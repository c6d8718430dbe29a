"""R3D and MC3: torchvision's networks at any width."""

from torch import nn

from iicl.config import CorpusFacts
from iicl.encoders.network import Unit
from iicl.encoders.r3d.settings import Settings
from iicl.encoders.settings import BlockSizes, residual_stages
from iicl.encoders.video_resnet import Block, VideoResNet
from iicl.models.channels_last import SpatialConv3d, SpatiotemporalConv3d


class R3D(VideoResNet):
    """A stem and four stages of residual blocks, without a classifier.

    Width 64 and depth 2 is torchvision's ``r3d_18`` without ``fc``: the same state names and
    33,166,272 parameters. With one stage in time it is ``mc3_18``, of 11,490,240. Stage s has
    ``width * 2**s`` channels, and halves space from the second stage on.

    Args:
        settings: its sizes, and how many stages convolve in time.
    """

    def __init__(self, settings: Settings) -> None:
        width = settings.width
        stem = Unit(SpatiotemporalConv3d(3, width, 7, stride=(1, 2)))
        stages = (
            nn.Sequential(*(_block(sizes, number < settings.STAGES_IN_TIME) for sizes in stage))
            for number, stage in enumerate(residual_stages(width, settings.depth))
        )
        super().__init__(stem, stages, settings.feature_dim)


def _block(sizes: BlockSizes, in_time: bool) -> Block:
    def convolution(in_planes: int, planes: int, _middle: int, stride: int = 1) -> nn.Module:
        if in_time:
            return SpatiotemporalConv3d(in_planes, planes, 3, (stride, stride))
        return SpatialConv3d(in_planes, planes, 3, stride)

    return Block(sizes, convolution, time_stride=sizes.stride if in_time else 1)


def build(settings: Settings, facts: CorpusFacts) -> R3D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return R3D(settings)

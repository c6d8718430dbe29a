"""AVID's R(2+1)D (facebookresearch/AVID-CMA): another stem, blocks and pooling."""

from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.encoders.network import Unit, maximum
from iicl.encoders.r2plus1d_avid.settings import Settings
from iicl.encoders.settings import BlockSizes, residual_stages
from iicl.encoders.video_resnet import VideoResNet
from iicl.models.channels_last import (
    BatchNorm3d,
    SpatialConv3d,
    SpatiotemporalConv3d,
    TemporalConv3d,
)


class AvidR2Plus1D(VideoResNet):
    """A stem of one convolution in time and space with a pooling, and four stages of blocks.

    Width 64 and depth 2 is AVID's network of 18 layers, of 15,379,136 parameters. Stage s has
    ``width * 2**s`` channels; time and space are halved from the second stage on.

    Args:
        settings: its sizes.
    """

    def __init__(self, settings: Settings) -> None:
        width = settings.width
        stem = nn.Sequential(
            Unit(SpatiotemporalConv3d(3, width, 7, stride=(1, 2))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        stages = (
            nn.Sequential(*(_Block(sizes) for sizes in stage))
            for stage in residual_stages(width, settings.depth)
        )
        super().__init__(stem, stages, settings.feature_dim)

    def forward(self, video: Tensor) -> Tensor:
        """The maximum over tokens, (B, D), in float32 or the weights' precision."""
        return maximum(self.tokens(video))


class _Block(nn.Module):
    """Two factorised convolutions and a shortcut, with one batch norm on their sum."""

    def __init__(self, sizes: BlockSizes) -> None:
        super().__init__()
        in_planes, planes, stride = sizes
        self.main = nn.Sequential(
            Unit(SpatialConv3d(in_planes, planes, 3, stride)),
            Unit(TemporalConv3d(planes, planes, 3, stride)),
            Unit(SpatialConv3d(planes, planes, 3)),
            TemporalConv3d(planes, planes, 3),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Conv3d(in_planes, planes, kernel_size=1, stride=stride, bias=False)
        self.norm = BatchNorm3d(planes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) to the block's channels and, with its stride, fewer places."""
        y: Tensor = self.relu(self.norm(self.main(x) + self.shortcut(x)))
        return y


def build(settings: Settings, facts: CorpusFacts) -> AvidR2Plus1D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return AvidR2Plus1D(settings)

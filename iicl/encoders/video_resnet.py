"""What the residual networks of videos share."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock

from iicl.encoders.network import Encoder, initialise
from iicl.encoders.settings import BlockSizes
from iicl.models.channels_last import BatchNorm3d

ConvolutionOfBlock = Callable[..., nn.Module]
"""Makes a convolution of a block from its input channels, its output channels, the number of
channels that torchvision would put between them, and its stride (1 if none is given)."""


class VideoResNet(Encoder):
    """A stem and four stages of blocks, under torchvision's state names.

    Args:
        stem: the first layers.
        stages: four.
        feature_dim: channels of the last stage.
    """

    def __init__(self, stem: nn.Module, stages: Iterable[nn.Module], feature_dim: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.stem = stem
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        initialise(self)

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


class Block(BasicBlock):
    """torchvision's residual block with the batch norms of this project.

    Args:
        sizes: its channels and its stride.
        convolution: makes each of its two convolutions.
        time_stride: stride of the shortcut in time.
        eps: what batch norm adds to a variance.
    """

    def __init__(
        self,
        sizes: BlockSizes,
        convolution: ConvolutionOfBlock,
        time_stride: int,
        eps: float = 1e-5,
    ) -> None:
        in_planes, planes, stride = sizes
        shortcut = None
        if stride != 1:
            strides = (time_stride, stride, stride)
            shortcut = nn.Sequential(
                nn.Conv3d(in_planes, planes, kernel_size=1, stride=strides, bias=False),
                BatchNorm3d(planes, eps),
            )
        super().__init__(in_planes, planes, convolution, stride, shortcut)
        self.conv1[1], self.conv2[1] = BatchNorm3d(planes, eps), BatchNorm3d(planes, eps)

"""A ResNet on log-mel spectrograms, the audio encoder E_a (paper III-A and IV-B)."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from iicl.config import CorpusFacts
from iicl.encoders.network import SpectrogramEncoder, initialise
from iicl.encoders.resnet.settings import Settings
from iicl.encoders.settings import BlockSizes, residual_stages
from iicl.models.channels_last import BatchNorm2d, channels_last


class ResNet(SpectrogramEncoder):
    """ResNet with a one-channel stem, without a classifier.

    Width 64 and depth 2 is torchvision's ``resnet18`` with a one-channel first convolution and
    without ``fc``: the same state names and 11,170,240 parameters.

    Args:
        width: channels of the stem and the first stage; 1 or more.
        depth: residual blocks per stage; 1 or more.
    """

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.feature_dim = 8 * width
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*(_block(sizes) for sizes in stage))
            for stage in residual_stages(width, depth)
        )
        initialise(self)

    def tokens(self, audio: Tensor) -> Tensor:
        """The feature map before pooling, one token for each of its L = F' x S' places.

        Args:
            audio: (B, 1, F, S), log-mel, not normalised.

        Returns:
            (B, L, D) with D = ``feature_dim``.
        """
        x = channels_last(self.normalised(audio))
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.permute(0, 2, 3, 1).flatten(1, 2)


def _block(sizes: BlockSizes) -> BasicBlock:
    in_planes, planes, stride = sizes
    shortcut = None
    if stride != 1:
        shortcut = nn.Sequential(
            nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
            BatchNorm2d(planes),
        )
    return BasicBlock(in_planes, planes, stride, shortcut, norm_layer=BatchNorm2d)


def build(settings: Settings, facts: CorpusFacts) -> ResNet:
    """See :func:`iicl.encoders.build`; the input is normalised by the corpus's log-mel statistics.

    Raises:
        ValueError: if no item of the corpus has sound.
    """
    network = ResNet(settings.width, settings.depth)
    network.normalise_by(facts)
    return network

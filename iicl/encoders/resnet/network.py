"""A ResNet on log-mel spectrograms, the audio encoder E_a (paper III-A and IV-B)."""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from iicl.config import CorpusFacts
from iicl.encoders.resnet.settings import Settings
from iicl.models.channels_last import BatchNorm2d, channels_last


class ResNet(nn.Module):
    """ResNet with a one-channel stem, without a classifier.

    Width 64 and depth 2 is torchvision's ``resnet18`` with a one-channel first convolution and
    without ``fc``: the same state names and 11,170,240 parameters.

    ``input_mean`` and ``input_std`` are the log-mel statistics of the pretraining corpus. They are
    buffers, so they are stored with the weights and used for every corpus.

    Args:
        width: channels of the stem and the first stage; 1 or more.
        depth: residual blocks per stage; 1 or more.
    """

    input_mean: Tensor
    input_std: Tensor

    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.feature_dim = 8 * width
        self.register_buffer("input_mean", torch.tensor(0.0))
        self.register_buffer("input_std", torch.tensor(1.0))
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(width, width, depth, stride=1)
        self.layer2 = _stage(width, 2 * width, depth, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, depth, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, depth, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def tokens(self, audio: Tensor) -> Tensor:
        """The feature map before pooling, one token for each of its L = F' x S' places.

        Args:
            audio: (B, 1, F, S), log-mel, not normalised.

        Returns:
            (B, L, D) with D = ``feature_dim``.
        """
        x = channels_last((audio - self.input_mean) / self.input_std)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    def forward(self, audio: Tensor) -> Tensor:
        """The feature f_a: the mean over tokens, (B, D), in float32 or the weights' precision."""
        tokens = self.tokens(audio)
        return tokens.mean(1, dtype=torch.promote_types(tokens.dtype, torch.float32))


def _stage(in_planes: int, planes: int, depth: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1:
        shortcut = nn.Sequential(
            nn.Conv2d(in_planes, planes, kernel_size=1, stride=stride, bias=False),
            BatchNorm2d(planes),
        )
    blocks = [BasicBlock(in_planes, planes, stride, shortcut, norm_layer=BatchNorm2d)]
    blocks += [BasicBlock(planes, planes, norm_layer=BatchNorm2d) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def build(settings: Settings, facts: CorpusFacts) -> ResNet:
    """See :func:`iicl.encoders.build`; the input is normalised by the corpus's log-mel statistics.

    Raises:
        ValueError: if no item of the corpus has sound.
    """
    mean, std = facts.log_mel_mean, facts.log_mel_std
    if mean is None or std is None:
        raise ValueError(f"corpus {facts.corpus} has no item with sound")
    network = ResNet(settings.width, settings.depth)
    network.input_mean.fill_(mean)
    network.input_std.fill_(std)
    return network

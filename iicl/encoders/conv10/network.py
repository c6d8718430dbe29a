"""AVID's audio network of ten layers (facebookresearch/AVID-CMA), on log-mel spectrograms."""

from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.encoders.conv10.settings import Settings
from iicl.encoders.network import SpectrogramEncoder, Unit, initialise, maximum
from iicl.models.channels_last import channels_last


class Conv10(SpectrogramEncoder):
    """A stem and four blocks of two convolutions each, without shortcuts: nine convolutions.

    Width 64 is AVID's network, of 4,725,696 parameters. AVID feeds it a spectrogram (1, 200, 257),
    this suite a log-mel one.

    Args:
        settings: its sizes.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.feature_dim = settings.feature_dim
        width = settings.width
        layers = [Unit(nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False))]
        layers += [
            Unit(nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False))
            for in_planes, planes, stride in settings.layers()
        ]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def tokens(self, audio: Tensor) -> Tensor:
        """The feature map before pooling, one token for each of its L = F' x S' places.

        Args:
            audio: (B, 1, F, S), log-mel, not normalised.

        Returns:
            (B, L, D) with D = ``feature_dim``.
        """
        x: Tensor = self.layers(channels_last(self.normalised(audio)))
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    def forward(self, audio: Tensor) -> Tensor:
        """The maximum over tokens, (B, D), in float32 or the weights' precision."""
        return maximum(self.tokens(audio))


def build(settings: Settings, facts: CorpusFacts) -> Conv10:
    """See :func:`iicl.encoders.build`; the input is normalised by the corpus's log-mel statistics.

    Raises:
        ValueError: if no item of the corpus has sound.
    """
    network = Conv10(settings)
    network.normalise_by(facts)
    return network

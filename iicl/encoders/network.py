"""What the networks of encoders share."""

import torch
from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.models.channels_last import BatchNorm2d, BatchNorm3d


class Encoder(nn.Module):
    """An encoder: tokens of an input, and one feature of it.

    Attributes:
        feature_dim: D, the dimension of its tokens and features.
    """

    feature_dim: int

    def tokens(self, x: Tensor) -> Tensor:
        """The feature map before pooling as (B, L, D), one token for each of its L places."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The mean over tokens, (B, D), in float32 or the weights' precision."""
        tokens = self.tokens(x)
        return tokens.mean(1, dtype=torch.promote_types(tokens.dtype, torch.float32))


class SpectrogramEncoder(Encoder):
    """An encoder of log-mel spectrograms, which normalises them.

    ``input_mean`` and ``input_std`` are the log-mel statistics of the pretraining corpus. They are
    buffers, so they are stored with the weights and used for every corpus.
    """

    input_mean: Tensor
    input_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("input_mean", torch.tensor(0.0))
        self.register_buffer("input_std", torch.tensor(1.0))

    def normalised(self, audio: Tensor) -> Tensor:
        """Log-mel with about the mean 0 and the standard deviation 1."""
        return (audio - self.input_mean) / self.input_std

    def normalise_by(self, facts: CorpusFacts) -> None:
        """Take the statistics of a corpus.

        Raises:
            ValueError: if no item of the corpus has sound.
        """
        mean, std = facts.log_mel_mean, facts.log_mel_std
        if mean is None or std is None:
            raise ValueError(f"corpus {facts.corpus} has no item with sound")
        self.input_mean.fill_(mean)
        self.input_std.fill_(std)


class Unit(nn.Sequential):
    """A convolution, its batch norm and a ReLU, under torchvision's state names: 0, 1 and 2.

    Args:
        convolution: of videos or pictures.
        eps: what batch norm adds to a variance.
    """

    def __init__(self, convolution: nn.Conv2d | nn.Conv3d, eps: float = 1e-5) -> None:
        norm = BatchNorm3d if isinstance(convolution, nn.Conv3d) else BatchNorm2d
        super().__init__(convolution, norm(convolution.out_channels, eps), nn.ReLU(inplace=True))


def maximum(tokens: Tensor) -> Tensor:
    """The maximum over tokens (B, L, D) in each dimension, in float32 or their precision."""
    return tokens.max(1).values.to(torch.promote_types(tokens.dtype, torch.float32))


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions as He et al. (2015) do, by their outputs.

    Every encoder has these initial weights, whatever its source has, so that encoders differ by
    their architecture alone. Batch norm follows each convolution and divides by its scale.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

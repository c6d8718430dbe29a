"""What the settings of every encoder offer. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from iicl.config import Clip, Config


class Convolution(NamedTuple):
    """One convolution of an encoder, with the batch norm that follows it.

    Attributes:
        weights: number of its weights; it has no bias.
        channels: number of its output channels; batch norm has two parameters for each.
        positions: number of its output positions, in time and space or in a spectrogram.
    """

    weights: int
    channels: int
    positions: int


class EncoderSettings(Config):
    """Sizes of an encoder; the class of one encoder is ``Settings`` in its ``settings.py``.

    The settings also give the price of the network: its parameters, and its multiply-accumulates.
    By default both are those of its convolutions; an encoder with other layers overrides
    ``num_parameters`` and ``macs``.
    """

    NAME: ClassVar[str | None] = None
    """Name of the encoder: that of its folder in ``iicl/encoders``. None: a method's own, which
    only the method builds."""

    INPUT: ClassVar[str]
    """Kind of its input; it encodes the views that have the same ``INPUT``."""

    @property
    def feature_dim(self) -> int:
        """D, the dimension of its features."""
        raise NotImplementedError

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """Shape of one input without the batch dimension."""
        raise NotImplementedError

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The convolutions of a forward pass over one input, in order.

        Args:
            clip: says how large the input is; a sample with frames or a size of its own has a clip
                of its own.
        """
        raise NotImplementedError

    def num_parameters(self) -> int:
        """Number of parameters of the network; they don't depend on the size of the input."""
        return sum(c.weights + 2 * c.channels for c in self.convolutions(Clip()))

    def macs(self, clip: Clip) -> int:
        """Multiply-accumulates of a forward pass over one input."""
        return sum(c.weights * c.positions for c in self.convolutions(clip))

    def num_tokens(self, clip: Clip) -> int:
        """L, the number of tokens that it gives for one input: the places of its last map."""
        *_, last = self.convolutions(clip)
        return last.positions


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions along one dimension that a convolution or a pooling gives for ``size`` of them."""
    return (size + 2 * padding - kernel) // stride + 1

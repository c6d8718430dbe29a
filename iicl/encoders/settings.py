"""What the settings of every encoder offer. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

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

    TITLE: ClassVar[str]
    """Its name for people, as its field prints it, without sizes."""

    POOLING: ClassVar[Literal["mean", "maximum"]] = "mean"
    """What a feature is of the tokens, in each dimension."""

    @property
    def feature_dim(self) -> int:
        """D, the dimension of its features."""
        raise NotImplementedError

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """Shape of one input without the batch dimension.

        Raises:
            ValueError: if the encoder cannot take so small an input.
        """
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


class VideoEncoderSettings(EncoderSettings):
    """Sizes of an encoder of RGB frames."""

    INPUT: ClassVar[str] = "frames"

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """(3, T, H, W), normalised RGB."""
        return (3, clip.num_frames, clip.size, clip.size)


class SpectrogramEncoderSettings(EncoderSettings):
    """Sizes of an encoder of log-mel spectrograms."""

    INPUT: ClassVar[str] = "spectrogram"

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """(1, F, S), log-mel."""
        return (1, clip.mel_bins, clip.spectrogram_frames)


class BlockSizes(NamedTuple):
    """Sizes of a residual block.

    Attributes:
        in_planes: channels of its input.
        planes: channels of its output.
        stride: of its first convolution, and of its shortcut, which it has unless this is 1.
    """

    in_planes: int
    planes: int
    stride: int


def residual_stages(width: int, depth: int) -> list[list[BlockSizes]]:
    """The blocks of the four stages of a ResNet.

    Stage s = 0, 1, 2, 3 has ``width * 2**s`` channels. The first block of each but the first stage
    halves the map.

    Args:
        width: channels of the stem and the first stage.
        depth: residual blocks per stage.
    """
    stages = [[BlockSizes(width, width, 1)] * depth]
    for stage in range(1, 4):
        planes = width * 2**stage
        rest = [BlockSizes(planes, planes, 1)] * (depth - 1)
        stages.append([BlockSizes(planes // 2, planes, 2), *rest])
    return stages


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions along one dimension that a convolution or a pooling gives for ``size`` of them."""
    return (size + 2 * padding - kernel) // stride + 1

"""Sizes of R(2+1)D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, EncoderSettings, output_size


class Settings(EncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage.

    The channels between a spatial convolution and its temporal one are rounded to a multiple of
    ``middle_multiple``. 1 leaves them as in torchvision's network; 8 suits the vector registers of
    a CPU.
    """

    NAME: ClassVar[str] = "r2plus1d"
    INPUT: ClassVar[str] = "frames"
    width: Count = 64
    depth: Count = 2
    middle_multiple: Count = 1

    LATER: ClassVar[frozenset[str]] = frozenset({"middle_multiple"})

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """(3, T, H, W), normalised RGB."""
        return (3, clip.num_frames, clip.size, clip.size)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's two, then for each block two pairs and, where the size changes, a shortcut.

        Each pair is a spatial convolution and a temporal one. Both pairs of a block have the same
        number of channels between them, as in torchvision's network.
        """
        width, multiple = self.width, self.middle_multiple
        stem = stem_middle(width, multiple)
        _, frames, size, _ = self.input_shape(clip)
        side = output_size(size, 7, 2, 3)
        yield Convolution(3 * stem * 49, stem, frames * side**2)
        yield Convolution(stem * width * 3, width, frames * side**2)
        channels = width
        for stage in range(4):
            planes = width * 2**stage
            for block in range(self.depth):
                stride = 2 if stage > 0 and block == 0 else 1
                middle = block_middle(channels, planes, multiple)
                before = frames
                side = output_size(side, 3, stride, 1)
                frames = output_size(frames, 3, stride, 1)
                yield Convolution(channels * middle * 9, middle, before * side**2)
                yield Convolution(middle * planes * 3, planes, frames * side**2)
                yield Convolution(planes * middle * 9, middle, frames * side**2)
                yield Convolution(middle * planes * 3, planes, frames * side**2)
                if stride == 2:
                    yield Convolution(channels * planes, planes, frames * side**2)
                channels = planes


def stem_middle(width: int, multiple: int) -> int:
    """Channels in the middle of the stem: torchvision's ratio of 45 to a width of 64, rounded."""
    return _rounded(max(1, round(45 * width / 64)), multiple)


def block_middle(in_planes: int, planes: int, multiple: int) -> int:
    """Channels between each spatial convolution of a block and its temporal one, rounded.

    Before rounding they are those with which the pair has as many weights as a 3 x 3 x 3
    convolution of the same input and output (Tran et al., 2018, section 3.5).
    """
    middle = (in_planes * planes * 27) // (in_planes * 9 + 3 * planes)
    return _rounded(middle, multiple)


def _rounded(channels: int, multiple: int) -> int:
    """The nearest multiple, but not 0; the smaller of two that are equally near."""
    return max(1, -((multiple - 2 * channels) // (2 * multiple))) * multiple

"""Sizes of R(2+1)D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, VideoEncoderSettings, output_size, residual_stages


class Settings(VideoEncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage.

    The channels between a spatial convolution and its temporal one are rounded to a multiple of
    ``middle_multiple``. 1 leaves them as in torchvision's network; 8 suits the vector registers of
    a CPU.

    ``middle`` says from which channels they are calculated: ``block`` takes those before and after
    the block for both of its pairs, as torchvision does; ``convolution`` takes those before and
    after each pair, as VMZ does (facebookresearch/VMZ), the source of XDC's encoder.
    """

    NAME: ClassVar[str] = "r2plus1d"
    TITLE: ClassVar[str] = "R(2+1)D"
    width: Count = 64
    depth: Count = 2
    middle_multiple: Count = 1
    middle: Literal["block", "convolution"] = "block"

    LATER: ClassVar[frozenset[str]] = frozenset({"middle_multiple", "middle"})

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

    @property
    def norm_eps(self) -> float:
        """What batch norm adds to a variance: VMZ's networks have a value of their own."""
        return 1e-3 if self.middle == "convolution" else 1e-5

    def pair_middle(self, block_planes: int, in_planes: int, planes: int) -> int:
        """Channels between the two convolutions of a pair.

        Args:
            block_planes: channels of the block's input.
            in_planes: channels of the pair's input.
            planes: channels of the pair's output.
        """
        before = block_planes if self.middle == "block" else in_planes
        return block_middle(before, planes, self.middle_multiple)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's two, then for each block two pairs and, where the size changes, a shortcut.

        Each pair is a spatial convolution and a temporal one.
        """
        width = self.width
        stem = stem_middle(width, self.middle_multiple)
        _, frames, size, _ = self.input_shape(clip)
        side = output_size(size, 7, 2, 3)
        yield Convolution(3 * stem * 49, stem, frames * side**2)
        yield Convolution(stem * width * 3, width, frames * side**2)
        for stage in residual_stages(width, self.depth):
            for channels, planes, stride in stage:
                first = self.pair_middle(channels, channels, planes)
                second = self.pair_middle(channels, planes, planes)
                before = frames
                side = output_size(side, 3, stride, 1)
                frames = output_size(frames, 3, stride, 1)
                yield Convolution(channels * first * 9, first, before * side**2)
                yield Convolution(first * planes * 3, planes, frames * side**2)
                yield Convolution(planes * second * 9, second, frames * side**2)
                yield Convolution(second * planes * 3, planes, frames * side**2)
                if stride == 2:
                    yield Convolution(channels * planes, planes, frames * side**2)


def stem_middle(width: int, multiple: int) -> int:
    """Channels in the middle of the stem: torchvision's ratio of 45 to a width of 64, rounded."""
    return _rounded(max(1, round(45 * width / 64)), multiple)


def block_middle(in_planes: int, planes: int, multiple: int) -> int:
    """Channels between a spatial convolution and its temporal one, rounded.

    Before rounding they are those with which such a pair has as many weights as a 3 x 3 x 3
    convolution of the same input and output (Tran et al., 2018, section 3.5).
    """
    middle = (in_planes * planes * 27) // (in_planes * 9 + 3 * planes)
    return _rounded(middle, multiple)


def _rounded(channels: int, multiple: int) -> int:
    """The nearest multiple, but not 0; the smaller of two that are equally near."""
    return max(1, -((multiple - 2 * channels) // (2 * multiple))) * multiple

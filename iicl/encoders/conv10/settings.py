"""Sizes of AVID's audio network. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, SpectrogramEncoderSettings, output_size


class Settings(SpectrogramEncoderSettings):
    """Channels of the stem and the first block."""

    NAME: ClassVar[str] = "conv10"
    TITLE: ClassVar[str] = "AVID's audio network"
    POOLING: ClassVar[Literal["mean", "maximum"]] = "maximum"
    width: Count = 64

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four blocks."""
        return 8 * self.width

    def layers(self) -> list[tuple[int, int, int]]:
        """Input channels, output channels and stride of each convolution after the stem."""
        layers = []
        in_planes = self.width
        for planes, stride in ((1, 2), (2, 2), (4, 2), (8, 1)):
            layers += [
                (in_planes, planes * self.width, stride),
                (planes * self.width, planes * self.width, 1),
            ]
            in_planes = planes * self.width
        return layers

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's, and two for each block."""
        _, *input_sides = self.input_shape(clip)
        sides = [output_size(side, 7, 2, 3) for side in input_sides]
        yield Convolution(49 * self.width, self.width, sides[0] * sides[1])
        for in_planes, planes, stride in self.layers():
            sides = [output_size(side, 3, stride, 1) for side in sides]
            yield Convolution(9 * in_planes * planes, planes, sides[0] * sides[1])

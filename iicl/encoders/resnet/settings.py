"""Sizes of the ResNet. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import (
    Convolution,
    SpectrogramEncoderSettings,
    output_size,
    residual_stages,
)


class Settings(SpectrogramEncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage."""

    NAME: ClassVar[str] = "resnet"
    TITLE: ClassVar[str] = "ResNet"
    width: Count = 64
    depth: Count = 2

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's, then two for each block and, where the size changes, its shortcut."""
        _, *input_sides = self.input_shape(clip)
        sides = [output_size(side, 7, 2, 3) for side in input_sides]
        yield Convolution(49 * self.width, self.width, sides[0] * sides[1])
        sides = [output_size(side, 3, 2, 1) for side in sides]  # maximum pooling
        for stage in residual_stages(self.width, self.depth):
            for channels, planes, stride in stage:
                sides = [output_size(side, 3, stride, 1) for side in sides]
                yield Convolution(9 * planes * channels, planes, sides[0] * sides[1])
                yield Convolution(9 * planes * planes, planes, sides[0] * sides[1])
                if stride == 2:
                    yield Convolution(channels * planes, planes, sides[0] * sides[1])

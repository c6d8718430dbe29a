"""Sizes of AVID's R(2+1)D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, VideoEncoderSettings, output_size, residual_stages


class Settings(VideoEncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage."""

    NAME: ClassVar[str] = "r2plus1d_avid"
    TITLE: ClassVar[str] = "AVID's R(2+1)D"
    POOLING: ClassVar[Literal["mean", "maximum"]] = "maximum"
    width: Count = 64
    depth: Count = 2

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's, then two pairs for each block and, where the size changes, a shortcut.

        Each pair is a spatial convolution and a temporal one, with as many channels between them as
        after them. A shortcut has no batch norm of its own.
        """
        _, frames, size, _ = self.input_shape(clip)
        side = output_size(size, 7, 2, 3)
        yield Convolution(3 * self.width * 3 * 49, self.width, frames * side**2)
        side = output_size(side, 3, 2, 1)  # maximum pooling
        for stage in residual_stages(self.width, self.depth):
            for channels, planes, stride in stage:
                before = frames
                side = output_size(side, 3, stride, 1)
                frames = output_size(frames, 3, stride, 1)
                yield Convolution(channels * planes * 9, planes, before * side**2)
                yield Convolution(planes * planes * 3, planes, frames * side**2)
                yield Convolution(planes * planes * 9, planes, frames * side**2)
                yield Convolution(planes * planes * 3, planes, frames * side**2)
                if stride == 2:
                    yield Convolution(channels * planes, 0, frames * side**2)

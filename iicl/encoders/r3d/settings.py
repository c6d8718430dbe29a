"""Sizes of R3D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, VideoEncoderSettings, output_size, residual_stages


class Settings(VideoEncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage.

    Depth 2 is R3D-18, the encoder of ST-Puzzle; depth 1 is that of VCOP.
    """

    NAME: ClassVar[str] = "r3d"
    TITLE: ClassVar[str] = "R3D"
    STAGES_IN_TIME: ClassVar[int] = 4
    """The first stages convolve in time, and halve it where they halve space; the others do not."""
    width: Count = 64
    depth: Count = 2

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """The stem's, then two for each block and, where the size changes, its shortcut."""
        _, frames, size, _ = self.input_shape(clip)
        side = output_size(size, 7, 2, 3)
        yield Convolution(3 * self.width * 3 * 49, self.width, frames * side**2)
        for number, stage in enumerate(residual_stages(self.width, self.depth)):
            in_time = number < self.STAGES_IN_TIME
            kernel = 27 if in_time else 9
            for channels, planes, stride in stage:
                side = output_size(side, 3, stride, 1)
                frames = output_size(frames, 3, stride, 1) if in_time else frames
                yield Convolution(channels * planes * kernel, planes, frames * side**2)
                yield Convolution(planes * planes * kernel, planes, frames * side**2)
                if stride == 2:
                    yield Convolution(channels * planes, planes, frames * side**2)

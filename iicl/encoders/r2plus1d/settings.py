"""Sizes of R(2+1)D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, EncoderSettings, output_size


class Settings(EncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage."""

    NAME: ClassVar[str] = "r2plus1d"
    INPUT: ClassVar[str] = "frames"
    width: Count = 64
    depth: Count = 2

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
        width, stem = self.width, max(1, round(45 * self.width / 64))
        _, frames, size, _ = self.input_shape(clip)
        side = output_size(size, 7, 2, 3)
        yield Convolution(3 * stem * 49, stem, frames * side**2)
        yield Convolution(stem * width * 3, width, frames * side**2)
        channels = width
        for stage in range(4):
            planes = width * 2**stage
            for block in range(self.depth):
                stride = 2 if stage > 0 and block == 0 else 1
                middle = (channels * planes * 27) // (channels * 9 + 3 * planes)
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

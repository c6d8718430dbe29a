"""Sizes of S3D. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, VideoEncoderSettings, output_size

MIN_FRAMES, MIN_SIZE = 5, 17
"""Time is halved three times and then pooled by two, space four times: less would leave nothing."""


class InceptionSizes(NamedTuple):
    """Channels of an Inception block.

    Attributes:
        in_planes: of its input.
        branch_0: of the branch with a single convolution of one place.
        middle_1: within the first branch with a separable convolution.
        branch_1: at its end.
        middle_2: within the second such branch.
        branch_2: at its end.
        branch_3: of the branch that starts with a pooling.
    """

    in_planes: int
    branch_0: int
    middle_1: int
    branch_1: int
    middle_2: int
    branch_2: int
    branch_3: int

    @property
    def branches(self) -> tuple[int, int, int, int]:
        """Output channels of the four branches, in order."""
        return (self.branch_0, self.branch_1, self.branch_2, self.branch_3)


# At a width of 64: `InceptionSizes` without the input's channels, by stage.
_STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


class Settings(VideoEncoderSettings):
    """Channels of the stem; the other channels are in proportion, rounded, and 1 or more."""

    NAME: ClassVar[str] = "s3d"
    TITLE: ClassVar[str] = "S3D"
    width: Count = 64

    @property
    def second_planes(self) -> int:
        """Channels of the separable convolution after the stem."""
        return self._scaled(192)

    def stages(self) -> list[list[InceptionSizes]]:
        """The Inception blocks of the three stages."""
        stages: list[list[InceptionSizes]] = []
        in_planes = self.second_planes
        for blocks in _STAGES:
            stages.append([])
            for block in blocks:
                sizes = InceptionSizes(in_planes, *map(self._scaled, block))
                stages[-1].append(sizes)
                in_planes = sum(sizes.branches)
        return stages

    @property
    def feature_dim(self) -> int:
        """Channels of the last block: 16 times the width, but for rounding."""
        return sum(self.stages()[-1][-1].branches)

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """(3, T, H, W), normalised RGB.

        Raises:
            ValueError: if the clip is too short or too small.
        """
        check_extent(self.TITLE, clip.num_frames, clip.size, clip.size)
        return super().input_shape(clip)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """Those of the stem, of what follows it, and of the Inception blocks.

        A clip that is too short or too small leaves no positions for the last of them.
        """
        frames, width, second = clip.num_frames, self.width, self.second_planes
        side = output_size(clip.size, 7, 2, 3)
        yield Convolution(3 * width * 49, width, frames * side**2)
        frames = output_size(frames, 7, 2, 3)
        yield Convolution(width * width * 7, width, frames * side**2)
        side = output_size(side, 3, 2, 1)
        yield Convolution(width * width, width, frames * side**2)
        yield from _separable(width, second, frames * side**2)
        side = output_size(side, 3, 2, 1)
        poolings = iter(((3, 1), (2, 0)))
        for number, stage in enumerate(self.stages()):
            if number > 0:
                size, padding = next(poolings)
                frames = output_size(frames, size, 2, padding)
                side = output_size(side, size, 2, padding)
            for sizes in stage:
                yield from _inception(sizes, frames * side**2)

    def macs(self, clip: Clip) -> int:
        """Multiply-accumulates of a forward pass over one input.

        Raises:
            ValueError: if the clip is too short or too small.
        """
        self.input_shape(clip)
        return super().macs(clip)

    def _scaled(self, planes: int) -> int:
        return max(1, round(planes * self.width / 64))


def check_extent(title: str, frames: int, height: int, width: int) -> None:
    """Refuse a clip of which the last pooling would leave nothing.

    Raises:
        ValueError: if it is too short or too small.
    """
    if frames < MIN_FRAMES or min(height, width) < MIN_SIZE:
        raise ValueError(
            f"{title} cannot take a clip of {frames} frames of {height} x {width} pixels;"
            f" legal: {MIN_FRAMES} frames or more, {MIN_SIZE} x {MIN_SIZE} pixels or more"
        )


def _separable(in_planes: int, planes: int, positions: int) -> Iterator[Convolution]:
    yield Convolution(in_planes * planes * 9, planes, positions)
    yield Convolution(planes * planes * 3, planes, positions)


def _inception(sizes: InceptionSizes, positions: int) -> Iterator[Convolution]:
    in_planes = sizes.in_planes
    yield Convolution(in_planes * sizes.branch_0, sizes.branch_0, positions)
    for middle, planes in (
        (sizes.middle_1, sizes.branch_1),
        (sizes.middle_2, sizes.branch_2),
    ):
        yield Convolution(in_planes * middle, middle, positions)
        yield from _separable(middle, planes, positions)
    yield Convolution(in_planes * sizes.branch_3, sizes.branch_3, positions)

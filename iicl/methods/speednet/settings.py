"""Settings of SpeedNet. Imports no torch.

There is no official code, and only the first page of the paper could be read. "From memory" marks
values that are known from the literature and were not checked against the paper.
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import model_validator

from iicl.config import Clip, Count, Positive
from iicl.methods.settings import Encoded, Extra
from iicl.methods.video_only import VideoOnlySettings
from iicl.samples import Sample

FAST = "video:fast"


class Settings(VideoOnlySettings):
    """A clip at the video's own speed and a faster one of the same video; which is the faster one?

    The normal clip lies in the middle of the fast one. So the mean times of the two have one
    distribution, up to half a frame, and what can be seen of the time in the video, such as a fade,
    tells nothing about the speed. The two share their crop, flip and jitter.

    With ``signal`` "destroyed" the second clip is the normal one, too.
    """

    SYSTEM: ClassVar[str] = "SpeedNet"
    REFERENCE: ClassVar[str] = (
        "Benaim, Ephrat, Lang, Mosseri, Freeman, Rubinstein, Irani, Dekel: SpeedNet: Learning the"
        " Speediness in Videos, 2020; its first page"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "The speeds are fixed, by default 1 and 2; the authors draw them from 1 to 1.2 and from"
        " 1.7 to 2.2 and skip frames at random (from memory).",
        "The normal clip lies in the middle of the fast one and has the same crop, flip and jitter;"
        " how the authors place it could not be read.",
        "All items of a chunk have one random size; the authors draw it for each video, as far as"
        " could be read.",
        "The optimiser is the suite's, as the authors' could not be read.",
    )

    name: Literal["speednet"] = "speednet"
    speed: Count = 2  # distance of the fast clip's frames; from memory: 1.7 to 2.2 [58]
    # Sides in training as parts of the clip's side; from memory: 64 to 336 pixels for 224
    sizes: tuple[Positive, Positive] = (64 / 224, 336 / 224)

    @model_validator(mode="after")
    def _ordered(self) -> "Settings":
        low, high = self.sizes
        if low > high:
            raise ValueError(f"sizes must satisfy low <= high, got {low}, {high}")
        if self.speed < 2:
            raise ValueError(f"speed must be 2 or more, got {self.speed}")
        return self

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """A fast clip of an item that is long enough for it, and a normal one in its middle."""
        stride = self.speed if self.signal == "kept" else 1
        return (
            Sample(FAST, stride=stride, whole=True),
            Sample("video", time="with", of=FAST, augmentation_of=FAST),
        )

    def encoded_clip(self, sample: Sample, clip: Clip) -> Clip:
        """A clip whose number of pixels is the mean over the random sizes."""
        low, high = self.sizes
        mean_square = (low * low + low * high + high * high) / 3
        side = max(1, round(math.sqrt(mean_square) * clip.size))
        return clip.model_copy(update={"size": side})

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """One logit: a weight for each feature, and a bias."""
        video, *_ = encoded
        return Extra(parameters=video.encoder.feature_dim + 1)

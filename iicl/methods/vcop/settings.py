"""Settings of VCOP. Imports no torch.

The defaults are those of the authors' code, xudejing/video-clip-order-prediction at 7a1710d.
"""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iicl.config import Clip, Count, Fraction
from iicl.methods.settings import Encoded, Extra
from iicl.methods.video_only import VideoOnlySettings
from iicl.samples import DRAWS, Sample
from iicl.views.draws import NUM_DRAWS

NUM_CLIPS = 3
NUM_ORDERS = math.factorial(NUM_CLIPS)
NUM_PAIRS = math.comb(NUM_CLIPS, 2)


class Settings(VideoOnlySettings):
    """Three clips of a video, a gap apart, are shown in a random order; which of six is it?

    With ``signal`` "destroyed" the frames of an item's three clips are shuffled over all three.
    """

    SYSTEM: ClassVar[str] = "VCOP"
    REFERENCE: ClassVar[str] = (
        "Xu, Xiao, Zhao, Shao, Xie, Zhuang: Self-supervised Spatiotemporal Learning via Video Clip"
        " Order Prediction, 2019; the authors' code"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "Frames are squares of the clip's size that are augmented as for all methods, and"
        " normalised; the authors resize to 128 x 171, flip nothing and scale values to 0 to 1.",
        "The weights after the last epoch are kept; the authors keep those of the smallest loss on"
        " 800 videos.",
    )

    name: Literal["vcop"] = "vcop"
    clip_frames: Count = 16  # of the authors' code
    gap: Annotated[int, Field(ge=0)] = 8  # frames between two clips; of the authors' code
    # Side of each clip's own random crop; the authors' code crops 112 of 128. 1: one crop for all.
    crop: Annotated[Fraction, Field(gt=0)] = 0.875  # [56]
    hidden: Count = 512  # features of a pair of clips; of the authors' code
    dropout: Annotated[Fraction, Field(lt=1)] = 0.5  # of the authors' code

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """A video that holds the three clips, and random numbers for the order and the crops.

        A number for each frame is added where frames are shuffled.
        """
        num_frames = NUM_CLIPS * self.clip_frames + (NUM_CLIPS - 1) * self.gap
        video = Sample("video", num_frames=num_frames, whole=True)
        num_more = 0
        if self.signal == "destroyed":
            num_more = math.ceil(NUM_CLIPS * self.clip_frames / NUM_DRAWS)
        return video, DRAWS, *(Sample(f"draws:{i + 1}") for i in range(num_more))

    def side(self, size: int) -> int:
        """Side of a clip that is cut out of frames of a size, in pixels, 1 or more."""
        return max(1, round(self.crop * size))

    def encoded_clip(self, sample: Sample, clip: Clip) -> Clip:
        """One of the three clips."""
        update = {"num_frames": self.clip_frames, "size": self.side(clip.size)}
        return clip.model_copy(update=update)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The layer on each pair of clips, and the classifier; three clips of each video."""
        (video,) = encoded
        pair = (2 * video.encoder.feature_dim + 1) * self.hidden
        classifier = (NUM_PAIRS * self.hidden + 1) * NUM_ORDERS
        return Extra(parameters=pair + classifier, encodings={"video": NUM_CLIPS})

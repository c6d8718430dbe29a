"""SpeedNet: is a video played at its own speed or faster?"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import Clip, CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.encoders.settings import EncoderSettings
from iicl.methods.base import Method
from iicl.methods.speednet.settings import FAST, Settings


class SpeedNet(Method):
    """Binary cross-entropy of normal clips (0) and fast clips (1).

    The logit of a clip is w m + b, where m is the encoder's map: the greatest value over space,
    then the mean over time. A network that has learnt nothing has the loss log 2 = 0.6931472.

    Args:
        settings: speed and sizes.
        sizes: of the encoders.
        facts: of the corpus.
    """

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.sizes = sizes.of("video")
        self.samples = tuple(sample.name for sample in settings.samples("training"))
        self.video_encoder = encoders.build(self.sizes, facts)
        self.classifier = nn.Linear(self.sizes.feature_dim, 1)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``normal`` and ``fast`` (B, D), the pooled maps.

        Both go through one call of the encoder, so that its batch norm sees as many of each.
        """
        clips = torch.cat([batch["video"], batch[FAST]])
        if self.training:
            clips = self.resized(clips)
        encoder: Any = self.video_encoder
        tokens: Tensor = encoder.tokens(clips)
        times = num_times(self.sizes, *clips.shape[2:4])
        pooled = tokens.unflatten(1, (times, -1)).amax(2)
        pooled = pooled.mean(1, dtype=torch.promote_types(pooled.dtype, torch.float32))
        normal, fast = pooled.chunk(2)
        return {"normal": normal, "fast": fast}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean binary cross-entropy over the clips, half of which are fast."""
        normal, fast = (self.classifier(features[name]) for name in ("normal", "fast"))
        parts = {"normal": F.softplus(normal).mean(), "fast": F.softplus(-fast).mean()}
        return (parts["normal"] + parts["fast"]) / 2, parts

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether each clip is on its side of 0; a logit of 0 is a wrong answer."""
        normal, fast = (self.classifier(features[name])[:, 0] for name in ("normal", "fast"))
        return torch.cat([normal < 0, fast > 0]), 1 / 2

    def resized(self, clips: Tensor) -> Tensor:
        """Clips (N, C, T, H, W) at one random size, uniform within the settings' range."""
        low, high = self.settings.sizes
        part = low + (high - low) * float(torch.rand(()))  # of the host: no device is waited for
        side = max(1, round(part * clips.shape[-1]))
        return F.interpolate(clips, (clips.shape[2], side, side), mode="trilinear")


def num_times(encoder: EncoderSettings, num_frames: int, side: int) -> int:
    """T', the number of times in the map of an encoder.

    It is the number of tokens of the smallest picture that has any. Such a map has one place in
    space, as one more row and column of pixels add one place along each side at most.

    Args:
        encoder: of frames.
        num_frames: of a clip.
        side: of its pictures, in pixels.

    Raises:
        ValueError: if the encoder cannot take the clip.
    """
    for smaller in range(1, side):
        clip = Clip().model_copy(update={"num_frames": num_frames, "size": smaller})
        with suppress(ValueError):  # the encoder does not take so small a picture
            encoder.input_shape(clip)
            if (tokens := encoder.num_tokens(clip)) > 0:
                return tokens
    clip = Clip().model_copy(update={"num_frames": num_frames, "size": side})
    encoder.input_shape(clip)
    return encoder.num_tokens(clip)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> SpeedNet:
    """See :func:`iicl.methods.build`."""
    return SpeedNet(settings, sizes, facts)

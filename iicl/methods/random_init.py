"""The lower control: encoders as they were initialised."""

from collections.abc import Mapping
from typing import NoReturn

from torch import Tensor

from iicl import config
from iicl.methods.base import Method, make_audio_encoder, make_video_encoder


class RandomInit(Method):
    """Both encoders, never trained.

    Args:
        encoders: sizes of the encoders.
    """

    views = ("video", "audio")

    def __init__(self, encoders: config.Encoders) -> None:
        super().__init__()
        self.video_encoder = make_video_encoder(encoders)
        self.audio_encoder = make_audio_encoder(encoders)

    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``video`` and ``audio``, (B, D)."""
        return {
            "video": self.video_encoder(views["video"]),
            "audio": self.audio_encoder(views["audio"]),
        }

    def loss(self, features: Mapping[str, Tensor]) -> NoReturn:
        """Not there.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("random_init has no objective: it is a control and is never trained")


def build(
    settings: config.RandomInit,
    phase: config.Phase,
    encoders: config.Encoders,
    num_classes: int | None,
) -> RandomInit:
    """See :func:`iicl.methods.build`; labels are not read."""
    return RandomInit(encoders)

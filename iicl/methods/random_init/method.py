"""The lower control: encoders as they were initialised."""

from collections.abc import Mapping
from typing import NoReturn

from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.random_init.settings import Settings


class RandomInit(Method):
    """Both encoders, never trained.

    Args:
        sizes: of the encoders.
        facts: of the corpus whose statistics the encoders normalise by.
    """

    samples = ("video", "audio")

    def __init__(self, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.audio_encoder = encoders.build(sizes.of("audio"), facts)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``video`` and ``audio``, (B, D)."""
        return {
            "video": self.video_encoder(batch["video"]),
            "audio": self.audio_encoder(batch["audio"]),
        }

    def loss(self, features: Mapping[str, Tensor]) -> NoReturn:
        """This method has no loss.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("random_init has no objective: it is a control and is never trained")


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> RandomInit:
    """See :func:`iicl.methods.build`; labels are not read."""
    return RandomInit(sizes, facts)

"""What every pretext method offers to training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from iicl import config
from iicl.models.audio import AudioEncoder
from iicl.models.video import VideoEncoder


class Method(nn.Module, ABC):
    """Encoders, heads and an objective.

    ``encode`` is the expensive part and treats items independently (batch norm aside); ``loss`` is
    the only place where items meet and sees the whole batch. The large-batch engine relies on this
    division. Encoders that evaluation takes are the attributes ``video_encoder`` and
    ``audio_encoder``, as far as the method has them.
    """

    views: tuple[str, ...]
    """Names of the views that ``encode`` reads."""

    @abstractmethod
    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features of a batch or a chunk of one.

        Args:
            views: at least the entries named in ``self.views``, items along the first dimension.

        Returns:
            Named tensors, items along the first dimension.
        """

    @abstractmethod
    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective over the whole batch.

        Args:
            features: what ``encode`` returned, of all items.

        Returns:
            The scalar to descend, and its unweighted terms by name.
        """


def make_video_encoder(encoders: config.Encoders) -> VideoEncoder:
    """The video encoder of the given size."""
    return VideoEncoder(encoders.video_width, encoders.video_depth)


def make_audio_encoder(encoders: config.Encoders) -> AudioEncoder:
    """The audio encoder of the given size."""
    return AudioEncoder(encoders.audio_width, encoders.audio_depth)

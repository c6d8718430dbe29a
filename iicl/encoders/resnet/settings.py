"""Sizes of the ResNet. Imports no torch."""

from typing import ClassVar

from iicl.config import Count
from iicl.encoders.settings import EncoderSettings


class Settings(EncoderSettings):
    """Channels of the stem and the first stage, and residual blocks per stage."""

    NAME: ClassVar[str] = "resnet"
    width: Count = 64
    depth: Count = 2

    @property
    def feature_dim(self) -> int:
        """Channels of the last of the four stages."""
        return 8 * self.width

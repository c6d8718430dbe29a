"""What the settings of every encoder offer. Imports no torch."""

from typing import ClassVar

from iicl.config import Config


class EncoderSettings(Config):
    """Sizes of an encoder; the class of one encoder is ``Settings`` in its ``settings.py``."""

    NAME: ClassVar[str]
    """Name of the encoder: that of its folder in ``iicl/encoders``."""

    @property
    def feature_dim(self) -> int:
        """D, the dimension of its features."""
        raise NotImplementedError

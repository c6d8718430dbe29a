"""MC3: an R3D whose last three stages convolve in space alone and leave time as it is."""

from iicl.config import CorpusFacts
from iicl.encoders.mc3.settings import Settings
from iicl.encoders.r3d.network import R3D


def build(settings: Settings, facts: CorpusFacts) -> R3D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return R3D(settings)

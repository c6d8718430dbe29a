"""S3D-G: an S3D with a gate after each branch of its Inception blocks."""

from iicl.config import CorpusFacts
from iicl.encoders.s3d.network import S3D
from iicl.encoders.s3dg.settings import Settings


def build(settings: Settings, facts: CorpusFacts) -> S3D:
    """See :func:`iicl.encoders.build`; nothing of the corpus is read."""
    return S3D(settings, gated=True)

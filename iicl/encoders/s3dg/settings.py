"""Sizes of S3D-G. Imports no torch."""

from typing import ClassVar

from iicl.config import Clip
from iicl.encoders.s3d import settings as s3d


class Settings(s3d.Settings):
    """Those of S3D."""

    NAME: ClassVar[str] = "s3dg"
    TITLE: ClassVar[str] = "S3D-G"

    def num_parameters(self) -> int:
        """Those of S3D, and a square matrix with a bias for each gate."""
        return super().num_parameters() + sum(n * (n + 1) for n in self._gates())

    def macs(self, clip: Clip) -> int:
        """Those of S3D, and one product with each gate's matrix."""
        return super().macs(clip) + sum(n * n for n in self._gates())

    def _gates(self) -> list[int]:
        """Channels of each gate."""
        return [n for stage in self.stages() for block in stage for n in block.branches]

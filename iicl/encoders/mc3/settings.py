"""Sizes of MC3. Imports no torch."""

from typing import ClassVar

from iicl.encoders.r3d import settings as r3d


class Settings(r3d.Settings):
    """Those of R3D. Depth 2 is MC3-18, the encoder of AVTS."""

    NAME: ClassVar[str] = "mc3"
    TITLE: ClassVar[str] = "MC3"
    STAGES_IN_TIME: ClassVar[int] = 1

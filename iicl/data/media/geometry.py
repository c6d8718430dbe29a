"""Turns and mirrors pictures as their file asks for."""

import math
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

_TOLERANCE_DEGREES = 5.0  # cameras state 89.9; an angle that is further off is no quarter turn


@dataclass(frozen=True)
class Orientation:
    """Quarter turns after an optional mirroring.

    Attributes:
        mirrored: whether left and right are exchanged first.
        turns: number of quarter turns counter-clockwise, 0 to 3.
        is_exact: whether the file asks for this; False if it asks for a rotation that is not
            supported and is therefore ignored.
    """

    mirrored: bool = False
    turns: int = 0
    is_exact: bool = True

    @property
    def swaps_sides(self) -> bool:
        """Whether width becomes height."""
        return self.turns % 2 == 1

    def apply(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Turns and mirrors a yuv420p frame with even sides."""
        if not self.mirrored and not self.turns:
            return frame
        height, width = frame.height, frame.width
        packed = frame.to_ndarray().ravel()
        luma, rest = packed[: height * width], packed[height * width :]
        planes = [luma.reshape(height, width), *rest.reshape(2, height // 2, width // 2)]
        if self.mirrored:
            planes = [plane[:, ::-1] for plane in planes]
        planes = [np.rot90(plane, self.turns) for plane in planes]
        stacked = np.concatenate([plane.ravel() for plane in planes])
        return av.VideoFrame.from_ndarray(stacked.reshape(-1, planes[0].shape[1]), format="yuv420p")


def orientation(frame: av.VideoFrame) -> Orientation:
    """The orientation that the display matrix of a frame asks for, rounded to quarter turns.

    ISO/IEC 14496-12: the point (x, y), y downwards, is shown at (a x + c y, b x + d y).
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).astype(float)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    degrees = math.degrees(math.atan2(-b, a))  # counter-clockwise, as y points down
    along, across = math.hypot(a, b), math.hypot(c, d)
    turns = round(degrees / 90)
    skewed = abs(a * c + b * d) > math.sin(math.radians(_TOLERANCE_DEGREES)) * along * across
    if not along or not across or skewed or abs(degrees - 90 * turns) > _TOLERANCE_DEGREES:
        return Orientation(is_exact=False)
    return Orientation(mirrored, turns % 4)

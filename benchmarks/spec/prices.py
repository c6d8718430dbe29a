"""What a run costs, in numbers that :mod:`benchmarks.stages` gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Seconds = Mapping[Literal["video", "audio"], float]
"""What an item has -> its mean duration in seconds."""


@dataclass(frozen=True)
class Work:
    """How much a run computes; see :class:`iicl.work.StageWork`."""

    clips: int
    flops: float
    num_ranks: int


@dataclass(frozen=True)
class Footprint:
    """What a run trains, leaves and exchanges; see :class:`iicl.footprint.StageFootprint`."""

    parameters: int
    parameters_per_class: int
    weight_bytes: int
    checkpoint_bytes: int
    checkpoint_seconds: float
    disk_bytes: int
    gradient_bytes: int
    exchanged_bytes: int


@dataclass(frozen=True)
class ReadCost:
    """What a training reads for one clip; see :class:`iicl.data.volume.ClipReading`."""

    num_bytes: float
    num_reads: float
    verify_epochs: int

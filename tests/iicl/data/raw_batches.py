"""Batches of planes, as the loader gives them, and the pictures made of them."""

import torch

from iicl.config import Clip
from iicl.data.loader import RawBatch
from iicl.data.pictures import MEAN, STD
from iicl.data.transforms import make_views
from iicl.samples import VIDEO, Sample

CPU = torch.device("cpu")


def batch_of(
    planes: torch.Tensor,
    boxes: list[list[list[int]]],
    sizes: list[list[int]] | None = None,
    flips: list[bool] | None = None,
    jitter: list[list[float]] | None = None,
) -> RawBatch:
    """A batch of (B, T, 3H/2, W) planes."""
    count = len(planes)
    height, width = 2 * planes.shape[2] // 3, planes.shape[3]
    raw = {
        "frames": planes,
        "sizes": torch.tensor(sizes or [[height, width]] * count),
        "boxes": torch.tensor(boxes),
        "flips": torch.tensor(flips or [False] * count),
        "jitter": torch.tensor(jitter or [[1.0, 1.0, 1.0]] * count),
    }
    return RawBatch(
        samples=(VIDEO,),
        raw={"video": raw},
        positions=torch.arange(count),
        clip_index=torch.zeros(count, dtype=torch.int64),
        num_crops=len(boxes[0]),
    )


def add(batch: RawBatch, sample: Sample, **raw: torch.Tensor) -> None:
    """Another sample for a batch."""
    batch.samples = (*batch.samples, sample)
    batch.raw[sample.name] = raw


def random_planes(count: int = 2, frames: int = 3, height: int = 20, width: int = 28):  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(0)
    shape = (count, frames, 3 * height // 2, width)
    return torch.randint(40, 200, shape, dtype=torch.uint8, generator=generator)


def video(batch: RawBatch, size: int) -> torch.Tensor:
    """RGB of 0-1."""
    return make_views(batch, Clip(size=size), CPU)["video"] * STD + MEAN

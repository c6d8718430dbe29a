"""Frames of an item: normalised RGB at the clip's rate and size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from iicl.config import Clip
from iicl.data.manifest import ManifestItem
from iicl.samples import Sample

if TYPE_CHECKING:
    import numpy as np
    import torch

    from iicl.data.store import PreparedCorpus
    from iicl.data.view import Drawn, Reading

REQUIRES = "video"
MAY_LACK = False
ENCODER = "r2plus1d"
INPUT = "frames"
TAKES = frozenset(
    {"item", "time", "of", "stride", "num_frames", "size", "whole", "augmentation_of"}
)


def extent(item: ManifestItem, sample: Sample, clip: Clip) -> tuple[float, float]:
    """Seconds of the item's frames, and from a sample's first frame to one after its last."""
    return item.num_frames / item.fps, _num_frames(sample, clip) * sample.stride / clip.fps


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> None:
    """Nothing: every corpus fits, whatever its frame rate and size."""


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Decoded frames and how to cut them.

    Returns:
        "frames" (B, T, 3H/2, W) uint8: H rows of luma, then U and V side by side, as in
        :meth:`PreparedCorpus.read_video`, H and W the largest of the batch. "sizes" (B, 2) true
        height and width of the frames. "boxes" (B, R, 4) top, left, height, width of R crops of
        each clip, in pixels. "flips" (B,) bool, mirror left and right. "jitter" (B, 3) float32
        factors of brightness, contrast and saturation; 1 changes nothing.
    """
    import numpy as np

    items = [one.item for one in drawn]
    height, width = (max(getattr(i, side) for i in items) for side in ("height", "width"))
    padded = any((item.height, item.width) != (height, width) for item in items)
    allocate = np.zeros if padded else np.empty
    shape = (len(items), _num_frames(reading.sample, reading.clip), 3 * height // 2, width)
    frames = allocate(shape, np.uint8)
    for out, (position, item, draw) in zip(frames, drawn, strict=True):
        numbers = frame_numbers(item, draw.start_seconds, reading.sample, reading.clip)
        reading.corpus.read_video(position, numbers.tolist(), out)
        reading.beat()
    return {
        "frames": frames,
        "sizes": np.array([[item.height, item.width] for item in items]),
        "boxes": np.stack([one.draw.boxes for one in drawn]),
        "flips": np.array([one.draw.flip for one in drawn]),
        "jitter": np.stack([one.draw.jitter for one in drawn]).astype(np.float32),
    }


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B R, 3, T, size, size) float32 RGB, see :func:`iicl.data.pictures.to_pictures`."""
    from iicl.data.pictures import to_pictures

    return to_pictures(raw, sample.size or clip.size, device)


def frame_numbers(
    item: ManifestItem, start_seconds: float, sample: Sample, clip: Clip
) -> "np.ndarray":
    """Frames of an item that are nearest to a sample's times.

    Args:
        item: its grid has ``num_frames`` frames at ``fps``.
        start_seconds: time of the sample's first frame.
        sample: number of its frames (None: the clip's) and their stride.
        clip: number of frames and their rate.

    Returns:
        (T,) int64 in 0 to ``item.num_frames`` - 1; they start over where the sample is longer than
        the item.
    """
    import numpy as np

    times = start_seconds + np.arange(_num_frames(sample, clip)) * sample.stride / clip.fps
    numbers = np.floor(times * item.fps + 0.5 + 1e-6).astype(np.int64)
    item_seconds, window_seconds = extent(item, sample, clip)
    if window_seconds > item_seconds + 1e-6:
        return numbers % item.num_frames
    return np.minimum(numbers, item.num_frames - 1)


def _num_frames(sample: Sample, clip: Clip) -> int:
    return sample.num_frames or clip.num_frames

"""From decoded frames to pictures: colour, crop, resize, flip and jitter, on a device.

Every clip is treated on its own; nothing here is random.
"""

from collections.abc import Mapping

import torch

MEAN, STD = 0.45, 0.225  # of every colour channel, values 0 to 1
# Values of RGB made at a time: what fits a cache on a CPU, what bounds the memory elsewhere.
_CHUNK_VALUES = {"cpu": 1 << 21}
_CHUNK_VALUES_ELSEWHERE = 1 << 27
_GREY = (0.299, 0.587, 0.114)
# BT.601, limited range: rows R, G, B; columns Y - 16, U - 128, V - 128; results 0 to 1.
_TO_RGB = (
    (1 / 219, 0.0, 1.402 / 224),
    (1 / 219, -1.772 * 0.114 / 0.587 / 224, -1.402 * 0.299 / 0.587 / 224),
    (1 / 219, 1.772 / 224, 0.0),
)


def to_pictures(raw: Mapping[str, torch.Tensor], size: int, device: torch.device) -> torch.Tensor:
    """Crops of decoded frames.

    Args:
        raw: what :func:`iicl.views.video.read` gives of B clips.
        size: height and width of the result.
        device: where to compute and to leave the result.

    Returns:
        (B R, 3, T, size, size) float32 RGB, normalised by ``MEAN`` and ``STD``; the R crops of a
        clip follow each other.
    """
    planes, boxes, sizes, flips, jitter = (
        raw[name].to(device, non_blocking=True)
        for name in ("frames", "boxes", "sizes", "flips", "jitter")
    )
    boxes, sizes = boxes.float(), sizes.float()
    num_items, num_frames = planes.shape[:2]
    num_crops = boxes.shape[1]
    out = torch.empty((num_items, num_crops, 3, num_frames, size, size), device=device)
    most = _CHUNK_VALUES.get(device.type, _CHUNK_VALUES_ELSEWHERE)
    at_a_time = max(1, most // (3 * num_frames * size * size))
    # Asked on the host, where it needs no wait for the device.
    height, width = raw["sizes"].amax(0).tolist()
    jittered = bool((raw["jitter"] != 1).any())
    for start in range(0, num_items, at_a_time):
        part = slice(start, start + at_a_time)
        frames = _trimmed(planes[part], height, width)
        for crop in range(num_crops):
            rgb = to_rgb(_resized(frames, sizes[part], boxes[part, crop], flips[part], size))
            if jittered:
                rgb = jitter_colours(rgb, jitter[part])
            out[part, crop] = (rgb - MEAN) / STD
    return out.flatten(0, 1)


def _trimmed(planes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Frames of at most the given size without the padding beyond it, laid out as before."""
    rows, half = 2 * planes.shape[2] // 3, planes.shape[3] // 2
    if (rows, 2 * half) == (height, width):
        return planes
    luma, chroma = planes[:, :, :height, :width], planes[:, :, rows : rows + height // 2]
    u, v = chroma[..., : width // 2], chroma[..., half : half + width // 2]
    return torch.cat([luma, torch.cat([u, v], dim=3)], dim=2)


def _resized(
    planes: torch.Tensor,
    sizes: torch.Tensor,
    box: torch.Tensor,
    flips: torch.Tensor,
    size: int,
) -> torch.Tensor:
    """Crops, resizes and flips the three planes: (B, 3, T, size, size) float32 of Y, U, V."""
    rows, half = 2 * planes.shape[2] // 3, planes.shape[3] // 2
    luma, u, v = planes[:, :, :rows], planes[:, :, rows:, :half], planes[:, :, rows:, half:]
    no_flip = torch.zeros_like(flips)
    resized = []
    for plane in (luma, u, v):
        # Chroma samples are two pixels apart: between two rows, but level with the left column.
        step, down, across = (1, 0.5, 0.5) if plane is luma else (2, 1.0, 0.5)
        vertical = _taps(
            box[:, 0], box[:, 2], sizes[:, 0], plane.shape[2], step, down, no_flip, size
        )
        across_ = _taps(
            box[:, 1], box[:, 3], sizes[:, 1], plane.shape[3], step, across, flips, size
        )
        narrow = torch.matmul(plane.float(), across_[:, None].transpose(2, 3))
        resized.append(torch.matmul(vertical[:, None], narrow))
    return torch.stack(resized, dim=1)


def _taps(
    low: torch.Tensor,
    length: torch.Tensor,
    extent: torch.Tensor,
    num_inputs: int,
    step: float,
    first: float,
    flips: torch.Tensor,
    size: int,
) -> torch.Tensor:
    """Weights of a triangle filter that resamples one axis.

    The filter is as wide as the wider of the input's and the output's step: bilinear when
    enlarging, without aliasing when reducing. A crop of the output's own size at whole pixels has
    weights 0 and 1.

    Args:
        low: (B,) where the crop begins, in pixels.
        length: (B,) its length.
        extent: (B,) true length of the axis; what lies beyond is padding.
        num_inputs: samples along the axis, padding included.
        step: pixels between input samples.
        first: centre of the first sample, in pixels.
        flips: (B,) bool, whether to reverse.
        size: number of outputs.

    Returns:
        (B, size, num_inputs) rows that sum to 1.
    """
    inputs = first + step * torch.arange(num_inputs, device=low.device)
    outputs = (torch.arange(size, device=low.device) + 0.5) / size
    outputs = torch.where(flips[:, None], 1 - outputs, outputs)
    centres = low[:, None] + outputs * length[:, None]
    width = torch.clamp(length / size, min=step)[:, None, None]
    distance = (inputs - centres[:, :, None]).abs()
    weights = torch.clamp(1 - distance / width, min=0) * (inputs < extent[:, None])[:, None]
    return weights / weights.sum(dim=2, keepdim=True)


def to_rgb(yuv: torch.Tensor) -> torch.Tensor:
    """BT.601 limited range (B, 3, ...) of 0-255 -> RGB (B, 3, ...) of 0-1, clipped."""
    y, u, v = yuv[:, 0] - 16, yuv[:, 1] - 128, yuv[:, 2] - 128
    return torch.stack([a * y + b * u + c * v for a, b, c in _TO_RGB], dim=1).clamp_(0, 1)


def jitter_colours(rgb: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Brightness, contrast, saturation in this order, the same over all frames of a clip.

    Brightness scales; contrast moves values from (or to) the clip's mean grey; saturation from (or
    to) each pixel's own grey. Each result is clipped to 0-1.

    Args:
        rgb: (B, 3, T, H, W) of 0-1.
        factors: (B, 3); 1 changes nothing.
    """
    brightness, contrast, saturation = factors.T[:, :, None, None, None, None]
    rgb = (rgb * brightness).clamp(0, 1)
    mean = _grey(rgb).mean(dim=(2, 3, 4), keepdim=True)
    rgb = (mean + (rgb - mean) * contrast).clamp(0, 1)
    grey = _grey(rgb)
    return (grey + (rgb - grey) * saturation).clamp(0, 1)


def _grey(rgb: torch.Tensor) -> torch.Tensor:
    # From numbers, as a tensor made of them would have to be sent to the device.
    red, green, blue = (factor * rgb[:, i : i + 1] for i, factor in enumerate(_GREY))
    return red + green + blue

"""Pictures against swscale, torch, torchvision and the definition of their filter."""

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import Interpolation
from torch.nn import functional
from torchvision.transforms.v2 import functional as vision

from iicl.data import pictures
from iicl.data.pictures import jitter_colours, to_rgb
from tests.iicl.data.raw_batches import batch_of, random_planes, video


def grey_planes(luma: torch.Tensor) -> torch.Tensor:
    """Pictures without colour: (B, T, H, W) -> (B, T, 3H/2, W) uint8."""
    rows = luma.shape[2] // 2
    return torch.cat([luma, torch.full_like(luma[:, :, :rows], 128)], dim=2)


def luma_of(rgb: torch.Tensor) -> torch.Tensor:
    """The luma of pictures without colour: (B, 3, T, size, size) of 0-1 -> (B, T, size, size)."""
    torch.testing.assert_close(rgb[:, 0], rgb[:, 2], atol=1e-5, rtol=0)
    return rgb[:, 1] * 219 + 16


def test_colours_are_those_of_swscale() -> None:
    rows, columns = np.mgrid[0:64, 0:64] / 63
    rgb = np.stack([rows, columns, 1 - (rows + columns) / 2], axis=-1)
    rgb[:16, :16] = [1.0, 0, 0]
    rgb[16:32, :16] = [0, 1.0, 0]
    frame = av.VideoFrame.from_ndarray((rgb * 255).astype(np.uint8), format="rgb24")
    yuv = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
    expected = yuv.reformat(
        format="rgb24",
        src_colorspace="ITU601",
        src_color_range="MPEG",
        interpolation=int(
            Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        ),
    ).to_ndarray()
    packed = yuv.to_ndarray()
    planes = np.zeros((1, 1, 96, 64), np.uint8)
    planes[0, 0, :64] = packed[:64]
    planes[0, 0, 64:, :32] = packed[64:80].reshape(32, 32)
    planes[0, 0, 64:, 32:] = packed[80:].reshape(32, 32)
    pixels = video(batch_of(torch.from_numpy(planes), [[[0, 0, 64, 64]]]), 64)[0, :, 0]
    difference = np.abs(pixels.permute(1, 2, 0).numpy() * 255 - expected)
    assert np.median(difference) < 1.5
    assert np.quantile(difference, 0.9) < 4  # swscale repeats chroma samples, we interpolate
    plain_areas = difference[4:12, 4:12], difference[20:28, 4:12]
    assert max(part.max() for part in plain_areas) < 2.5


def test_primary_colours_exactly() -> None:
    # BT.601: white, black, and the codes of pure red, green and blue, rounded.
    yuv = torch.tensor([[235, 16, 81, 145, 41], [128, 128, 90, 54, 240], [128, 128, 240, 34, 110]])
    rgb = to_rgb(yuv.float()[None])[0]
    expected = torch.tensor([[1.0, 0, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 1]])
    torch.testing.assert_close(rgb, expected, atol=0.01, rtol=0)


def test_a_crop_of_the_output_size_is_a_slice() -> None:
    luma = random_planes()[:, :, :20]
    boxes = [[[3, 5, 12, 12]], [[8, 16, 12, 12]]]
    crops = luma_of(video(batch_of(grey_planes(luma), boxes, flips=[False, True]), 12))
    torch.testing.assert_close(crops[0], luma[0, :, 3:15, 5:17].float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        crops[1], luma[1, :, 8:20, 16:28].float().flip(-1), atol=1e-3, rtol=0
    )


def test_a_flip_is_a_flip_of_the_whole_picture() -> None:
    planes = random_planes()
    boxes = [[[1, 2, 15, 15]], [[0, 0, 20, 20]]]
    plain = video(batch_of(planes, boxes), 16)
    flipped = video(batch_of(planes, boxes, flips=[True, False]), 16)
    torch.testing.assert_close(flipped[0], plain[0].flip(-1))
    torch.testing.assert_close(flipped[1], plain[1])


@pytest.mark.parametrize("size", [8, 20, 40])
def test_whole_pictures_are_resized_as_torch_does(size: int) -> None:
    luma = random_planes(1, 2, 20, 20)[:, :, :20]
    resized = luma_of(video(batch_of(grey_planes(luma), [[[0, 0, 20, 20]]]), size))[0]
    expected = functional.interpolate(
        luma.float()[0][:, None], size=(size, size), mode="bilinear", antialias=True
    )[:, 0]
    torch.testing.assert_close(resized, expected, atol=2e-3, rtol=0)


def slow_taps(low, length, extent, count, step, first, flip, size):  # type: ignore[no-untyped-def]
    """One axis's weights, straight from their definition."""
    weights = np.zeros((size, count))
    for row in range(size):
        part = (row + 0.5) / size
        centre = low + (1 - part if flip else part) * length
        for column in range(count):
            place = first + step * column
            if place < extent:
                distance = abs(place - centre) / max(step, length / size)
                weights[row, column] = max(0.0, 1 - distance)
        weights[row] /= weights[row].sum()
    return weights


def slow_picture(planes, size, box, flip, out):  # type: ignore[no-untyped-def]
    """RGB of a frame's crop, plane by plane: chroma lies between two rows, level with a column."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    half = width // 2
    resized = []
    for plane, step, down in (
        (planes[:height], 1, 0.5),
        (planes[height:, :half], 2, 1.0),
        (planes[height:, half:], 2, 1.0),
    ):
        rows = slow_taps(box[0], box[2], size[0], plane.shape[0], step, down, False, out)
        columns = slow_taps(box[1], box[3], size[1], plane.shape[1], step, 0.5, flip, out)
        resized.append(rows @ plane @ columns.T)
    return to_rgb(torch.tensor(np.stack(resized))[None])[0]


@pytest.mark.parametrize("size", [8, 16])
def test_the_filter_is_its_definition(size: int) -> None:
    """Enlarged and reduced, flipped or not, within pictures that are padded or not."""
    planes = random_planes(4, 1, 24, 28)
    sizes = [[20, 20], [24, 28], [16, 20], [20, 28]]
    boxes = [[[0, 0, 20, 20]], [[3, 7, 11, 11]], [[7, 9, 9, 9]], [[6, 14, 14, 14]]]
    flips = [False, True, False, True]
    pictures = video(batch_of(planes, boxes, sizes, flips), size)
    for row in range(4):
        expected = slow_picture(
            planes[row, 0].double().numpy(), sizes[row], boxes[row][0], flips[row], size
        )
        np.testing.assert_allclose(pictures[row, :, 0].numpy(), expected.numpy(), atol=1e-5)


def test_an_item_does_not_depend_on_its_mates() -> None:
    small = random_planes(1, 2, 16, 20)
    alone = video(batch_of(small, [[[1, 3, 13, 13]]], jitter=[[1.2, 0.8, 1.3]]), 12)
    planes = torch.full((2, 2, 36, 32), 255, dtype=torch.uint8)  # padded to 24 x 32
    planes[0, :, :16, :20] = small[0, :, :16]
    planes[0, :, 24:32, :10] = small[0, :, 16:, :10]
    planes[0, :, 24:32, 16:26] = small[0, :, 16:, 10:]
    together = video(
        batch_of(
            planes,
            [[[1, 3, 13, 13]], [[0, 0, 24, 24]]],
            sizes=[[16, 20], [24, 32]],
            jitter=[[1.2, 0.8, 1.3], [1.0, 1.0, 1.0]],
        ),
        12,
    )
    torch.testing.assert_close(together[0], alone[0], atol=1e-6, rtol=0)


def test_parts_of_a_batch_are_computed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = random_planes(5, 2)
    batch = batch_of(planes, [[[k, k, 14, 14]] for k in range(5)])
    undivided = video(batch, 12)
    monkeypatch.setattr(pictures, "_CHUNK_VALUES", {"cpu": 2 * 3 * 2 * 12 * 12})
    torch.testing.assert_close(video(batch, 12), undivided, atol=1e-6, rtol=0)


def test_jitter_is_that_of_torchvision() -> None:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(4, 3, 1, 9, 7, generator=generator)
    factors = torch.tensor([[1.4, 1, 1], [1, 0.6, 1], [1, 1, 1.4], [0.8, 1.3, 0.6]])
    jittered = jitter_colours(rgb, factors)
    for item, factor, result in zip(rgb[:, :, 0], factors, jittered[:, :, 0], strict=True):
        brightness, contrast, saturation = factor.tolist()
        expected = vision.adjust_brightness(item, brightness)
        expected = vision.adjust_contrast(expected, contrast)
        expected = vision.adjust_saturation(expected, saturation)
        torch.testing.assert_close(result, expected, atol=2e-3, rtol=0)

"""All views of a batch: their order, their gain, and their independence of other items."""

import math

import pytest
import torch

from iicl.config import Clip
from iicl.data.pictures import MEAN, STD
from iicl.data.transforms import make_views
from iicl.samples import AUDIO, LABEL
from tests.iicl.data.raw_batches import CPU, add, batch_of, random_planes, video


def test_crops_of_a_clip_follow_each_other() -> None:
    planes = random_planes(2)
    crops = [[0, 0, 20, 20], [0, 4, 20, 20], [0, 8, 20, 20]]
    batch = batch_of(planes, [crops, crops])
    add(batch, AUDIO, sound=torch.ones(2, 32_000, dtype=torch.int16), gain=torch.ones(2))
    add(batch, LABEL, label=torch.eye(2))
    views = make_views(batch, Clip(num_frames=3, size=20), CPU)
    assert views["video"].shape == (6, 3, 3, 20, 20)
    for row in range(6):
        one = batch_of(planes[row // 3 : row // 3 + 1], [[crops[row % 3]]])
        torch.testing.assert_close(views["video"][row] * STD + MEAN, video(one, 20)[0])
    assert views["label"].argmax(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert views["audio"].shape == (6, 1, 40, 100)


def test_gain_scales_the_sound() -> None:
    batch = batch_of(random_planes(2), [[[0, 0, 20, 20]]] * 2)
    generator = torch.Generator().manual_seed(0)
    sound = torch.randint(-5000, 5000, (2, 32_000), dtype=torch.int16, generator=generator)
    add(batch, AUDIO, sound=sound, gain=torch.ones(2))
    plain = make_views(batch, Clip(), CPU)["audio"]
    batch.raw["audio"]["gain"] = torch.tensor([2.0, 1.0])
    louder = make_views(batch, Clip(), CPU)["audio"]
    torch.testing.assert_close(louder[0], plain[0] + math.log(4), atol=1e-2, rtol=0)
    assert torch.equal(louder[1], plain[1])


@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_views_of_a_chunk_do_not_depend_on_the_rest_of_the_batch(chunk_size: int) -> None:
    """To the bit: neither on its padding, nor on whether another item is jittered."""
    planes = random_planes(5, height=20, width=28)
    sizes = [[20, 28], [12, 16], [16, 12], [12, 12], [14, 22]]
    jitter = [[1.3, 0.8, 0.6], *[[1.0, 1.0, 1.0]] * 4]
    boxes = [[[0, 0, min(size), min(size)]] for size in sizes]
    batch = batch_of(planes, boxes, sizes, jitter=jitter)
    generator = torch.Generator().manual_seed(1)
    clip = Clip(num_frames=3, size=10)
    sound = torch.randint(-9000, 9000, (5, 32_000), dtype=torch.int16, generator=generator)
    add(batch, AUDIO, sound=sound, gain=torch.linspace(0.5, 1.5, 5))
    together = make_views(batch, clip, CPU, chunk_size)
    for start in range(0, 5, chunk_size):
        part = slice(start, start + chunk_size)
        height, width = (max(sides) for sides in zip(*sizes[part], strict=True))
        trimmed = torch.zeros(len(sizes[part]), 3, 3 * height // 2, width, dtype=torch.uint8)
        trimmed[:, :, :height] = planes[part, :, :height, :width]
        trimmed[:, :, height:, : width // 2] = planes[part, :, 20 : 20 + height // 2, : width // 2]
        trimmed[:, :, height:, width // 2 :] = planes[
            part, :, 20 : 20 + height // 2, 14 : 14 + width // 2
        ]
        alone = batch_of(trimmed, boxes[part], sizes[part], jitter=jitter[part])
        add(alone, AUDIO, **{key: rows[part] for key, rows in batch.raw["audio"].items()})
        for name, view in make_views(alone, clip, CPU).items():
            assert torch.equal(together[name][part], view), name
    for name, view in make_views(batch, clip, CPU).items():
        torch.testing.assert_close(together[name], view)

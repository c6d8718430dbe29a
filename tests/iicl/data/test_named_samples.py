"""What the loader makes of each kind of sample, against frames and sounds read by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.draws import Contents, Drawing, has_room
from iicl.data.loader import RawBatch, make_loader
from iicl.data.sampling import Batching, partners
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.samples import AUDIO, INDEX, LABEL, SOURCE, VIDEO, Sample

CLIP = Clip(num_frames=4, fps=8.0, size=16, audio_seconds=0.5, spectrogram_frames=50)
HOW = Batching("random", batch_size=5, seed=3, num_clips=2, epochs=range(2))
CPU = torch.device("cpu")
OTHER = Sample("video:other", item="other")
PAIRED = Sample("audio:other", item="other", time="with", of="video")


@pytest.fixture
def generated(corpora: dict[str, Path]) -> PreparedCorpus:
    """A corpus of items of several seconds, of several groups."""
    return PreparedCorpus.open(corpora["ucf101"])


@pytest.fixture
def positions(generated: PreparedCorpus) -> list[int]:
    """Items with sound, in no order."""
    both = generated.select(["video", "audio"])
    return [both[k] for k in (7, 3, 12, 0, 9, 5, 14, 1)]


def read(
    corpus: PreparedCorpus, positions: list[int], *samples: Sample, **contents: Any
) -> list[RawBatch]:
    """All batches of both epochs."""
    what = Contents(CLIP, samples, **({"augmentation": Augmentation()} | contents))
    return list(make_loader(corpus, positions, what, HOW))


def frames_by_hand(
    corpus: PreparedCorpus, position: int, start: float, num_frames: int, stride: int
) -> np.ndarray:
    """(T, 3H/2, W) of the frames nearest to the times asked for."""
    item = corpus.manifest.items[position]
    times = start + stride * np.arange(num_frames) / CLIP.fps
    distances = np.abs(times[:, None] - np.arange(item.num_frames) / item.fps)
    out = np.zeros((num_frames, 3 * item.height // 2, item.width), np.uint8)
    # Of two frames that are equally near, the later one.
    numbers = item.num_frames - 1 - distances[:, ::-1].argmin(1)
    corpus.read_video(position, numbers.tolist(), out)
    return out


@pytest.mark.parametrize(
    "sample",
    [
        Sample("video:1"),
        Sample("video:fast", time="with", of="video", stride=2),
        Sample("video:long", num_frames=7),
        Sample("video:far", time="apart", of="video"),
    ],
    ids=lambda sample: sample.name,
)
def test_frames_are_those_of_the_time_that_is_drawn(
    generated: PreparedCorpus, positions: list[int], sample: Sample
) -> None:
    differs = False
    for number, batch in enumerate(read(generated, positions, VIDEO, sample)):
        contents = Contents(CLIP, batch.samples, Augmentation())
        for row, (position, clip_index) in enumerate(
            zip(batch.positions.tolist(), batch.clip_index.tolist(), strict=True)
        ):
            item = generated.manifest.items[position]
            drawing = Drawing(contents, HOW, number // 4, clip_index)
            for one in (VIDEO, sample):
                start = drawing.start_seconds(one, item)
                expected = frames_by_hand(
                    generated, position, start, one.num_frames or 4, one.stride
                )
                got = batch.raw[one.name]["frames"][row].numpy()
                np.testing.assert_array_equal(
                    got[:, : item.height, : item.width][:, :8], expected[:, :8]
                )
            differs |= not torch.equal(
                batch.raw["video"]["frames"][row, :4], batch.raw[sample.name]["frames"][row, :4]
            )
    assert differs


def test_other_items_are_those_of_one_cycle_an_epoch(
    generated: PreparedCorpus, positions: list[int]
) -> None:
    """Each of their own name; sound "with" the video is where the other's own video has it."""
    late = Sample("audio:late", time="apart", of="audio:other")
    batches = read(generated, positions, VIDEO, AUDIO, OTHER, PAIRED, late)
    sounds, frames = {}, {}
    for number, batch in enumerate(batches):
        for row, (position, k) in enumerate(
            zip(batch.positions.tolist(), batch.clip_index.tolist(), strict=True)
        ):
            raw = {
                name: {key: t[row] for key, t in made.items()} for name, made in batch.raw.items()
            }
            sounds[number // 4, position, k] = raw["audio"]
            frames[number // 4, position, k] = raw
    for (epoch, position, k), raw in frames.items():
        own = positions.index(position)
        sound_of, video_of = (
            positions[partners(8, 3, epoch, name)[own]] for name in ("audio:other", "video:other")
        )
        assert position not in (sound_of, video_of)
        expected = sounds[epoch, sound_of, k]
        assert torch.equal(raw["audio:other"]["sound"], expected["sound"])
        drawing = Drawing(Contents(CLIP, batches[0].samples, Augmentation()), HOW, epoch, k)
        item = generated.manifest.items[video_of]
        start = drawing.start_seconds(OTHER, item)
        expected_frames = frames_by_hand(generated, video_of, start, 4, 1)
        got = raw["video:other"]["frames"].numpy()[:, :8, : item.width]
        np.testing.assert_array_equal(got, expected_frames[:, :8])
        heard = generated.manifest.items[sound_of]
        first = round(drawing.start_seconds(late, heard) * 16_000)
        window = generated.read_audio(sound_of, min(first, heard.num_samples - 8000), 8000)
        np.testing.assert_array_equal(raw["audio:late"]["sound"].numpy(), window)


def test_a_size_of_its_own_is_the_size_of_a_clip_of_that_size(
    generated: PreparedCorpus, positions: list[int]
) -> None:
    small = Sample("video:small", time="with", of="video", size=10, augmentation_of="video")
    for batch in read(generated, positions, VIDEO, small):
        made = make_views(batch, CLIP, CPU)
        assert made["video"].shape[1:] == (3, 4, 16, 16)
        assert made["video:small"].shape[1:] == (3, 4, 10, 10)
        as_clip = make_views(batch, CLIP.model_copy(update={"size": 10}), CPU)
        assert torch.equal(made["video:small"], as_clip["video"])


def test_a_shared_augmentation_at_the_same_time_is_the_same_picture(
    generated: PreparedCorpus, positions: list[int]
) -> None:
    same = Sample("video:same", time="with", of="video", augmentation_of="video")
    own = replace(same, name="video:own", augmentation_of=None)
    for batch in read(generated, positions, VIDEO, same, own):
        made = make_views(batch, CLIP, CPU)
        assert torch.equal(made["video"], made["video:same"])
        assert torch.equal(batch.raw["video"]["frames"], batch.raw["video:own"]["frames"])
        assert not torch.equal(made["video"], made["video:own"])
    for batch in read(generated, positions, VIDEO, same, own, augmentation=NO_AUGMENTATION):
        made = make_views(batch, CLIP, CPU)
        assert torch.equal(made["video"], made["video:own"])


def test_a_shared_augmentation_of_another_item_is_drawn_once(
    generated: PreparedCorpus, positions: list[int]
) -> None:
    shared = replace(OTHER, augmentation_of="video")
    for batch in read(generated, positions, VIDEO, shared):
        for key in ("flips", "jitter"):
            assert torch.equal(batch.raw["video"][key], batch.raw["video:other"][key])


def test_the_index_is_the_place_in_the_list_and_the_source_the_group(
    generated: PreparedCorpus, positions: list[int]
) -> None:
    items = generated.manifest.items
    groups = sorted({items[position].group for position in positions})
    assert 1 < len(groups) < len({item.group for item in items})
    for batch in read(generated, positions, INDEX, SOURCE, VIDEO, LABEL):
        made = make_views(batch, CLIP, CPU)
        assert made["index"].dtype == made["source"].dtype == torch.int64
        for row, position in enumerate(batch.positions.tolist()):
            assert positions[made["index"][row]] == position
            assert groups[made["source"][row]] == items[position].group


@pytest.mark.parametrize(
    "far",
    [
        Sample("video:far", time="apart", of="video", num_frames=8),  # 1 s of 3 s
        Sample("video:far", stride=3, num_frames=8, whole=True),
    ],
    ids=["apart", "whole"],
)
def test_items_that_are_too_short_are_named(generated: PreparedCorpus, far: Sample) -> None:
    """The loader leaves none out: the caller selects items by ``has_room``."""
    both = generated.select(["video", "audio"])
    items = list(generated.manifest.items)
    short = [both[2], both[5]]
    for position in short:
        items[position] = replace(items[position], num_frames=items[position].num_frames - 1)
    generated = PreparedCorpus(generated.path, replace(generated.manifest, items=items))
    room = [position for position in both if has_room(items[position], (VIDEO, far), CLIP)]
    assert room == [position for position in both if position not in short]
    contents = Contents(CLIP, (VIDEO, far))
    message = rf"2 items are too short for video:far, .*; the first is {items[short[0]].id}"
    with pytest.raises(ValueError, match=message):
        make_loader(generated, both, contents, HOW)
    assert list(make_loader(generated, room, contents, replace(HOW, epochs=range(1))))


@pytest.mark.parametrize("how", [HOW, Batching("uniform", 1)])
def test_other_items_need_two(
    generated: PreparedCorpus, positions: list[int], how: Batching
) -> None:
    contents = Contents(CLIP, (VIDEO, OTHER))
    with pytest.raises(ValueError, match=r"video:other of other items needs 2 .* got 1"):
        make_loader(generated, positions[:1], contents, how)

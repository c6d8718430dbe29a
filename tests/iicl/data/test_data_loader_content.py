"""What a batch holds of each item: frames, sounds, labels and drawn augmentations."""

import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.constants import VERIFY_EPOCHS
from iicl.data.draws import uniform_boxes
from iicl.data.sampling import partners
from iicl.data.store import PreparedCorpus
from iicl.samples import AUDIO, VIDEO, Sample
from iicl.views.video import frame_numbers
from tests.iicl.data.loaded_batches import CLIP, load


def test_shuffled_pairs_are_videos_with_the_sounds_of_other_videos(corpus: PreparedCorpus) -> None:
    positions = corpus.select(["video", "audio"])
    options = {"num_clips": 2, "epochs": range(3)}
    own_pairs, shuffled_pairs = (load(corpus, pairing=p, **options) for p in ("own", "shuffled"))
    for own_batch, batch in zip(own_pairs, shuffled_pairs, strict=True):
        for name in ("video", "label"):
            for key in own_batch.raw[name]:
                assert torch.equal(own_batch.raw[name][key], batch.raw[name][key]), key
        for key in ("positions", "clip_index"):
            assert torch.equal(getattr(own_batch, key), getattr(batch, key)), key
    own_sounds = {  # of each epoch, item and clip
        (step // 4, int(p), int(k)): (audio, gain)
        for step, batch in enumerate(own_pairs)
        for p, k, audio, gain in zip(
            batch.positions, batch.clip_index, *batch.raw["audio"].values(), strict=True
        )
    }
    for step, batch in enumerate(shuffled_pairs):
        partner_of = partners(len(positions), 3, step // 4, "audio")
        for row, (p, k) in enumerate(zip(batch.positions, batch.clip_index, strict=True)):
            other = positions[partner_of[positions.index(int(p))]]
            audio, gain = own_sounds[step // 4, other, int(k)]
            assert torch.equal(batch.raw["audio"]["sound"][row], audio)
            assert batch.raw["audio"]["gain"][row] == gain


def test_uniform_clips_span_the_item_in_order(corpus: PreparedCorpus) -> None:
    positions = corpus.select(["video", "audio"])[:2]
    batches = load(corpus, positions=positions, sampling="uniform", num_clips=3, epochs=range(1))
    order = [
        (int(p), int(k)) for b in batches for p, k in zip(b.positions, b.clip_index, strict=True)
    ]
    assert order == [(p, k) for p in positions for k in range(3)]
    videos = torch.cat([b.raw["video"]["frames"][:, :, :48] for b in batches])
    item = corpus.manifest.items[positions[0]]
    last = item.num_frames / item.fps - CLIP.seconds
    for k, start in enumerate((0, last / 2, last)):
        numbers = frame_numbers(item, start, VIDEO, CLIP)
        expected = np.zeros((8, 3 * item.height // 2, item.width), np.uint8)
        corpus.read_video(positions[0], numbers, expected)
        rows = item.height
        np.testing.assert_array_equal(videos[k, :, :rows, : item.width].numpy(), expected[:, :rows])
    middle = load(corpus, positions=positions[:1], sampling="uniform", epochs=range(1))[0]
    np.testing.assert_array_equal(
        middle.raw["audio"]["sound"][0], batches[0].raw["audio"]["sound"][1]
    )


def test_sound_is_centred_on_the_clip_and_kept_inside(corpus: PreparedCorpus) -> None:
    position = corpus.select(["video", "audio"])[0]  # 2.4 s
    clip = CLIP.model_copy(update={"num_frames": 4})  # 0.5 s, its sound 1 s
    starts = {0: 0.0, 1: 0.95 - 0.25, 2: 1.4}  # of the sound: clamped, centred, clamped
    batch = load(
        corpus, positions=[position], clip=clip, sampling="uniform", num_clips=3, epochs=range(1)
    )[0]
    for k, start in starts.items():
        expected = corpus.read_audio(position, round(start * 16_000), 16_000)
        np.testing.assert_array_equal(batch.raw["audio"]["sound"][k], expected)
    with_start = clip.model_copy(update={"alignment": "start"})
    batch = load(
        corpus,
        positions=[position],
        clip=with_start,
        sampling="uniform",
        num_clips=3,
        epochs=range(1),
    )[0]
    expected = corpus.read_audio(position, round(0.95 * 16_000), 16_000)
    np.testing.assert_array_equal(batch.raw["audio"]["sound"][1], expected)


def test_short_sound_ends_in_zeros(corpus: PreparedCorpus) -> None:
    position = [i.id for i in corpus.manifest.items].index("c/5.mkv")  # 0.4 s
    audio = load(corpus, positions=[position], epochs=range(1))[0].raw["audio"]["sound"][0]
    expected = corpus.read_audio(position, 0, corpus.manifest.items[position].num_samples)
    np.testing.assert_array_equal(audio[: len(expected)], expected)
    assert len(expected) >= 6400
    assert not audio[len(expected) :].any()


def test_silent_items_are_refused_or_zero(corpus: PreparedCorpus) -> None:
    silent = [i.id for i in corpus.manifest.items].index("a/2.mkv")
    with pytest.raises(ValueError, match=r"1 items lack.*a/2.mkv \(no audio stream\)"):
        load(corpus, positions=[0, silent])
    batch = load(corpus, positions=[silent], silent="zero", epochs=range(1))[0]
    assert batch.raw["video"]["frames"].any()
    assert not batch.raw["audio"]["sound"].any()


def test_augmentation_stays_in_its_ranges(corpus: PreparedCorpus) -> None:
    augmentation = Augmentation(
        crop_fraction=(0.5, 0.9),
        flip_probability=0.3,
        colour_jitter=0.2,
        colour_jitter_probability=0.5,
        volume=0.4,
    )
    batches = load(
        corpus,
        positions=corpus.select(["video"]),
        samples=(VIDEO, AUDIO),
        silent="zero",
        augmentation=augmentation,
        epochs=range(30),
        clip=CLIP.model_copy(update={"num_frames": 1}),
    )
    boxes, sizes, flips, jitter = (
        torch.cat([b.raw["video"][name] for b in batches])
        for name in ("boxes", "sizes", "flips", "jitter")
    )
    gain = torch.cat([b.raw["audio"]["gain"] for b in batches])
    box, short = boxes[:, 0], sizes.min(dim=1).values
    assert (box[:, 2] == box[:, 3]).all()
    assert (box[:, :2] >= 0).all()
    assert (box[:, :2] + box[:, 2:] <= sizes).all()
    fraction = box[:, 2] / short
    assert 0.48 < fraction.min() < 0.56
    assert 0.84 < fraction.max() < 0.92
    assert 0.2 < flips.float().mean() < 0.4
    plain = (jitter == 1).all(dim=1)
    assert 0.35 < plain.float().mean() < 0.65
    assert 0.8 <= jitter.min() < 0.84
    assert 1.16 < jitter.max() <= 1.2
    assert 0.6 <= gain.min() < 0.65
    assert 1.35 < gain.max() <= 1.4
    still = load(corpus, augmentation=NO_AUGMENTATION)[0]
    pictures = still.raw["video"]
    assert (pictures["jitter"] == 1).all()
    assert (still.raw["audio"]["gain"] == 1).all()
    assert not pictures["flips"].any()
    for box, size in zip(pictures["boxes"], pictures["sizes"], strict=True):
        np.testing.assert_array_equal(box, uniform_boxes(int(size[0]), int(size[1]), 1))


def test_labels_are_distributions_over_the_classes(corpus: PreparedCorpus) -> None:
    assert corpus.manifest.classes == ["a", "b", "c"]
    for batch in load(corpus):
        for row, position in zip(batch.raw["label"]["label"], batch.positions, strict=True):
            label = corpus.manifest.items[position].labels[0]
            assert row.tolist() == [float(name == label) for name in "abc"]
    items = list(corpus.manifest.items)
    items[0] = dataclasses.replace(items[0], labels=("a", "c"))
    double = PreparedCorpus(corpus.path, dataclasses.replace(corpus.manifest, items=items))
    row = load(double, positions=[0], epochs=range(1))[0].raw["label"]["label"][0]
    assert row.tolist() == [0.5, 0, 0.5]


def test_mistakes_are_errors(corpus: PreparedCorpus) -> None:
    for options, message in (
        ({"positions": []}, "nothing to read"),
        ({"clip": Clip(sample_rate=8000)}, "16000 Hz, the clip asks 8000"),
        ({"num_crops": 2}, "num_crops must be 1 or 3, got 2"),
        ({"samples": (Sample("smell"),)}, "no view named 'smell'"),
        ({"samples": (AUDIO, VIDEO)}, "'audio': of must name an earlier sample"),
    ):
        with pytest.raises(ValueError, match=message):
            load(corpus, **options)
    with pytest.raises(ValueError, match="audio of other items needs 2 items or more, got 1"):
        load(corpus, pairing="shuffled", positions=[0])
    with pytest.raises(ValueError, match="takes no augmentation"):
        load(corpus, sampling="uniform", augmentation=Augmentation())


@pytest.mark.parametrize("sampling", ["random", "uniform"])
def test_a_changed_byte_ends_the_reading(
    corpus: PreparedCorpus, tmp_path: Path, sampling: str
) -> None:
    shutil.copytree(corpus.path, tmp_path / "copy")
    damaged = PreparedCorpus.open(tmp_path / "copy")
    positions = damaged.select(["video", "audio"])
    item = damaged.manifest.items[positions[1]]
    (shard,) = (tmp_path / "copy").glob("*/00000.bin")
    content = bytearray(shard.read_bytes())
    content[item.offset + item.num_bytes - 1] ^= 1  # of the sound: everything still decodes
    shard.write_bytes(content)
    epochs = range(5, 5 + VERIFY_EPOCHS) if sampling == "random" else range(1)
    options = {"sampling": sampling, "samples": (AUDIO,), "batch_size": 2, "epochs": epochs}
    undamaged = [position for position in positions if position != positions[1]]
    assert load(damaged, positions=undamaged, **options)
    with pytest.raises(ValueError, match=r"a/1\.mkv differs from its digest"):
        load(damaged, positions=positions, **options)


def test_sizes_of_frames_may_differ_in_a_batch(corpus: PreparedCorpus) -> None:
    batch = load(corpus, positions=[0, 1, 4], samples=(VIDEO,), epochs=range(1))[0]
    counts = Counter(tuple(size) for size in batch.raw["video"]["sizes"].tolist())
    assert counts == {(32, 42): 1, (32, 54): 1, (42, 32): 1}
    assert batch.raw["video"]["frames"].shape == (3, 8, 63, 54)

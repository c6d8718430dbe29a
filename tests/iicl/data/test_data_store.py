import dataclasses
import os
import pickle
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.data.store import PreparedCorpus


def decode_in_order(corpus: PreparedCorpus, position: int) -> list[np.ndarray]:
    """All frames of an item as packed planes, decoded from the first to the last."""
    item = corpus.manifest.items[position]
    content = (corpus.path / corpus.manifest.data / f"{item.shard:05d}.bin").read_bytes()
    content = content[item.offset : item.offset + item.num_video_bytes]
    sizes = np.frombuffer(content[: 4 * item.num_frames], "<u4")
    codec = av.CodecContext.create("h264", "r")
    frames, offset = [], 4 * item.num_frames
    for size in sizes:
        frames += codec.decode(av.Packet(content[offset : offset + size]))
        offset += size
    frames += codec.decode(None)
    assert offset == len(content)
    return [frame.to_ndarray(format="yuv420p") for frame in frames]


def packed(out: np.ndarray, height: int, width: int) -> np.ndarray:
    """One frame of ``read_video`` in the order of FFmpeg's yuv420p."""
    rows, half = 2 * out.shape[0] // 3, out.shape[1] // 2
    luma = out[:height, :width]
    u = out[rows : rows + height // 2, : width // 2]
    v = out[rows : rows + height // 2, half : half + width // 2]
    return np.concatenate([plane.ravel() for plane in (luma, u, v)])


@pytest.mark.parametrize(
    "frames", [[0], [7, 8], [21, 3, 3, 39], list(range(5, 37)), [30, 14, 30, 0], [39]]
)
def test_random_access_gives_the_frames_of_a_whole_decoding(
    corpus: PreparedCorpus, frames: list[int]
) -> None:
    position = corpus.select(["video"])[1]
    item = corpus.manifest.items[position]
    assert item.num_frames == 40
    whole = decode_in_order(corpus, position)
    for padding in (0, 6):
        out = np.full(
            (len(frames), 3 * (item.height + padding) // 2, item.width + padding), 7, np.uint8
        )
        corpus.read_video(position, frames, out)
        for number, got in zip(frames, out, strict=True):
            np.testing.assert_array_equal(
                packed(got, item.height, item.width), whole[number].ravel()
            )
            assert (got[: item.height, item.width :] == 7).all()


def test_sound_is_read_and_filled_up_with_zeros(corpus: PreparedCorpus) -> None:
    position = corpus.select(["audio"])[0]
    item = corpus.manifest.items[position]
    whole = corpus.read_audio(position, 0, item.num_samples)
    assert len(whole) == item.num_samples
    assert np.abs(whole).max() > 5000
    np.testing.assert_array_equal(corpus.read_audio(position, 100, 50), whole[100:150])
    around = corpus.read_audio(position, -10, item.num_samples + 30)
    np.testing.assert_array_equal(around, np.pad(whole, (10, 20)))
    assert not corpus.read_audio(position, item.num_samples + 5, 10).any()


def test_select_by_view_and_split(corpus: PreparedCorpus) -> None:
    names = [item.id for item in corpus.manifest.items]
    silent = names.index("a/2.mkv")
    assert corpus.select(["video"]) == list(range(7))
    assert corpus.select(["video", "audio"]) == [p for p in range(7) if p != silent]
    assert corpus.select(["video", "label"], "train", 1) == list(range(7))
    assert corpus.select(["video"], "test", 1) == []
    for arguments, message in (
        ((["flow"],), "no view 'flow'"),
        ((["video"], "val", 1), "no split 'val'"),
        ((["video"], "train", 2), "no fold of small '2'"),
    ):
        with pytest.raises(ValueError, match=message):
            corpus.select(*arguments)


def test_a_corpus_can_be_sent_to_another_process(corpus: PreparedCorpus) -> None:
    item = corpus.manifest.items[0]
    first, second = (np.zeros((1, 3 * item.height // 2, item.width), np.uint8) for _ in range(2))
    corpus.read_video(0, [3], first)
    pickle.loads(pickle.dumps(corpus)).read_video(0, [3], second)
    np.testing.assert_array_equal(first, second)


def test_damage_is_an_error(corpus: PreparedCorpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no prepared corpus"):
        PreparedCorpus.open(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(corpus.path, copy)
    shard = copy / corpus.manifest.data / "00000.bin"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="cut short"):
        PreparedCorpus.open(copy)
    shard.write_bytes(content[:400] + bytes(3000) + content[3400:])
    damaged = PreparedCorpus.open(copy)
    item = damaged.manifest.items[0]
    out = np.zeros((item.num_frames, 3 * item.height // 2, item.width), np.uint8)
    with pytest.raises(ValueError, match=r"a/0\.mkv"):
        damaged.read_video(0, range(item.num_frames), out)
    changed = bytearray(content)
    changed[item.offset + item.num_bytes - 1] ^= 1
    shard.write_bytes(changed)
    with pytest.raises(ValueError, match=r"a/0\.mkv differs.*iicl prepare --verify"):
        damaged.verify(0)
    for position in range(1, len(damaged.manifest.items)):
        damaged.verify(position)
    shard.unlink()
    with pytest.raises(ValueError, match="missing"):
        PreparedCorpus.open(copy)


@pytest.mark.parametrize("kind", ["pipe", "folder", "text", "nested"])
def test_what_stands_in_the_place_of_a_manifest_is_damage(
    corpus: PreparedCorpus, tmp_path: Path, kind: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus.path, copy)
    manifest = copy / "manifest.jsonl"
    manifest.unlink()
    if kind == "pipe":
        os.mkfifo(manifest)
    elif kind == "folder":
        manifest.mkdir()
    else:
        manifest.write_text("\u00e9" if kind == "text" else "[" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"manifest\.jsonl is damaged: ") as raised:
        PreparedCorpus.open(copy)
    assert len(str(raised.value)) < 400


def test_items_with_sound_are_those_that_have_a_picture_too(corpus: PreparedCorpus) -> None:
    both, one = corpus.manifest.items[0], corpus.manifest.items[1]
    splits = {"1": "train"}
    items = [
        dataclasses.replace(both, splits=splits, views=("video", "audio")),
        dataclasses.replace(one, splits=splits, views=("audio",)),
    ]
    counts = dataclasses.replace(corpus.manifest, items=items).header()["counts"]
    assert counts == {"all": 2, "1/train": 2, "1/train/with_sound": 1}

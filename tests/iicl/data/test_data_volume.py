"""Bytes of prepared items and of what is read of them, against the store and the loader."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iicl.config import Augmentation, Clip, Preparation
from iicl.constants import VERIFY_EPOCHS
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.prepare import prepare
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.synthetic import media
from iicl.data.volume import clip_reading, item_bytes
from iicl.samples import AUDIO, INDEX, VIDEO
from tests.iicl.priced import FAST

RATE = 41_000.0  # bytes of a second of video


def test_an_item_takes_its_video_and_its_sound() -> None:
    assert item_bytes({"video": 10, "audio": 5}, RATE) == 410_000 + 160_000
    assert item_bytes({"audio": 30}, RATE) == 960_000


def test_each_sample_reads_for_itself() -> None:
    seconds = {"video": 10.0, "audio": 10.0}
    check = item_bytes(seconds, RATE) / 64
    index, to_key_frame, sound = 4 * 10 * 30, 3.5 / 30, 2 * 2 * 16_000
    fast = clip_reading([FAST], Clip(), seconds, RATE)  # 16 frames, two apart, at 30 a second
    assert fast.num_bytes == pytest.approx(check + (32 / 30 + to_key_frame) * RATE + index)
    assert fast.num_reads == 2 + 1 / 64
    both = clip_reading([VIDEO, FAST, AUDIO, INDEX], Clip(), seconds, RATE)
    plain = (32 / 30 + to_key_frame) * RATE + index
    assert both.num_bytes == pytest.approx(fast.num_bytes + plain + sound)
    assert both.num_reads == 2 + 2 + 1 + 1 / 64


def test_a_clip_reads_what_the_loader_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    for name in range(2):
        planes = draw.integers(0, 255, (300, 48, 32), np.uint8)
        samples = draw.integers(-999, 999, 160_000).astype(np.int16)
        media.write(tmp_path / "clips" / f"{name}.mp4", media.Media(planes, samples, 30, 16_000))
    manifest = prepare(
        "folder",
        tmp_path / "clips",
        tmp_path / "out",
        corpus="x",
        preparation=Preparation(short_side=32),
        num_workers=1,
    )
    rate = sum(item.num_video_bytes for item in manifest.items) / 20  # seconds
    read: list[int] = []

    def counted(self: PreparedCorpus, handle: int, item: Any, start: int, length: int) -> bytes:
        read.append(length)
        return really(self, handle, item, start, length)

    really = PreparedCorpus._read
    monkeypatch.setattr(PreparedCorpus, "_read", counted)
    corpus = PreparedCorpus.open(tmp_path / "out")
    batches = make_loader(
        corpus,
        corpus.select(["video", "audio"]),
        Contents(Clip(size=32), (VIDEO, AUDIO), Augmentation()),
        Batching("random", batch_size=2, epochs=range(2 * VERIFY_EPOCHS)),
    )
    clips = sum(len(batch) for batch in batches)
    expected = clip_reading([VIDEO, AUDIO], Clip(), {"video": 10, "audio": 10}, rate)
    assert len(read) / clips == expected.num_reads
    assert sum(read) / clips == pytest.approx(expected.num_bytes, rel=0.02)

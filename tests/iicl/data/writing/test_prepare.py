"""A source is prepared once, and again where it has changed."""

import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from iicl.config import Clip, Preparation
from iicl.data import prepare as module
from iicl.data.log_mel import log_mel
from iicl.data.manifest import Manifest, read_header
from iicl.data.store import PreparedCorpus
from iicl.data.writing.plan import ITEMS_PER_SHARD
from tests.iicl.data.writing.small_corpus import (
    ROOT,
    run,
)


def test_everything_is_listed_with_its_reason(source: Path, prepared: Path) -> None:
    manifest = Manifest.read(prepared)
    assert len(manifest.items) == sum(not path.is_dir() for path in source.rglob("*"))
    troubled = {item.id: (item.views, item.reason) for item in manifest.items if item.reason}
    assert troubled.keys() == {
        "b/silent [1];#!&.mkv",
        "b/sound ünï.wav",
        "b/empty.mp4",
        "b/text.mp4",
        "b/broken.mp4",
    }
    assert troubled["b/silent [1];#!&.mkv"] == (("video",), "no audio stream")
    assert troubled["b/sound ünï.wav"] == (("audio",), "no video stream")
    assert troubled["b/empty.mp4"] == ((), "empty file")
    assert troubled["b/broken.mp4"] == ((), "the link leads to no file: No such file or directory")
    assert troubled["b/text.mp4"][0] == ()
    assert "not readable as media" in troubled["b/text.mp4"][1]
    header = read_header(prepared)
    assert header is not None
    assert header["num_items"] - header["num_usable"] == 3
    assert header["hash"] == manifest.hash


def test_a_second_run_decodes_nothing(
    source: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_prepare_shards", None)
    before = (prepared / "manifest.jsonl").stat().st_mtime_ns
    assert run(source, prepared).hash == Manifest.read(prepared).hash
    assert (prepared / "manifest.jsonl").stat().st_mtime_ns == before


def test_a_changed_source_is_prepared_beside_the_old(
    write_clip: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    old = run(tmp_path / "source", tmp_path / "out")
    reader = PreparedCorpus.open(tmp_path / "out")
    write_clip(tmp_path / "source" / "a" / "y.mkv", seconds=0.4)
    with caplog.at_level(logging.WARNING):
        new = run(tmp_path / "source", tmp_path / "out")
    assert "changed" in caplog.text
    assert (len(old.items), len(new.items)) == (1, 2)
    assert old.hash != new.hash
    assert old.data != new.data
    assert reader.read_audio(0, 0, 100).any()
    other = run(tmp_path / "source", tmp_path / "out", preparation=Preparation(short_side=16))
    assert other.hash != new.hash


def test_kill_and_resume_gives_the_same_manifest(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    code = f"""
import os, signal
from pathlib import Path
from iicl.config import Preparation
from iicl.data.prepare import prepare

def progress(done, total):
    if done == {ITEMS_PER_SHARD} + 30:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    prepare("folder", Path({str(source)!r}), Path({str(tmp_path / "out")!r}), corpus="small",
            preparation=Preparation(short_side=32), num_workers=1, progress=progress)
"""
    script = tmp_path / "killed.py"
    script.write_text(code)
    killed = subprocess.run(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert read_header(tmp_path / "out") is None
    shards = list((tmp_path / "out").glob("*/00000.bin"))
    assert len(shards) == 1
    stamp = shards[0].stat().st_mtime_ns
    calls: list[int] = []
    manifest = run(source, tmp_path / "out", progress=lambda done, total: calls.append(done))
    assert shards[0].stat().st_mtime_ns == stamp
    assert calls == sorted(calls)
    assert calls[-1] == len(manifest.items)
    assert manifest.hash == Manifest.read(prepared).hash


def test_the_number_of_workers_changes_nothing(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    assert run(source, tmp_path / "out", num_workers=2) == Manifest.read(prepared)


def test_a_corpus_with_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.mp4").touch()
    with pytest.raises(ValueError, match=r"nothing usable among the 1 items.*empty file"):
        run(tmp_path / "source", tmp_path / "out")
    assert read_header(tmp_path / "out") is None


def test_a_file_that_can_be_read_at_last_is_a_changed_source(
    write_clip: Callable, tmp_path: Path
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    (tmp_path / "source" / "a" / "y.mkv").symlink_to(tmp_path / "later.mkv")
    before = run(tmp_path / "source", tmp_path / "out")
    assert [bool(item.views) for item in before.items] == [True, False]
    write_clip(tmp_path / "later.mkv", seconds=0.4)
    after = run(tmp_path / "source", tmp_path / "out")
    assert [bool(item.views) for item in after.items] == [True, True]


def test_log_mel_statistics_are_those_of_the_sound(prepared: Path) -> None:
    corpus = PreparedCorpus.open(prepared)
    windows = [corpus.read_audio(position, 0, 32_000) for position in corpus.select(["audio"])]
    values = log_mel(torch.from_numpy(np.stack(windows)), Clip()).double()
    assert corpus.manifest.log_mel_mean == pytest.approx(values.mean().item(), abs=1e-5)
    assert corpus.manifest.log_mel_std == pytest.approx(values.std().item(), abs=1e-5)


def test_a_full_disk_is_a_clear_error_and_keeps_the_last_state(
    write_clip: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    out = tmp_path / "out"
    old = run(tmp_path / "source", out)
    write_clip(tmp_path / "source" / "a" / "y.mkv", seconds=0.4)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # of the manifest: the shards' is in another process
    with pytest.raises(OSError, match="disk is full while preparing"):
        run(tmp_path / "source", out)
    monkeypatch.undo()
    assert Manifest.read(out) == old
    assert not list(out.rglob("*.tmp"))


REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[4] / ".." / "shared" / "data"))


def test_every_real_file_is_prepared_or_listed_with_a_reason(tmp_path: Path) -> None:
    if not (REAL / "loader_clips").is_dir():
        pytest.skip(f"no real data at {REAL}")
    manifest = run(REAL / "loader_clips", tmp_path / "out", num_workers=2)
    assert len(manifest.items) == len(list((REAL / "loader_clips").iterdir()))
    unusable = [item for item in manifest.items if not item.views]
    assert [item.id for item in unusable] == ["README.torchvision"]
    assert all(item.reason for item in manifest.items if len(item.views) < 2)
    reasons = {item.id: item.reason for item in manifest.items}
    assert "decoding fails for 1 of 50 video packets" in reasons["corrupted.mp4"]
    corpus = PreparedCorpus.open(tmp_path / "out")
    for position, item in enumerate(manifest.items):
        if "video" in item.views:
            assert min(item.height, item.width) == 32
            assert item.num_frames > 8
            out = np.zeros((1, 3 * item.height // 2, item.width), np.uint8)
            corpus.read_video(position, [item.num_frames - 1], out)
            assert out.std() > 1

"""A source of tiny clips, and a corpus prepared from it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.data.writing.plan import ITEMS_PER_SHARD
from tests.iicl.data.writing.small_corpus import (
    run,
)


@pytest.fixture(scope="session")
def source(write_clip: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of tiny clips, and one of each kind of trouble."""
    root = tmp_path_factory.mktemp("source")
    first = write_clip(root / "a" / "0000.mkv", seconds=0.4)
    (root / "b").mkdir()
    for number in range(1, 2 * ITEMS_PER_SHARD + 4):
        shutil.copy(first, root / "ab"[number % 2] / f"{number:04d}.mkv")
    write_clip(root / "b" / "silent [1];#!&.mkv", seconds=0.4, rate=None)
    write_clip(root / "b" / "sound ünï.wav", seconds=0.4, video=False)
    (root / "b" / "empty.mp4").touch()
    (root / "b" / "text.mp4").write_text("no clip\n" * 50)
    (root / "b" / "broken.mp4").symlink_to("nowhere")
    shutil.copy(first, root / "b" / "two\nlines.mkv")
    shutil.copy(first, root / "b" / os.fsdecode(b"not utf-8 \xff\xfe.mkv"))
    return root


@pytest.fixture(scope="session")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "corpus"
    run(source, out)
    return out


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy"

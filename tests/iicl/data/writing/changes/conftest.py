"""A source of clips that all differ, and a corpus prepared from it in small shards."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iicl.data.writing import plan
from tests.iicl.data.writing.changes.changed_corpus import NUM_CLIPS, PER_SHARD
from tests.iicl.data.writing.small_corpus import run


@contextmanager
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ITEMS_PER_SHARD", PER_SHARD)
        yield


@pytest.fixture(autouse=True)
def _small_shards() -> Iterator[None]:
    with small_shards():
        yield


@pytest.fixture(scope="session")
def original(write_clip: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of clips that all differ, and what is prepared from it."""
    root = tmp_path_factory.mktemp("original")
    first = write_clip(root / "source" / "a" / "0000.mkv", seconds=0.4)
    (root / "source" / "b").mkdir()
    for number in range(1, NUM_CLIPS):
        path = root / "source" / "ab"[number % 2] / f"{number:04d}.mkv"
        # Bytes that follow the last packet: other content for sha256, and quick to write.
        path.write_bytes(first.read_bytes() + b"\xec\x84" + number.to_bytes(4, "big"))
    (root / "source" / "b" / "text.mp4").write_text("no clip\n" * 50)
    (root / "source" / "b" / "broken.mp4").symlink_to("nowhere")
    with small_shards():
        run(root / "source", root / "out")
    return root


@pytest.fixture
def source(original: Path, tmp_path: Path) -> Path:
    """A copy of the source, at another place, with a prepared corpus beside it."""
    copy = tmp_path / "copy" / "source"
    shutil.copytree(original / "source", copy, symlinks=True)
    run(copy, tmp_path / "copy" / "out", others=[original / "out"])
    return copy


@pytest.fixture
def out(source: Path) -> Path:
    return source.parent / "out"


@pytest.fixture
def tally(caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Prepares, and returns what the log says about how."""

    def prepare_and_count(source: Path, out: Path, **options: object) -> str:
        caplog.clear()
        with caplog.at_level(logging.INFO, "iicl"):
            run(source, out, **options)
        (line,) = [text for text in caplog.messages if " decoded, " in text]
        start = f"{out}: "
        assert line.startswith(start)
        return line.removeprefix(start)

    return prepare_and_count

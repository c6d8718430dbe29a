"""What the tests of changed sources share: a preparation in small shards and its files."""

import os
from pathlib import Path

from iicl.data.manifest import Manifest
from tests.iicl.data.writing.small_corpus import run

PER_SHARD = 8
NUM_CLIPS = PER_SHARD + 3  # with an unusable file and a broken link: two shards
ALL = NUM_CLIPS + 1  # items that can be read; the broken link cannot


def contents(out: Path) -> dict[str, bytes]:
    """The manifest and the files of the folder that it names."""
    paths = [out / "manifest.jsonl", *(out / Manifest.read(out).data).iterdir()]
    return {path.name: path.read_bytes() for path in paths}


def fresh(source: Path, tmp_path: Path, **options: object) -> dict[str, bytes]:
    """What a preparation writes that has nothing to take over."""
    run(source, tmp_path / "fresh", **options)
    return contents(tmp_path / "fresh")


def data(out: Path) -> Path:
    return out / Manifest.read(out).data


def replace_bytes(path: Path, content: bytes) -> None:
    """Writes a new file: the old one may have names in other folders."""
    path.unlink()
    path.write_bytes(content)


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    replace_bytes(path, content)

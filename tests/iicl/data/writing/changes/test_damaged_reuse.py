"""Damaged shards, and failures of the machine, are not reused."""

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iicl.data import prepare as module
from iicl.data.manifest import Manifest, UnusableSource
from iicl.data.media.transcode import Transcoded, transcode
from iicl.data.prepare import assemble
from iicl.data.store import PreparedCorpus
from iicl.data.writing import pool, shards
from iicl.data.writing.reuse import Earlier
from iicl.data.writing.shards import Shard
from tests.iicl.data.writing.changes.changed_corpus import (
    ALL,
    PER_SHARD,
    contents,
    data,
    flip,
    fresh,
    put_pipe,
)
from tests.iicl.data.writing.small_corpus import SMALL, run


def test_a_damaged_payload_is_decoded_and_its_neighbours_are_taken_over(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    os.utime(source / "a" / "0002.mkv", ns=(1, 1))
    row = Manifest.read(out).items[7]
    flip(data(out) / "00000.bin", row.offset + row.num_bytes // 2)
    assert tally(source, out).startswith(f"1 decoded, {ALL - 1} taken over")
    assert contents(out) == fresh(source, tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        # A height that no digest of a payload covers.
        lambda folder: (folder / "00000.jsonl").write_text(
            (folder / "00000.jsonl").read_text().replace('"height": 32', '"height": 34', 1)
        ),
        lambda folder: (folder / "00000.origins").write_text(
            (folder / "00000.origins").read_text().replace("0002.mkv", "0003.mkv", 1)
        ),
        lambda folder: (folder / "00000.origins").write_bytes(b"[" * 10_000),
        lambda folder: (folder / "00000.origins").unlink(),
        lambda folder: put_pipe(folder / "00000.origins"),
        lambda folder: put_pipe(folder / "00000.jsonl"),
        lambda folder: put_pipe(folder / "00000.bin"),
        lambda folder: (folder / "00000.bin").unlink(),
        lambda folder: (folder / "00000.jsonl").unlink(),
    ],
)
def test_a_damaged_shard_is_not_taken_over(
    source: Path, out: Path, tally: Callable, damage: Callable[[Path], object]
) -> None:
    before = Manifest.read(out).items
    os.utime(source / "a" / "0002.mkv", ns=(1, 1))
    damage(data(out))
    whole = ALL - PER_SHARD  # items of the second shard; the link is among them
    assert tally(source, out).startswith(f"{PER_SHARD} decoded, {whole} taken over")
    assert Manifest.read(out).items == before
    corpus = PreparedCorpus.open(out)
    for position in range(len(before)):
        corpus.verify(position)


def test_what_is_damaged_in_the_corpus_itself_is_decoded_alone(
    source: Path, out: Path, tally: Callable
) -> None:
    before = contents(out)
    row = Manifest.read(out).items[7]
    flip(data(out) / "00000.bin", row.offset + row.num_bytes // 2)
    counts = tally(source, out, verify=True)
    assert counts == f"1 decoded, {PER_SHARD - 1} taken over, {ALL - PER_SHARD + 1} already there"
    assert contents(out) == before


@pytest.mark.parametrize("name", ["00000.jsonl", "00000.bin"])
def test_a_pipe_in_the_place_of_a_shard_is_replaced(source: Path, out: Path, name: str) -> None:
    before = contents(out)
    put_pipe(data(out) / name)
    with pytest.raises(ValueError, match=name):
        assemble("folder", source, out, corpus="small", preparation=SMALL)
    run(source, out, verify=True)
    assert contents(out) == before


def test_a_file_that_could_not_be_read_is_decoded_when_it_can(
    source: Path, out: Path, tally: Callable
) -> None:
    (source / "b" / "nowhere").write_bytes((source / "a" / "0002.mkv").read_bytes() + b"\0")
    assert tally(source, out).startswith(f"2 decoded, {ALL} taken over")


def transcode_without_memory(path: Path, *arguments: Any) -> Transcoded:
    if path.name == "x.mkv":
        raise MemoryError("of this machine")
    if path.name == "y.mkv":
        raise UnusableSource(f"not readable as media: {os.strerror(errno.ENOMEM)}")
    return transcode(path, *arguments)


def prepare_without_memory(
    shard: Shard, context: pool.BatchContext, earlier: Earlier
) -> Counter[str]:
    shards.transcode = transcode_without_memory  # type: ignore[attr-defined]
    return shards.prepare_shard(shard, context, earlier)


def test_a_failure_of_the_machine_is_tried_again(
    tmp_path: Path, write_clip: Callable, tally: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    write_clip(source / "a" / "x.mkv", seconds=0.4)
    write_clip(source / "a" / "y.mkv", seconds=0.8)
    clip = write_clip(source / "a" / "z.mkv", seconds=0.6)
    with monkeypatch.context() as patch:
        patch.setattr(module, "prepare_shard", prepare_without_memory)
        run(source, out)
    assert [bool(item.views) for item in Manifest.read(out).items] == [False, False, True]
    os.utime(clip, ns=(1, 1))
    assert tally(source, out) == "2 decoded, 1 taken over"
    assert all(item.views for item in Manifest.read(out).items)


def transcode_a_file_that_is_being_written(path: Path, *arguments: Any) -> Transcoded:
    result = transcode(path, *arguments)
    os.utime(path, ns=(7, 7))
    return result


def prepare_a_file_that_is_being_written(
    shard: Shard, context: pool.BatchContext, earlier: Earlier
) -> Counter[str]:
    shards.transcode = transcode_a_file_that_is_being_written  # type: ignore[attr-defined]
    return shards.prepare_shard(shard, context, earlier)


def test_a_file_that_was_written_while_it_was_read_is_decoded_again(
    tmp_path: Path, write_clip: Callable, tally: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    write_clip(source / "a" / "x.mkv", seconds=0.4)
    with monkeypatch.context() as patch:
        patch.setattr(module, "prepare_shard", prepare_a_file_that_is_being_written)
        run(source, out)
    assert tally(source, out) == "1 decoded, 0 taken over"

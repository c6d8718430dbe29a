"""A preparation that stopped half-way, and one in parts, reuse the same shards."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.data.manifest import read_header
from iicl.data.prepare import assemble, prepare_part
from tests.iicl.data.writing.changes.changed_corpus import ALL, PER_SHARD, contents, fresh
from tests.iicl.data.writing.small_corpus import SMALL, run_killed


def test_a_preparation_killed_between_shards_goes_on_and_takes_over(
    source: Path, out: Path, tmp_path: Path, tally: Callable, write_clip: Callable
) -> None:
    write_clip(source / "a" / "0000 before all others.mkv", seconds=0.8)
    write_clip(source / "b" / "9999.mkv", seconds=0.8)
    old = read_header(out)
    call = f"""prepare(
        "folder", Path({str(source)!r}), Path({str(out)!r}), corpus="small",
        preparation=Preparation(short_side=32), num_workers=1)"""
    run_killed(tmp_path / "killed.py", call, items_per_shard=PER_SHARD)
    assert read_header(out) == old
    counts = f"1 decoded, {ALL - PER_SHARD + 1} taken over, {PER_SHARD} already there"
    assert tally(source, out) == f"{counts}, 1 missing or not readable"
    assert contents(out) == fresh(source, tmp_path)


def test_parts_take_over_what_one_preparation_would(
    source: Path, out: Path, tmp_path: Path, write_clip: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(source / "a" / "0000 before all others.mkv", seconds=0.8)
    with caplog.at_level(logging.INFO, "iicl"):
        for part in (1, 0):
            prepare_part(
                "folder",
                source,
                out,
                part=part,
                num_parts=2,
                preparation=SMALL,
                num_workers=1,
            )
    assemble("folder", source, out, corpus="small", preparation=SMALL)
    assert caplog.messages == [
        f"{out}: 0 decoded, {ALL - PER_SHARD + 1} taken over, 1 missing or not readable",
        f"{out}: 1 decoded, {PER_SHARD - 1} taken over",
    ]
    assert contents(out) == fresh(source, tmp_path)


def test_shards_of_an_unfinished_preparation_are_taken_over(
    source: Path, out: Path, tally: Callable
) -> None:
    (out / "manifest.jsonl").unlink()
    (data_folder,) = out.glob("*/")
    for path in data_folder.glob("00001.*"):
        path.unlink()
    os.utime(source / "a" / "0002.mkv", ns=(1, 1))
    assert tally(source, out).startswith(f"{ALL - PER_SHARD} decoded, {PER_SHARD} taken over")

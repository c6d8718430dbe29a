"""A corpus prepared in parts is the corpus prepared at once; the survey tells what is left."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.config import Preparation
from iicl.data.manifest import Manifest, read_header
from iicl.data.prepare import Survey, survey
from tests.iicl.data.writing.small_corpus import (
    ROOT,
    SMALL,
    contents,
    run_assemble,
    run_killed,
    run_part,
    stamps,
)


def start_part(source: Path, out: Path, part: int, num_parts: int) -> subprocess.Popen:
    code = f"""
from pathlib import Path
from iicl.config import Preparation
from iicl.data.prepare import prepare_part
prepare_part("folder", Path({str(source)!r}), Path({str(out)!r}), part={part},
             num_parts={num_parts}, preparation=Preparation(short_side=32), num_workers=1)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def look(source: Path, out: Path, **options: object) -> Survey:
    settings = {"corpus": "small", "preparation": SMALL} | options
    return survey("folder", source, out, **settings)  # type: ignore[arg-type]


def test_processes_side_by_side_make_the_corpus_of_one(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    processes = [start_part(source, out, part, 3) for part in (0, 0, 1, 2)]  # one of them twice
    assert [process.wait() for process in processes] == [0] * 4
    assert read_header(out) is None
    assert run_assemble(source, out) == Manifest.read(prepared)
    assert contents(out) == contents(prepared)


def test_more_parts_than_shards_leave_some_empty(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    parts = [run_part(source, tmp_path / "out", part, 5) for part in (4, 2, 0, 3, 1)]
    shards = [{row.shard for row in rows} for rows in parts]
    assert shards == [set(), {2}, {0}, set(), {1}]
    assert run_assemble(source, tmp_path / "out") == Manifest.read(prepared)
    assert contents(tmp_path / "out") == contents(prepared)


def test_a_killed_part_goes_on_with_what_is_missing(source: Path, tmp_path: Path) -> None:
    call = f"""prepare_part(
        "folder", Path({str(source)!r}), Path({str(tmp_path / "out")!r}), part=0, num_parts=2,
        preparation=Preparation(short_side=32), num_workers=1)"""
    run_killed(tmp_path / "killed.py", call)
    before = stamps(tmp_path / "out")
    assert before.keys() == {".lock", "00000.bin", "00000.jsonl", "00000.origins"}
    missing = r"2 of 3 shards of small are missing .* the first is number 1: .*00001\.jsonl is not"
    with pytest.raises(ValueError, match=missing):
        run_assemble(source, tmp_path / "out")
    assert {row.shard for row in run_part(source, tmp_path / "out", 0, 2)} == {0, 2}
    after = stamps(tmp_path / "out")
    assert after.keys() - before.keys() == {"00002.bin", "00002.jsonl", "00002.origins"}
    assert before.items() <= after.items()


def test_nothing_usable_in_any_part_is_an_error_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.mp4").touch()
    (row,) = run_part(tmp_path / "source", tmp_path / "out", 0, 1)
    assert row.reason == "empty file"
    with pytest.raises(ValueError, match=r"nothing usable among the 1 items.*empty file"):
        run_assemble(tmp_path / "source", tmp_path / "out")


@pytest.mark.parametrize(("part", "num_parts"), [(-1, 3), (3, 3), (0, 0)])
def test_a_part_beyond_the_last_is_an_error(
    source: Path, tmp_path: Path, part: int, num_parts: int
) -> None:
    with pytest.raises(ValueError, match=f"part {part} of {num_parts}: parts are numbered from 0"):
        run_part(source, tmp_path / "out", part, num_parts)
    assert not (tmp_path / "out").exists()


def test_a_survey_sees_what_is_prepared_and_touches_nothing(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    nothing = look(source, tmp_path / "out")
    assert nothing == Survey(current=False, num_shards=3, fingerprint=nothing.fingerprint)
    assert not (tmp_path / "out").exists()
    before = stamps(prepared)
    assert look(source, prepared) == dataclasses.replace(nothing, current=True)
    assert not look(source, prepared, corpus="other").current
    other = look(source, prepared, preparation=Preparation(short_side=16))
    assert not other.current
    assert other.fingerprint != nothing.fingerprint
    assert stamps(prepared) == before


def test_a_source_that_changes_after_its_parts_is_not_assembled(
    write_clip: Callable, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    clip = write_clip(source / "a" / "x.mkv", seconds=0.4)
    run_part(source, out, 0, 1)
    assert not look(source, out).current
    run_assemble(source, out)
    assert look(source, out).current
    os.utime(clip, ns=(0, 0))
    assert not look(source, out).current
    with pytest.raises(ValueError, match="1 of 1 shards of small are missing"):
        run_assemble(source, out)
    run_part(source, out, 0, 1)
    run_assemble(source, out)
    assert look(source, out).current

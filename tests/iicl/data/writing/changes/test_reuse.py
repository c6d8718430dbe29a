"""When a source changes, only new content is decoded."""

import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iicl.config import Preparation
from iicl.data import prepare as module
from iicl.data.manifest import Manifest
from iicl.data.writing import pool, recipe, shards
from iicl.data.writing.reuse import Earlier
from iicl.data.writing.shards import Shard
from tests.iicl.data.writing.changes.changed_corpus import ALL, contents, data, fresh
from tests.iicl.data.writing.small_corpus import SMALL, run


def test_one_clip_more_is_one_clip_decoded(
    source: Path, out: Path, tmp_path: Path, tally: Callable, write_clip: Callable
) -> None:
    write_clip(source / "a" / "0000 before all others.mkv", seconds=0.8)
    expected = f"1 decoded, {ALL} taken over, 1 missing or not readable"
    assert tally(source, out) == expected
    assert contents(out) == fresh(source, tmp_path)


def test_a_touched_file_is_read_and_no_other(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    touched = source / "a" / "0002.mkv"
    os.utime(touched, ns=(1, 1))
    expected = fresh(source, tmp_path)
    old = {path.name: path.stat().st_ino for path in data(out).glob("*.bin")}
    # Other bytes under an unchanged time and size are not looked at: these files are not read.
    for path in source.glob("b/*.mkv"):
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tally(source, out) == f"0 decoded, {ALL} taken over, 1 missing or not readable"
    assert contents(out) == expected
    assert {path.name: path.stat().st_ino for path in data(out).glob("*.bin")} == old  # linked


def test_a_file_with_other_content_is_decoded(
    source: Path, out: Path, tmp_path: Path, tally: Callable, write_clip: Callable
) -> None:
    write_clip(source / "a" / "0002.mkv", seconds=0.6)
    counts = f"1 decoded, {ALL - 1} taken over, 1 missing or not readable"
    assert tally(source, out) == counts
    assert contents(out) == fresh(source, tmp_path)


def test_a_moved_copy_decodes_nothing(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(source, moved, symlinks=True, copy_function=shutil.copyfile)  # new times
    shutil.rmtree(source)
    assert tally(moved, out) == f"0 decoded, {ALL} taken over, 1 missing or not readable"
    assert contents(out) == fresh(moved, tmp_path)


def test_another_folder_with_equal_names_sizes_and_times_is_another_source(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    other = tmp_path / "other"
    shutil.copytree(source, other, symlinks=True)  # keeps the times
    changed = other / "a" / "0002.mkv"
    status = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b"\xff")
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    (other / "a" / "0004.mkv").unlink()  # otherwise the two listings are one
    counts = f"1 decoded, {ALL - 2} taken over, 1 missing or not readable"
    assert tally(other, out) == counts


def test_a_clip_in_another_class_folder_is_taken_over_with_its_new_label(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    (source / "a" / "0002.mkv").rename(source / "b" / "moved.mkv")
    assert tally(source, out).startswith(f"0 decoded, {ALL} taken over")
    (row,) = [item for item in Manifest.read(out).items if item.id == "b/moved.mkv"]
    assert row.labels == ("b",)
    assert contents(out) == fresh(source, tmp_path)


def test_another_ending_of_the_name_is_decoded(source: Path, out: Path, tally: Callable) -> None:
    (source / "a" / "0002.mkv").rename(source / "a" / "0002.mp4")  # FFmpeg may read it otherwise
    assert tally(source, out).startswith(f"1 decoded, {ALL - 1} taken over")


def test_other_settings_take_nothing_over(source: Path, out: Path, tally: Callable) -> None:
    expected = f"{ALL} decoded, 0 taken over, 1 missing or not readable"
    assert tally(source, out, preparation=Preparation(short_side=16)) == expected


@pytest.mark.parametrize("what", ["VERSION", "versions"])
def test_another_version_takes_nothing_over(
    source: Path, out: Path, tally: Callable, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(recipe, what, -1 if what == "VERSION" else lambda: {"av": "another"})
    os.utime(source / "a" / "0002.mkv", ns=(1, 1))
    assert tally(source, out).startswith(f"{ALL} decoded, 0 taken over")


def test_segments_of_a_file_are_taken_over_one_by_one(
    tmp_path: Path, write_clip: Callable, tally: Callable
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    clip = write_clip(source / "video" / "abcdefghijk.mkv", seconds=3.0)
    labels = 'index,mid,display_name\n0,/m/1,"Speech"\n'
    (source / "class_labels_indices.csv").write_text(labels)

    def listed(*starts: float) -> str:
        rows = [f'abcdefghijk, {start:.3f}, {start + 1:.3f}, "/m/1"\n' for start in starts]
        lines = ["# Segments\n", "# num_ytids=1\n", "# YTID, start, end, labels\n", *rows]
        (source / "balanced_train_segments.csv").write_text("".join(lines))
        return tally(source, out, reader="audioset")

    assert listed(0, 1) == "2 decoded, 0 taken over"
    assert listed(0, 1, 2) == "1 decoded, 2 taken over"
    os.utime(clip, ns=(1, 1))
    assert listed(0.5, 1, 2) == "1 decoded, 2 taken over"
    digests = {item.digest for item in Manifest.read(out).items}
    assert len(digests) == 3
    assert contents(out) == fresh(source, tmp_path, reader="audioset")


def test_another_prepared_corpus_can_be_taken_from(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    counts = tally(source, tmp_path / "new", others=[out, tmp_path / "absent"])
    assert counts.startswith(f"0 decoded, {ALL} taken over")
    assert contents(tmp_path / "new") == contents(out)


def no_link(*paths: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


def prepare_without_links(
    shard: Shard, context: pool.BatchContext, earlier: Earlier
) -> Counter[str]:
    os.link = no_link  # type: ignore[assignment]
    return shards.prepare_shard(shard, context, earlier)


def test_without_hard_links_the_payloads_are_copied(
    source: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(source / "a" / "0002.mkv", ns=(1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(module, "prepare_shard", prepare_without_links)
        run(source, out)
    assert {path.stat().st_nlink for path in data(out).iterdir()} == {1}
    assert contents(out) == fresh(source, tmp_path)


def test_the_map_of_earlier_shards_does_not_grow_with_their_folders(
    source: Path, out: Path
) -> None:
    (folder,) = out.glob("*/")
    recipe_digest = recipe.digest(SMALL)
    one = Earlier.gather(source, recipe_digest, [folder])
    many = Earlier.gather(source, recipe_digest, [folder] * 5)
    assert len(one.keys) == len(many.keys) == 2 * ALL
    assert (many.keys.nbytes + many.places.nbytes) == 2 * ALL * 16
    assert np.array_equal(one.places, many.places)  # the first folder's
    assert (
        len(Earlier.gather(source.parent, recipe_digest, [folder]).keys) == ALL
    )  # no place is known


def test_reused_rows_are_not_those_of_another_item(source: Path, out: Path) -> None:
    first = {item.id: item for item in Manifest.read(out).items}
    (source / "a" / "0000.mkv").unlink()
    run(source, out)
    for item in Manifest.read(out).items:
        before = first[item.id]
        assert dataclasses.replace(item, shard=before.shard, offset=before.offset) == before

"""What is prepared again, and from what, when a corpus changes; and removing what is left over."""

import dataclasses
import errno
import fcntl
import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iicl import cli
from iicl.config import Preparation
from iicl.data import datasets
from iicl.data import prepare as module
from iicl.data.manifest import Manifest, UnusableSource, read_header
from iicl.data.media.transcode import Transcoded, transcode
from iicl.data.prepare import assemble, prepare, prepare_part
from iicl.data.prune import Pruned, prune
from iicl.data.store import PreparedCorpus
from iicl.data.writing import plan, pool, recipe, shards
from iicl.data.writing.reuse import Earlier
from iicl.data.writing.shards import Shard

ROOT = Path(__file__).parents[4]
SMALL = Preparation(short_side=32)
PER_SHARD = 8
NUM_CLIPS = PER_SHARD + 3  # with an unusable file and a broken link: two shards
ALL = NUM_CLIPS + 1  # items that can be read; the broken link cannot


@pytest.fixture(scope="module", autouse=True)
def _small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ITEMS_PER_SHARD", PER_SHARD)
        yield


# A test may damage or move what it is given: every test gets a copy with the same times.


@pytest.fixture(scope="module")
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


def run(source: Path, out: Path, **options: object) -> Manifest:
    settings = {"reader": "folder", "corpus": "small", "preparation": SMALL, "num_workers": 1}
    return prepare(source=source, out=out, **settings | options)  # type: ignore[arg-type]


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


def prepare_without_memory(shard: Shard, context: pool.Context, earlier: Earlier) -> Counter[str]:
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
    shard: Shard, context: pool.Context, earlier: Earlier
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


def test_a_preparation_killed_between_shards_goes_on_and_takes_over(
    source: Path, out: Path, tmp_path: Path, tally: Callable, write_clip: Callable
) -> None:
    write_clip(source / "a" / "0000 before all others.mkv", seconds=0.8)
    write_clip(source / "b" / "9999.mkv", seconds=0.8)
    old = read_header(out)
    code = f"""
import os, signal
from pathlib import Path
from iicl.config import Preparation
from iicl.data import prepare as module
from iicl.data.writing import plan

plan.ITEMS_PER_SHARD = {PER_SHARD}

def progress(done, total):
    if done == {PER_SHARD} + 5:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    module.prepare("folder", Path({str(source)!r}), Path({str(out)!r}), corpus="small",
                   preparation=Preparation(short_side=32), num_workers=1, progress=progress)
"""
    (tmp_path / "killed.py").write_text(code)
    killed = subprocess.run(
        [sys.executable, str(tmp_path / "killed.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
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


def test_another_prepared_corpus_can_be_taken_from(
    source: Path, out: Path, tmp_path: Path, tally: Callable
) -> None:
    counts = tally(source, tmp_path / "new", others=[out, tmp_path / "absent"])
    assert counts.startswith(f"0 decoded, {ALL} taken over")
    assert contents(tmp_path / "new") == contents(out)


def no_link(*paths: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


def prepare_without_links(shard: Shard, context: pool.Context, earlier: Earlier) -> Counter[str]:
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


def slow_reader(num_beats: int, context: pool.Context) -> int:
    """Works for longer than an item may take, and says that it gets on."""
    if context.skipped:
        return 0
    with context.item(0):
        for _ in range(num_beats):
            context.restart_time()
            time.sleep(0.5)
    return num_beats


def test_a_large_file_that_is_read_slowly_is_no_hang() -> None:
    assert pool.run_batches(slow_reader, [3], 1, lambda: None, item_seconds=1) == [3]


# Where the output may be.


@pytest.mark.parametrize("reader", datasets.names())
@pytest.mark.parametrize(
    "place",
    [
        lambda root: root / "source",
        lambda root: root / "source" / "a" / "out",
        lambda root: root / "source" / "not yet" / "there",
        lambda root: root / "link" / "out",
        lambda root: root / "source" / "a" / ".." / "out",
    ],
)
def test_an_output_inside_the_source_is_refused(
    tmp_path: Path, reader: str, place: Callable[[Path], Path]
) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "link").symlink_to("source")
    out = place(tmp_path)
    with pytest.raises(ValueError, match=r"the output .* lies inside the source .*; choose"):
        run(tmp_path / "source", out, reader=reader)
    with pytest.raises(ValueError, match=r"the output .* lies inside the source"):
        assemble(reader, tmp_path / "source", out, corpus="small", preparation=SMALL)
    assert sorted(tmp_path.rglob("*")) == sorted(
        [tmp_path / "link", tmp_path / "source", tmp_path / "source" / "a"]
    )


def test_an_output_in_a_folder_that_the_source_links_to_is_refused(
    tmp_path: Path, write_clip: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "elsewhere" / "a" / "deep" / "x.mkv", seconds=0.4)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").symlink_to(tmp_path / "elsewhere" / "a")
    monkeypatch.chdir(tmp_path / "source")
    for source in (tmp_path / "source", Path()):
        with pytest.raises(ValueError, match=r"lies inside the source .*/source/a; choose"):
            run(source, tmp_path / "elsewhere" / "a" / "out")
    assert not (tmp_path / "elsewhere" / "a" / "out").exists()
    run(tmp_path / "source", tmp_path / "elsewhere" / "out")


def test_a_source_among_the_shards_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "out" / "0123456789abcdef" / "clips"
    source.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"the source .* lies in a folder of shards"):
        run(source, tmp_path / "out")


def test_the_command_refuses_in_one_line(
    source: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    assert cli.main(["prepare", "small", ".", "prepared"]) == 2
    line = "iicl prepare: the output prepared lies inside the source .; choose another folder\n"
    assert capsys.readouterr().err == line


# Removing what no manifest names.


@pytest.fixture
def old(original: Path, tmp_path: Path) -> Path:
    """A folder of shards in a prepared corpus whose manifest names another."""
    out = shutil.copytree(original / "out", tmp_path / "prepared")
    return shutil.copytree(data(out), out / "0123456789abcdef")


def test_pruning_removes_what_no_manifest_names(old: Path) -> None:
    out = old.parent
    before = contents(out)
    (old / ".00000.bin.0123456789abcdef.tmp").write_bytes(b"1234")
    num_bytes = sum(path.stat().st_size for path in old.iterdir())
    os.utime(old / "00001.bin", (1e9, 5e9))
    seen = prune(out, remove=False)
    assert seen == Pruned([old], [5e9], num_bytes, {})
    assert old.is_dir()
    assert prune(out, remove=True) == seen
    assert not old.exists()
    assert contents(out) == before
    PreparedCorpus.open(out)
    assert prune(out, remove=True).folders == []


def test_bytes_that_the_corpus_shares_are_not_freed(old: Path) -> None:
    out = old.parent
    other = shutil.copytree(old, out / "0123456789abcdff")
    for path, same in (
        (old / "00000.bin", data(out) / "00000.bin"),  # stays
        (old / "00001.bin", other / "00001.bin"),  # goes with its last name
    ):
        path.unlink()
        os.link(same, path)
    num_bytes = sum(path.stat().st_size for folder in (old, other) for path in folder.iterdir())
    num_shared = sum((old / name).stat().st_size for name in ("00000.bin", "00001.bin"))
    pruned = prune(out, remove=True)
    assert (pruned.folders, pruned.num_bytes) == ([old, other], num_bytes - num_shared)
    corpus = PreparedCorpus.open(out)
    for position in corpus.select(["video"]):
        corpus.verify(position)


@pytest.mark.parametrize(
    "strange",
    [
        lambda folder: (folder / "notes.txt").touch(),
        lambda folder: (folder / "more").mkdir(),
        lambda folder: (folder / "00009.bin").symlink_to("/dev/null"),
    ],
)
def test_pruning_leaves_what_it_does_not_know(old: Path, strange: Callable[[Path], None]) -> None:
    out = old.parent
    strange(old)
    (out / "0123456789ABCDEF").mkdir()
    (out / "mine").mkdir()
    (out / "fedcba9876543210").symlink_to(old)
    before = sorted(out.rglob("*"))
    pruned = prune(out, remove=True)
    assert pruned.folders == []
    assert list(pruned.left) == [old]
    assert "no shard" in pruned.left[old]
    assert sorted(out.rglob("*")) == before


def test_pruning_refuses_while_a_preparation_is_running(source: Path, out: Path) -> None:
    folder = data(out)
    refusals = []

    def progress(done: int, total: int) -> None:
        if not refusals:
            with pytest.raises(ValueError, match=r"a preparation is running in .*; try again"):
                prune(out, remove=True)
            refusals.append(done)

    os.utime(source / "a" / "0004.mkv", ns=(1, 1))
    run(source, out, progress=progress)
    assert refusals
    assert prune(out, remove=True).folders == [folder]


def test_pruning_leaves_the_shards_of_an_open_corpus(source: Path, out: Path) -> None:
    corpus = PreparedCorpus.open(out)
    folder = data(out)
    (source / "a" / "0002.mkv").unlink()
    run(source, out)
    assert prune(out, remove=True).left == {folder: "it is in use"}
    assert corpus.read_audio(0, 0, 100).any()
    del corpus
    gc.collect()
    assert prune(out, remove=True).folders == [folder]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda out: (out / "manifest.jsonl").unlink(), "is no prepared corpus"),
        (lambda out: (out / "manifest.jsonl").write_text("{"), "is damaged"),
        (lambda out: shutil.rmtree(data(out)), "lacks the shards that its manifest names"),
    ],
)
def test_pruning_without_a_whole_manifest_is_an_error(
    old: Path, damage: Callable[[Path], None], complaint: str
) -> None:
    damage(old.parent)
    with pytest.raises(ValueError, match=complaint):
        prune(old.parent, remove=True)
    assert old.is_dir()


def test_the_command_lists_first_and_removes_when_told(
    old: Path, capsys: pytest.CaptureFixture
) -> None:
    out = old.parent
    assert cli.main(["prune", str(out)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"would remove {old}, last written 20")
    assert last.startswith(f"{out}: 1 folder to remove, ")
    assert last.endswith(" bytes to free; run it again with --yes")
    assert old.is_dir()
    assert cli.main(["prune", str(out), "--yes"]) == 0
    assert f"removed {old}" in capsys.readouterr().out
    assert not old.exists()
    assert cli.main(["prune", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: nothing to remove\n"


def test_where_there_are_no_locks_preparing_goes_on_and_pruning_does_not(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    old = data(out)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    os.utime(source / "a" / "0004.mkv", ns=(1, 1))
    run(source, out)
    assert "the file system knows no locks (Operation not supported)" in caplog.text
    PreparedCorpus.open(out)
    with pytest.raises(OSError, match="Operation not supported"):
        prune(out, remove=True)
    assert old.is_dir()


def test_reused_rows_are_not_those_of_another_item(source: Path, out: Path) -> None:
    first = {item.id: item for item in Manifest.read(out).items}
    (source / "a" / "0000.mkv").unlink()
    run(source, out)
    for item in Manifest.read(out).items:
        before = first[item.id]
        assert dataclasses.replace(item, shard=before.shard, offset=before.offset) == before

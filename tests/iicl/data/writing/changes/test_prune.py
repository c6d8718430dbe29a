"""Removing the shards that no manifest names."""

import fcntl
import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl import cli
from iicl.data.prune import Pruned, prune
from iicl.data.store import PreparedCorpus
from tests.iicl.data.writing.changes.changed_corpus import contents, data
from tests.iicl.data.writing.small_corpus import run


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
    unused = prune(out, remove=False)
    assert unused == Pruned([old], [5e9], num_bytes, {})
    assert old.is_dir()
    assert prune(out, remove=True) == unused
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
    assert "the file system has no locks (Operation not supported)" in caplog.text
    PreparedCorpus.open(out)
    with pytest.raises(OSError, match="Operation not supported"):
        prune(out, remove=True)
    assert old.is_dir()

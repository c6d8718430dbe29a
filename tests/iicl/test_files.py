import os
from pathlib import Path

import pytest

from iicl.files import write_atomically


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"old")
    assert path.read_bytes() == b"old"
    write_atomically(path, memoryview(b"newer"))
    assert path.read_bytes() == b"newer"

    def full(descriptor: int) -> None:
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_atomically(path, b"newest")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"newer")]


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "x", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_two_writers_at_once_do_not_share_a_half_written_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def overtaken(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", real)
        write_atomically(tmp_path / "x", b"of a host with the same name and process id")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", overtaken)
    write_atomically(tmp_path / "x", b"last")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"last")]

"""Whether a launch lives, with Linux's ``/proc`` and without."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.store import lease
from benchmarks.store.lease import Lease, process_start
from slurm.job_queue import Queue

read_text = Path.read_text


def _without_proc(path: Path, *args: str, **kwargs: str) -> str:
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return read_text(path, *args, **kwargs)


@pytest.fixture(params=["proc", "ps"])
def source(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the start of a process is looked up."""
    if request.param == "proc" and not Path("/proc/self/stat").exists():
        pytest.skip("needs Linux's /proc")
    if request.param == "proc":
        yield "proc"
        return
    with patch.object(Path, "read_text", _without_proc):
        yield "ps"


@pytest.fixture
def pid() -> Iterator[int]:
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid


def test_a_launch_lives_until_its_process_ends(source: str, pid: int, tmp_path: Path) -> None:
    start = process_start(pid)
    assert start is not None
    claim = Lease("token", "somebody", socket.gethostname(), pid, start)
    assert claim.is_alive(tmp_path, Queue("somebody"))
    another = Lease("token", "somebody", socket.gethostname(), pid, f"not {start}")
    assert not another.is_alive(tmp_path, Queue("somebody"))


def test_a_launch_whose_process_has_ended_is_dead(source: str, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert process_start(process.pid) is None
    for start in ("1", None):
        claim = Lease("token", "somebody", socket.gethostname(), process.pid, start)
        assert not claim.is_alive(tmp_path, Queue("somebody"))


def test_the_start_is_the_same_in_every_time_zone_and_language(
    pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with patch.object(Path, "read_text", _without_proc):
        first = process_start(pid)
        assert first is not None
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
        assert process_start(pid) == first


def test_a_host_that_cannot_tell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with (
        patch.object(Path, "read_text", _without_proc),
        pytest.raises(OSError, match="neither /proc nor the command ps says"),
    ):
        lease.Lease.of_this_process("token")

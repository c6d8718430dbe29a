"""Who is at work on a run: a launch, or a job that a launch has submitted."""

import os
import pwd
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, Strict

from benchmarks.store.files import is_regular
from slurm.job_queue import Queue

DEAD_AFTER_SECONDS = 300.0

Word = Annotated[str, Strict(), Field(pattern=r"^[^/\x00-\x1f]*$")]  # part of a path or a command


@dataclass(frozen=True)
class Lease:
    """What ``claim.json`` of a run holds.

    Attributes:
        launch: a token that no other launch has.
        user: who launched.
        host: of the launching process.
        pid: of the launching process.
        process_start: when that process started, in the form that its host gives.
        cluster: name of the cluster that has the job; empty until there is one.
        job: id of the submitted job; empty until there is one.
    """

    launch: Word
    user: Word
    host: Word
    pid: Annotated[int, Strict(), Field(gt=0)]
    process_start: Word | None
    cluster: Word = ""
    job: Word = ""

    @classmethod
    def of_this_process(cls, launch: str) -> "Lease":
        """The lease of a launch that this process carries out."""
        pid = os.getpid()
        start = process_start(pid)
        if start is None:
            raise OSError("neither /proc nor the command ps says when this process started")
        return cls(launch, this_user(), socket.gethostname(), pid, start)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def is_alive(self, launches: Path, queue: Queue) -> bool:
        """Whether the launch, or its job, is still alive.

        Args:
            launches: folder of the heartbeats of launches.
            queue: asked about jobs.

        Raises:
            OSError: if the job's cluster is this one, and does not answer.
        """
        if self.job:
            return queue.state(self.cluster, self.user, self.job) is not None
        if self.host == socket.gethostname():
            start = process_start(self.pid)
            return start is not None and start == self.process_start
        beat = launches / f"{self.host}-{self.pid}"
        return is_regular(beat) and is_recent(beat)


def this_user() -> str:
    """The name by which Slurm knows the user; ``$USER`` may hold another."""
    return pwd.getpwuid(os.getuid()).pw_name


def process_start(pid: int) -> str | None:
    """When a process of this host started, in its kernel's ticks or as ``ps`` says it.

    None if there is no such process, or neither ``/proc`` nor ``ps`` is there to ask.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _start_by_ps(pid)
    return stat.rpartition(")")[2].split()[19]


def _start_by_ps(pid: int) -> str | None:
    """The same where there is no ``/proc``, such as on macOS."""
    command = ("ps", "-o", "lstart=", "-p", str(pid))
    fixed = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}  # every launch must read the same text
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=fixed, check=False)
    except OSError:
        return None
    return " ".join(done.stdout.split()) or None


def is_recent(path: Path) -> bool:
    """Changed within five minutes; a time in the future was written before the clock was set."""
    return abs(time.time() - path.lstat().st_mtime) < DEAD_AFTER_SECONDS

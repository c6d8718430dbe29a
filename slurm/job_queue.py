"""The queue of Slurm: which jobs there are. ``sacct`` is never asked.

The files that a job writes say what became of it. The queue only says whether a job that has
written nothing yet is still to come.
"""

import math
import pwd
import shutil
import sys
import time
from dataclasses import dataclass, field

from slurm import commands

PATIENCE_SECONDS = 15.0
"""How old an answer of the queue may be that says a job is alive."""


def _is_known(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


@dataclass
class Queue:
    """The jobs that wait or run, known from few calls of squeue.

    Attributes:
        user: who asks; others' jobs may be hidden from them.
        tolerant: if Slurm does not answer, say so once and count every job as alive.
        num_calls: how often Slurm was asked.
    """

    user: str
    tolerant: bool = False
    num_calls: int = 0
    _cluster: str | None = None
    _hides_others: bool = False
    _silent_since: float = -math.inf
    _jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    _users: set[str] = field(default_factory=set)
    _asked: float = -math.inf

    def cluster(self) -> str:
        """The name of the cluster that this host belongs to; empty where there is no Slurm.

        Raises:
            OSError: if Slurm does not answer.
        """
        if self._cluster is None:
            name = ""
            if shutil.which("scontrol"):
                self.num_calls += 1
                for line in commands.ask("scontrol", "show", "config").splitlines():
                    key, _, value = (word.strip() for word in line.partition("="))
                    if key == "ClusterName":
                        name = value
                    if key == "PrivateData":
                        self._hides_others = "jobs" in value.split(",") or value == "all"
            self._cluster = name
        return self._cluster

    def forget(self) -> None:
        """Ask anew next time."""
        self._asked = -math.inf

    def state(self, cluster: str, user: str, job: str) -> tuple[str, str] | None:
        """What the queue says of a job.

        Args:
            cluster: name of the cluster that has it.
            user: who submitted it.
            job: its id, ``<array>_<task>`` for a job of an array.

        Returns:
            Slurm's state and its reason, such as ``("PENDING", "Dependency")``; UNKNOWN for a job
            of another cluster, or of another user where Slurm hides them; None if it is over.

        Raises:
            OSError: if Slurm does not answer: then nobody knows.
        """
        try:
            return self._state(cluster, user, job)
        except OSError as problem:
            if not self.tolerant:
                raise
            if self._silent_since == -math.inf:
                print(f"{problem}; submitted runs are taken to be running", file=sys.stderr)
            self._silent_since = time.monotonic()
            return "UNKNOWN", "Slurm does not answer"

    def _state(self, cluster: str, user: str, job: str) -> tuple[str, str] | None:
        if time.monotonic() - self._silent_since < PATIENCE_SECONDS:
            return "UNKNOWN", "Slurm does not answer"
        if cluster != self.cluster():
            return "UNKNOWN", f"a job of cluster {cluster}"
        if user != self.user and (self._hides_others or not _is_known(user)):
            return "UNKNOWN", f"a job of {user}, which is hidden from {self.user}"
        if user not in self._users:
            self._users.add(user)
            self.forget()
        age = time.monotonic() - self._asked
        # Refresh before reporting a job as finished: the cached answer may be older than the job.
        if age > PATIENCE_SECONDS or (job not in self._jobs and age > 1.0):
            self._refresh()
        return self._jobs.get(job)

    def _refresh(self) -> None:
        self.num_calls += 1
        self._asked = time.monotonic()
        users = ",".join(sorted(self._users))
        text = commands.ask(
            "squeue", "--all", "--noheader", "--array", f"--user={users}", "--format=%i|%T|%r"
        )
        rows = (line.strip().split("|") for line in text.splitlines())
        self._jobs = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}

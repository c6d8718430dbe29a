"""The folder of one run: its state, its lease, and what an attempt at the run writes."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.store import files, records
from benchmarks.store.files import DamagedFileError, write_json
from benchmarks.store.lease import DEAD_AFTER_SECONDS, Lease, is_recent
from benchmarks.store.records import Attempt, Failure, Progress
from benchmarks.store.run_records import RunRecords
from slurm.job_queue import Queue

State = Literal["done", "running", "queued", "failed", "resume", "new", "damaged"]

RENEWED = {
    "claim.json": Lease,
    "progress.json": Progress,
    "attempts.json": list[Attempt],
    "failure.json": Failure,
}
"""Files that the next attempt at an unfinished run makes again."""


@dataclass(frozen=True)
class Access:
    """What a :class:`RunFolder` needs to read and change leases.

    Attributes:
        queue: asked about the jobs that leases name.
        token: of the launch that this process serves.
        launches: folder of the heartbeats of launches.
        lock: file whose lock a process holds while it changes leases.
    """

    queue: Queue
    token: str
    launches: Path
    lock: Path


def set_aside(path: Path) -> None:
    """Move a damaged file out of the way, and say so."""
    target = files.set_aside(path)
    print(f"moved aside: {path} -> .aside/{target.name}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class RunFolder(RunRecords):
    """One run of a home: ``home.run(run_id)``.

    Attributes:
        access: the queue, the launch and the lock of this process.
    """

    access: Access = field(repr=False, compare=False)

    @property
    def files(self) -> Path:
        """The folder that belongs to the stage: checkpoints, weights, features."""
        return self.path / "files"

    def log(self, rank: int = 0) -> Path:
        """The file with what all attempts printed; each rank but the first has its own."""
        return self.path / (f"log-rank{rank}.txt" if rank else "log.txt")

    def state(self) -> State:
        """The state that the files say and, of a submitted run, the queue.

        Raises:
            OSError: if only the scheduler can tell, and it does not answer.
        """
        if self.damage() is not None:
            return "damaged"
        if self.is_done():
            return "done"
        held = self._held()
        if held is not None:
            return held
        if self.is_done():  # it ended while the queue was asked
            return "done"
        if self._has("failure.json"):
            return "failed"
        return "resume" if self.attempts() else "new"

    def _held(self) -> Literal["running", "queued"] | None:
        """``running`` or ``queued`` if a living launch or job has the run, else None."""
        if not os.path.isdir(self._folder):
            return None
        try:
            lease = self._read("claim.json", Lease)
        except DamagedFileError as problem:
            # A damaged lease does not say who wrote it, but a run at work changes its folder.
            if is_recent(self.path):
                minutes = DEAD_AFTER_SECONDS / 60
                words = f"the run counts as running until nothing changes for {minutes:g} minutes"
                self.notices.say_once(problem, words)
                return "running"
            self.notices.say_once(problem, "it counts as absent")
            return None
        if lease is None or not lease.is_alive(self.access.launches, self.access.queue):
            return None
        return "queued" if self._is_pending(lease) else "running"

    def _is_pending(self, lease: Lease) -> bool:
        if not lease.job:
            return False
        entry = self.access.queue.state(lease.cluster, lease.user, lease.job)
        return entry is not None and entry[0] == "PENDING"

    def _set_damaged_aside(self, name: str, kind: Any) -> None:
        try:
            self._read(name, kind)
        except DamagedFileError as problem:
            self.notices.say_once(problem, "it is moved aside")
            set_aside(self.path / name)

    # The lease: at most one launch, or one job, works on a run.

    def claim(self, spec: Mapping[str, Any]) -> bool:
        """Take the run for this launch; see :meth:`benchmarks.store.home.Home.claiming`.

        The caller holds the lock of the home.
        """
        if self.state() in ("done", "running", "queued", "damaged"):
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        for name, kind in RENEWED.items():
            self._set_damaged_aside(name, kind)
        for log in self.path.glob("log*.txt"):
            if not files.is_regular(log):
                set_aside(log)
        path = self.path / "claim.json"
        try:
            write_json(path, Lease.of_this_process(self.access.token).to_json())
            write_json(self.path / "spec.json", {"run": self.id, **spec})
        except OSError:  # a full disk: a lease without a specification would look alive
            path.unlink(missing_ok=True)
            raise
        (self.path / "failure.json").unlink(missing_ok=True)
        return True

    def give_to_job(self, launch: str, cluster: str, job: str) -> bool:
        """Write a job into the lease; False if the lease is no longer that of the launch.

        The caller holds the lock of the home.
        """
        lease = self.lease()
        if lease is None or lease.launch != launch:
            return False
        if (lease.cluster, lease.job) != (cluster, job):
            renewed = replace(lease, cluster=cluster, job=job)
            write_json(self.path / "claim.json", renewed.to_json())
        return True

    def take(self, launch: str, cluster: str, job: str) -> bool:
        """Start on the run in a job; False if the launch that submitted it has lost the run."""
        with files.locked(self.access.lock):
            return self.give_to_job(launch, cluster, job)

    def release(self) -> None:
        """Give the claimed run back, finished or not."""
        self._set_damaged_aside("claim.json", Lease)
        (self.path / "claim.json").unlink(missing_ok=True)

    def lease(self) -> Lease | None:
        """The lease, alive or dead; a damaged one counts as absent."""
        return self._read_or_notice("claim.json", Lease)

    def queue_entry(self) -> tuple[str, str] | None:
        """Slurm's state and reason for the job of the run; None if no such job is to come."""
        lease = self.lease()
        if lease is None or not lease.job:
            return None
        return self.access.queue.state(lease.cluster, lease.user, lease.job)

    # What an attempt at the claimed run writes.

    def begin_attempt(self, provenance: Mapping[str, Any]) -> None:
        """Record that an execution starts, and what earlier ones have left to go on from.

        Raises:
            ValueError: if a launch that was taken for dead has finished the run.
        """
        if self.is_done():
            raise ValueError(f"{self.id} is finished already")
        for name in ("attempts.json", "progress.json"):
            self._set_damaged_aside(name, RENEWED[name])
        begun = {**provenance, "found": self._left_over(), "ended": "unknown"}
        write_json(self.path / "attempts.json", [*self.attempts(), begun])

    def end_attempt(self, ended: str) -> None:
        """Record how an execution ended, unless the run is finished."""
        attempts = self.attempts()
        if attempts and not self.is_done():
            attempts[-1]["ended"] = ended
            write_json(self.path / "attempts.json", attempts)

    def num_in_vain(self, launch: str) -> int:
        """How many of a launch's last attempts in a row left nothing new to go on from."""
        left_over, count = self._left_over(), 0
        for attempt in reversed(self.attempts()):
            if attempt["found"] != left_over or attempt.get("launch") != launch:
                break
            count += 1
        return count

    def _left_over(self) -> list[str]:
        """Names of the stage's files; of a preparation how many files its corpus has.

        Checkpoints have their step in their names. All parts of a preparation fill one corpus: what
        one part adds counts as progress of the others too.
        """
        spec = self.any_spec()
        corpus = spec["fills"] if spec is not None and "fills" in spec else None
        folder = self.files if corpus is None else Path(corpus)
        paths = (path for path in folder.rglob("*") if not path.name.startswith("."))
        names = sorted(str(path.relative_to(folder)) for path in paths if path.is_file())
        return names if corpus is None else [f"{len(names)} files"]

    def report(self, fraction: float, text: str) -> None:
        """Write how far the run is, for a display: the finished fraction, 0-1, and a line."""
        write_json(self.path / "progress.json", {"fraction": fraction, "text": text})

    def finish(self, result: Mapping[str, Any], upstream: Mapping[str, str] | None = None) -> None:
        """Record success. This is the last file that a run writes.

        Args:
            result: what the stage returned.
            upstream: digests of the results that it was made from, by run.

        Raises:
            ValueError: if the result is none, or holds a number that is not finite.
        """
        path = self.path / "result.json"
        self.end_attempt("finished")
        sealed = records.seal(result, self.id, upstream or {}, self._seals_beside())
        try:
            records.check(sealed, self._kind_of_result(), path)
        except DamagedFileError as problem:
            raise ValueError(f"the stage gave no valid result: {problem.why}") from None
        write_json(path, sealed)

    def fail(self, reason: str) -> None:
        """Record failure, unless the run is done or the attempt has already said why it failed."""
        if not self.is_done() and self.failure() is None:
            self.end_attempt(f"failed: {reason}")
            write_json(self.path / "failure.json", {"reason": reason})

    # What a person decides.

    def move_aside(self) -> Path:
        """Move the folder to ``.aside`` beside it, without deleting anything; its new place.

        A job whose state is UNKNOWN does not prevent it: its cluster may be gone, and a person who
        names the run knows.

        Raises:
            ValueError: if a living launch or job works on the run.
        """
        with files.locked(self.access.lock):
            entry = self.queue_entry()
            is_unknown = entry is not None and entry[0] == "UNKNOWN"
            is_over = is_unknown or self.state() == "done"
            if not is_over and self._held() is not None:
                raise ValueError(f"{self.id} is being made by a live launch")
            return files.set_aside(self.path)

    def accept(self, code: str) -> None:
        """Let the result, which other code made, stand for the code with the full hash ``code``."""
        self._set_damaged_aside("accepted.json", list[str])
        write_json(self.path / "accepted.json", sorted({*self.accepted(), code}))

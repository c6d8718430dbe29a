"""The home folder: prepared corpora and run directories. No other file touches ``runs/``.

    <home>/corpora/<name>-<key>/          a prepared corpus
    <home>/runs/<run id>/                 spec.json, claim.json, progress.json, attempts.json,
                                          failure.json, accepted.json, log.txt, files/, and last of
                                          all result.json
    <home>/runs/.aside/                   what --force moved away
    <home>/runs/<run id>/.aside/          damaged files that were made again
    <home>/launches/<host>-<pid>          touched while a launch lives
    <home>/jobs/, <home>/snapshots/       of clusters: what the scheduler ran, and with what code
    <home>/preparations/                  a home of the jobs that prepare corpora on a cluster

State is what these files say. Nothing is ever deleted but claims, and the reason of a failure when
the run is tried again.
"""

import contextlib
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.store import files, records
from benchmarks.store.files import DamagedFileError, write_json
from benchmarks.store.lease import DEAD_AFTER_SECONDS, Lease, is_recent, this_user
from benchmarks.store.records import Attempt, Failure, Progress
from benchmarks.store.run_records import RunRecords
from slurm.scheduler import Queue

State = Literal["done", "running", "queued", "failed", "resume", "new", "damaged"]
HEARTBEAT_SECONDS = 20.0

RENEWED = {
    "claim.json": Lease,
    "progress.json": Progress,
    "attempts.json": list[Attempt],
    "failure.json": Failure,
}
"""Files that the next attempt at an unfinished run makes again."""

ClaimRun = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Home(RunRecords):
    """Everything a machine or a cluster keeps for the suite, below one folder.

    Attributes:
        queue: asked about the jobs that claims name.
        token: of the launch that this object serves.
    """

    queue: Queue = field(default_factory=lambda: Queue(this_user()), compare=False)
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)
    _above: Path | None = field(default=None, compare=False)

    @property
    def corpora(self) -> Path:
        """Folder of the prepared corpora."""
        return self.root / "corpora"

    @property
    def jobs(self) -> Path:
        """Folder of what a cluster's scheduler was given and gave back."""
        return self.root / "jobs"

    @property
    def launches(self) -> Path:
        """Folder of the heartbeats of launches."""
        return (self._above or self.root) / "launches"

    def preparations(self) -> "Home":
        """The home of the jobs that prepare corpora; the same launch and the same queue."""
        return replace(self, root=self.root / "preparations", _above=self.root)

    def files(self, run_id: str) -> Path:
        """The folder that belongs to the stage: checkpoints, weights, features."""
        return self._path(run_id, "files")

    def log(self, run_id: str, rank: int = 0) -> Path:
        """What all attempts at a run printed; what its ranks other than the first did, apart."""
        return self._path(run_id, f"log-rank{rank}.txt" if rank else "log.txt")

    def state(self, run_id: str) -> State:
        """What the files of a run say about it, and of a submitted one the queue.

        Raises:
            OSError: if only the scheduler can tell, and it does not answer.
        """
        if self.damage(run_id) is not None:
            return "damaged"
        if self.is_done(run_id):
            return "done"
        held = self._held(run_id)
        if held is not None:
            return held
        if self.is_done(run_id):  # it ended while the question was asked
            return "done"
        if self._has(run_id, "failure.json"):
            return "failed"
        return "resume" if self.attempts(run_id) else "new"

    def _held(self, run_id: str) -> Literal["running", "queued"] | None:
        """Whether somebody alive has a run."""
        if not os.path.isdir(self.runs / run_id):
            return None
        try:
            claim = self._read(run_id, "claim.json", Lease)
        except DamagedFileError as problem:
            # Nobody knows whether its writer lives; a run that is being made changes its folder.
            if is_recent(self.runs / run_id):
                minutes = DEAD_AFTER_SECONDS / 60
                words = f"the run counts as running until nothing changes for {minutes:g} minutes"
                self.name_damage(problem, words)
                return "running"
            self.name_damage(problem, "it counts as absent")
            return None
        if claim is None or not claim.is_alive(self.launches, self.queue):
            return None
        return "queued" if self._waits(claim) else "running"

    def _waits(self, claim: Lease) -> bool:
        entry = self.queue.state(claim.cluster, claim.user, claim.job) if claim.job else None
        return entry is not None and entry[0] == "PENDING"

    @contextlib.contextmanager
    def preparing(self, path: Path) -> Iterator[None]:
        """Only one launch at a time prepares the corpus at ``path``; others wait."""
        with files.locked(path.with_name(f".{path.name}.lock")):
            yield

    # Claims: at most one launch, or one job, works on a run.

    @contextlib.contextmanager
    def launch(self) -> Iterator[None]:
        """While inside, claims of this process count as alive on every host that sees the home."""
        beat = self.launches / f"{socket.gethostname()}-{os.getpid()}"
        beat.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(beat) and not files.is_regular(beat):
            self._set_aside(beat)
        beat.touch()  # before the first claim, not whenever the thread gets its turn
        over = threading.Event()

        def keep() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                with contextlib.suppress(OSError):  # the file system may be back next time
                    beat.touch()

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            beat.unlink(missing_ok=True)

    @contextlib.contextmanager
    def claiming(self) -> Iterator[ClaimRun]:
        """Lease many runs while no other launch does; gives the function that claims one.

        It takes a run for this launch, unless it is finished or damaged or somebody alive has it.
        A claim whose launch or job is dead is taken over, and damaged files that can be made again
        are moved aside. Jobs get into claims under the same lock, so that the queue, asked inside,
        knows every job that a claim names.

        Raises:
            OSError: if a claim names a job and the scheduler does not answer.
        """
        with self._lock():
            self.queue.forget()
            yield self._claim

    def claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        """Lease one run; see :meth:`claiming`."""
        with self.claiming() as claim:
            return claim(run_id, spec)

    def _claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        if self.state(run_id) in ("done", "running", "queued", "damaged"):
            return False
        folder = self.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        for name, kind in RENEWED.items():
            self._set_damaged_aside(folder / name, kind)
        for log in folder.glob("log*.txt"):
            if not files.is_regular(log):
                self._set_aside(log)
        path = folder / "claim.json"
        try:
            write_json(path, Lease.of_this_process(self.token).to_json())
            write_json(folder / "spec.json", {"run": run_id, **spec})
        except OSError:  # a full disk: a claim without a specification would look alive
            path.unlink(missing_ok=True)
            raise
        (folder / "failure.json").unlink(missing_ok=True)
        return True

    def _set_damaged_aside(self, path: Path, kind: Any) -> None:
        try:
            records.read(path, kind)
        except DamagedFileError as problem:
            self.name_damage(problem, "it is moved aside")
            self._set_aside(path)

    def _set_aside(self, path: Path) -> None:
        target = files.set_aside(path)
        print(f"moved aside: {path} -> .aside/{target.name}", file=sys.stderr, flush=True)

    def hand_over(self, jobs: Mapping[str, str]) -> None:
        """Say which submitted job (id) has each run of this launch from now on."""
        with self._lock():
            for run_id, job in jobs.items():
                self._set_job(run_id, self.token, self.queue.cluster(), job)

    def take(self, run_id: str, launch: str, cluster: str, job: str) -> bool:
        """Start on a run in a job; False if the launch that submitted it has lost the run."""
        with self._lock():
            return self._set_job(run_id, launch, cluster, job)

    def _set_job(self, run_id: str, launch: str, cluster: str, job: str) -> bool:
        claim = self.claimed(run_id)
        if claim is None or claim.launch != launch:
            return False
        if (claim.cluster, claim.job) != (cluster, job):
            path = self._path(run_id, "claim.json")
            write_json(path, replace(claim, cluster=cluster, job=job).to_json())
        return True

    def release(self, run_id: str) -> None:
        """Give a claimed run back, finished or not."""
        path = self._path(run_id, "claim.json")
        self._set_damaged_aside(path, Lease)
        path.unlink(missing_ok=True)

    def claimed(self, run_id: str) -> Lease | None:
        """The claim on a run, alive or dead; a damaged one counts as absent."""
        return self._read_or_name(run_id, "claim.json", Lease)

    def queue_entry(self, run_id: str) -> tuple[str, str] | None:
        """Slurm's state and reason for the job of a run; None if no such job is to come."""
        claim = self.claimed(run_id)
        if claim is None or not claim.job:
            return None
        return self.queue.state(claim.cluster, claim.user, claim.job)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with files.locked(self.root / ".lock"):
            yield

    # What happens to a claimed run.

    def begin_attempt(self, run_id: str, provenance: Mapping[str, Any]) -> None:
        """Record that an execution starts, and what earlier ones have left to go on from.

        Raises:
            ValueError: if the run is finished, by somebody who was taken for dead.
        """
        if self.is_done(run_id):
            raise ValueError(f"{run_id} is finished already")
        for name in ("attempts.json", "progress.json"):
            self._set_damaged_aside(self._path(run_id, name), RENEWED[name])
        begun = {**provenance, "found": self._left(run_id), "ended": "unknown"}
        write_json(self._path(run_id, "attempts.json"), [*self.attempts(run_id), begun])

    def end_attempt(self, run_id: str, ended: str) -> None:
        """Record how an execution ended, unless the run is finished."""
        attempts = self.attempts(run_id)
        if attempts and not self.is_done(run_id):
            attempts[-1]["ended"] = ended
            write_json(self._path(run_id, "attempts.json"), attempts)

    def num_in_vain(self, run_id: str, launch: str) -> int:
        """How many of a launch's last attempts in a row left nothing new to go on from."""
        left, count = self._left(run_id), 0
        for attempt in reversed(self.attempts(run_id)):
            if attempt["found"] != left or attempt.get("launch") != launch:
                break
            count += 1
        return count

    def _left(self, run_id: str) -> list[str]:
        """Names of the stage's files, or how many the corpus has that a preparation fills.

        Checkpoints bear their step in their names. A corpus grows by all of its parts: what one
        does counts for the others too.
        """
        spec = self.any_spec(run_id)
        corpus = spec["fills"] if spec is not None and "fills" in spec else None
        folder = self.files(run_id) if corpus is None else Path(corpus)
        found = (path for path in folder.rglob("*") if not path.name.startswith("."))
        names = sorted(str(path.relative_to(folder)) for path in found if path.is_file())
        return names if corpus is None else [f"{len(names)} files"]

    def report(self, run_id: str, fraction: float, text: str) -> None:
        """Let a display see how far a run is."""
        write_json(self._path(run_id, "progress.json"), {"fraction": fraction, "text": text})

    def finish(
        self, run_id: str, result: Mapping[str, Any], upstream: Mapping[str, str] | None = None
    ) -> None:
        """Record success; the last file that a run writes.

        Args:
            run_id: the run.
            result: what came out.
            upstream: digests of the results that it was made from, by run.

        Raises:
            ValueError: if the result is none, or holds a number that is not finite.
        """
        path = self._path(run_id, "result.json")
        self.end_attempt(run_id, "finished")
        sealed = records.seal(result, run_id, upstream or {}, self._seals_beside(run_id))
        try:
            records.check(sealed, self._kind_of_result(run_id), path)
        except DamagedFileError as problem:
            raise ValueError(f"the stage gave no valid result: {problem.why}") from None
        write_json(path, sealed)

    def fail(self, run_id: str, reason: str) -> None:
        """Record failure, unless the run is done or the attempt has already said why it failed."""
        if not self.is_done(run_id) and self.failure(run_id) is None:
            self.end_attempt(run_id, f"failed: {reason}")
            write_json(self._path(run_id, "failure.json"), {"reason": reason})

    def move_aside(self, run_id: str) -> Path:
        """Take a run out of sight without deleting anything.

        A job whose state is UNKNOWN, of a cluster that may be gone, does not prevent it: who names
        the run knows better.

        Raises:
            ValueError: if somebody alive is working on it.
        """
        with self._lock():
            entry = self.queue_entry(run_id)
            is_unknown = entry is not None and entry[0] == "UNKNOWN"
            over = is_unknown or self.state(run_id) == "done"
            if not over and self._held(run_id) is not None:
                raise ValueError(f"{run_id} is being made by a live launch")
            return files.set_aside(self.runs / run_id)

    # Results of other code, accepted by name.

    def accept(self, run_id: str, code: str) -> None:
        """Let a result of other code stand for the code with the full hash ``code``."""
        path = self._path(run_id, "accepted.json")
        self._set_damaged_aside(path, list[str])
        write_json(path, sorted({*self.accepted(run_id), code}))

"""The home folder: prepared corpora and run directories. No other file touches ``runs/``.

    <home>/corpora/<name>-<key>/          a prepared corpus
    <home>/runs/<run id>/                 spec.json, claim.json, progress.json, attempts.json,
                                          failure.json, accepted.json, log.txt, files/, and last of
                                          all result.json
    <home>/runs/.aside/                   what --force moved away
    <home>/launches/<host>-<pid>          touched while a launch lives
    <home>/jobs/, <home>/snapshots/       of clusters: what the scheduler ran, and with what code
    <home>/preparations/                  a home of the jobs that prepare corpora on a cluster

State is what these files say; nothing is ever deleted but claims.
"""

import contextlib
import fcntl
import functools
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.claims import Claim, is_recent, this_user
from benchmarks.files import read_json, write_json
from slurm.scheduler import Queue

State = Literal["done", "running", "queued", "failed", "resume", "new"]
HEARTBEAT_SECONDS = 20.0

ClaimRun = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Home:
    """Everything a machine or a cluster keeps for the suite, below one folder.

    Attributes:
        root: the folder.
        queue: asked about the jobs that claims name.
        token: of the launch that this object serves.
    """

    root: Path
    queue: Queue = field(default_factory=lambda: Queue(this_user()), compare=False)
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)
    _above: Path | None = field(default=None, compare=False)

    @property
    def corpora(self) -> Path:
        """Folder of the prepared corpora."""
        return self.root / "corpora"

    @functools.cached_property
    def runs(self) -> Path:
        """Folder of the run directories."""
        return self.root / "runs"

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

    def _path(self, run_id: str, name: str) -> Path:
        return self.runs.joinpath(run_id, name)

    # Text and not Path: a look at thousands of runs asks tens of thousands of times.

    def _has(self, run_id: str, name: str) -> bool:
        return os.path.exists(f"{self.runs}/{run_id}/{name}")

    def _read(self, run_id: str, name: str) -> Any:
        return read_json(f"{self.runs}/{run_id}/{name}")

    def spec(self, run_id: str) -> dict[str, Any] | None:
        """What the run is, as it was claimed."""
        spec: dict[str, Any] | None = self._read(run_id, "spec.json")
        return spec

    def result(self, run_id: str) -> dict[str, Any] | None:
        """The finished run's record; None means not finished."""
        result: dict[str, Any] | None = self._read(run_id, "result.json")
        return result

    def finished_at(self, run_id: str) -> float:
        """When a finished run finished, in seconds since 1970."""
        return self._path(run_id, "result.json").stat().st_mtime

    def failure(self, run_id: str) -> dict[str, Any] | None:
        """Why the last attempt failed."""
        failure: dict[str, Any] | None = self._read(run_id, "failure.json")
        return failure

    def reason(self, run_id: str) -> str:
        """Why the last attempt failed; ``?`` if it did not, or another launch has begun anew."""
        return str((self.failure(run_id) or {}).get("reason", "?"))

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """Every execution so far, with the code, packages and device it had."""
        attempts: list[dict[str, Any]] = self._read(run_id, "attempts.json") or []
        return attempts

    def progress(self, run_id: str) -> tuple[float, str]:
        """The last fraction and line that a running stage reported."""
        progress = self._read(run_id, "progress.json") or {"fraction": 0.0, "text": ""}
        return progress["fraction"], progress["text"]

    def run_ids(self) -> list[str]:
        """All runs this home knows."""
        if not self.runs.is_dir():
            return []
        return sorted(p.name for p in self.runs.iterdir() if not p.name.startswith("."))

    def state(self, run_id: str) -> State:
        """What the files of a run say about it, and of a submitted one the queue.

        Raises:
            OSError: if only the scheduler can tell, and it does not answer.
        """
        if self.is_done(run_id):
            return "done"
        try:
            claim = self.claimed(run_id)
        except ValueError:  # its writer died, or is writing it this moment
            if is_recent(self.runs / run_id):
                return "running"
            claim = None
        if claim is not None and claim.lives(self.launches, self.queue):
            return "queued" if self._waits(claim) else "running"
        if self.is_done(run_id):  # it ended while the question was asked
            return "done"
        if self._has(run_id, "failure.json"):
            return "failed"
        return "resume" if self.attempts(run_id) else "new"

    def is_done(self, run_id: str) -> bool:
        """Whether a run is finished; cheaper to ask than :meth:`state`."""
        return self._has(run_id, "result.json")

    def _waits(self, claim: Claim) -> bool:
        entry = self.queue.state(claim.cluster, claim.user, claim.job) if claim.job else None
        return entry is not None and entry[0] == "PENDING"

    @contextlib.contextmanager
    def preparing(self, path: Path) -> Iterator[None]:
        """Only one launch at a time prepares the corpus at ``path``; others wait."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Claims: at most one launch, or one job, works on a run.

    @contextlib.contextmanager
    def launch(self) -> Iterator[None]:
        """While inside, claims of this process count as alive on every host that sees the home."""
        beat = self.launches / f"{socket.gethostname()}-{os.getpid()}"
        beat.parent.mkdir(parents=True, exist_ok=True)
        beat.touch()  # before the first claim, not whenever the thread gets its turn
        over = threading.Event()

        def keep() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
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
        """Claim many runs while no other launch does; gives the function that claims one.

        It takes a run for this launch, unless it is finished or somebody alive has it. A claim
        whose launch or job is dead is taken over. Jobs get into claims under the same lock, so
        that the queue, asked inside, knows every job that a claim names.

        Raises:
            ValueError: if a directory holds another run: two specifications with one short hash.
            OSError: if a claim names a job and the scheduler does not answer.
        """
        with self._lock():
            self.queue.forget()
            yield self._claim

    def claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        """Claim one run; see :meth:`claiming`."""
        with self.claiming() as claim:
            return claim(run_id, spec)

    def _claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        folder = self.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        if self.state(run_id) in ("done", "running", "queued"):
            return False
        before = self.spec(run_id)
        if before is not None and before["identity"] != spec["identity"]:
            raise ValueError(f"{run_id} holds another run; move it aside: --force {run_id}")
        path = folder / "claim.json"
        path.unlink(missing_ok=True)
        try:
            with path.open("x") as file:
                json.dump(Claim.of_this_process(self.token).to_json(), file)
            write_json(folder / "spec.json", dict(spec))
        except OSError:  # a full disk: half a claim would look alive
            path.unlink(missing_ok=True)
            raise
        (folder / "failure.json").unlink(missing_ok=True)
        return True

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
        self._path(run_id, "claim.json").unlink(missing_ok=True)

    def claimed(self, run_id: str) -> Claim | None:
        """The claim on a run, alive or dead.

        Raises:
            ValueError: if it is damaged.
        """
        data = self._read(run_id, "claim.json")
        try:
            return None if data is None else Claim(**data)
        except TypeError:
            raise ValueError(f"{run_id}: claim.json is of another version; remove it") from None

    def queue_entry(self, run_id: str) -> tuple[str, str] | None:
        """Slurm's state and reason for the job of a run; None if no such job is to come."""
        try:
            claim = self.claimed(run_id)
        except ValueError:
            return None
        if claim is None or not claim.job:
            return None
        return self.queue.state(claim.cluster, claim.user, claim.job)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # What happens to a claimed run.

    def begin_attempt(self, run_id: str, provenance: Mapping[str, Any]) -> None:
        """Record that an execution starts, and what earlier ones have left to go on from."""
        begun = {**provenance, "found": self._left(run_id), "ended": "unknown"}
        write_json(self._path(run_id, "attempts.json"), [*self.attempts(run_id), begun])

    def end_attempt(self, run_id: str, ended: str) -> None:
        """Record how an execution ended."""
        attempts = self.attempts(run_id)
        if attempts:
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
        corpus = (self.spec(run_id) or {}).get("fills")
        folder = self.files(run_id) if corpus is None else Path(corpus)
        found = (path for path in folder.rglob("*") if not path.name.startswith("."))
        names = sorted(str(path.relative_to(folder)) for path in found if path.is_file())
        return names if corpus is None else [f"{len(names)} files"]

    def report(self, run_id: str, fraction: float, text: str) -> None:
        """Let a display see how far a run is."""
        write_json(self._path(run_id, "progress.json"), {"fraction": fraction, "text": text})

    def finish(self, run_id: str, result: Mapping[str, Any]) -> None:
        """Record success; the last file that a run writes."""
        self.end_attempt(run_id, "finished")
        write_json(self._path(run_id, "result.json"), dict(result))

    def fail(self, run_id: str, reason: str) -> None:
        """Record failure, unless the attempt has already said why it failed."""
        if self.failure(run_id) is None:
            self.end_attempt(run_id, f"failed: {reason}")
            write_json(self._path(run_id, "failure.json"), {"reason": reason})

    def move_aside(self, run_id: str) -> Path:
        """Take a run out of sight without deleting anything.

        That a job lives which this host cannot ask about, of a cluster that may be gone, is no
        hindrance: who says so by name knows.

        Raises:
            ValueError: if somebody alive is working on it.
        """
        with self._lock():
            entry = self.queue_entry(run_id)
            is_unknown = entry is not None and entry[0] == "UNKNOWN"
            if not is_unknown and self.state(run_id) in ("running", "queued"):
                raise ValueError(f"{run_id} is being made by a live launch")
            aside = self.runs / ".aside"
            aside.mkdir(exist_ok=True)
            number = sum(p.name.startswith(run_id) for p in aside.iterdir())
            target = aside / f"{run_id}.{number}"
            (self.runs / run_id).rename(target)
        return target

    # Results of other code, accepted by name.

    def accept(self, run_id: str, code: str) -> None:
        """Let a result of other code stand for the code with the full hash ``code``."""
        path = self._path(run_id, "accepted.json")
        write_json(path, sorted({*(read_json(path) or []), code}))

    def accepted(self, run_id: str) -> list[str]:
        """Hashes of the code that a person let this result stand for."""
        accepted: list[str] = self._read(run_id, "accepted.json") or []
        return accepted

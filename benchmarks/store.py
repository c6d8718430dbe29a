"""The home folder: prepared corpora and run directories. No other file touches ``runs/``.

    <home>/corpora/<name>-<key>/          a prepared corpus
    <home>/runs/<run id>/                 spec.json, claim.json, progress.json, attempts.json,
                                          failure.json, accepted.json, log.txt, files/, and last of
                                          all result.json
    <home>/runs/.aside/                   what --force moved away
    <home>/launches/<host>-<pid>          touched while a launch lives

State is what these files say; nothing is ever deleted but claims.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["done", "running", "failed", "resume", "new"]
HEARTBEAT_SECONDS = 20.0
DEAD_AFTER_SECONDS = 300.0


def write_json(path: Path, data: object) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part.

    Raises:
        ValueError: if ``data`` holds a number that is not finite.
    """
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def _read(path: Path) -> Any:
    """The content of a JSON file; None if there is none.

    Raises:
        ValueError: if it is damaged.
    """
    if not path.exists():
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as problem:
        raise ValueError(f"{path} is damaged ({problem}); move it away") from None


def _process_start(pid: int) -> str | None:
    """When a process of this host started, in the kernel's ticks; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _recent(path: Path) -> bool:
    """Changed within five minutes; a time in the future was written before the clock was set."""
    return abs(time.time() - path.stat().st_mtime) < DEAD_AFTER_SECONDS


@dataclass(frozen=True)
class Home:
    """Everything a machine or a cluster keeps for the suite, below one folder."""

    root: Path

    @property
    def corpora(self) -> Path:
        """Folder of the prepared corpora."""
        return self.root / "corpora"

    @property
    def runs(self) -> Path:
        """Folder of the run directories."""
        return self.root / "runs"

    def files(self, run_id: str) -> Path:
        """The folder that belongs to the stage: checkpoints, weights, features."""
        return self.runs / run_id / "files"

    def log(self, run_id: str) -> Path:
        """What all attempts at a run printed."""
        return self.runs / run_id / "log.txt"

    def spec(self, run_id: str) -> dict[str, Any] | None:
        """What the run is, as it was claimed."""
        spec: dict[str, Any] | None = _read(self.runs / run_id / "spec.json")
        return spec

    def result(self, run_id: str) -> dict[str, Any] | None:
        """The finished run's record; None means not finished."""
        result: dict[str, Any] | None = _read(self.runs / run_id / "result.json")
        return result

    def finished_at(self, run_id: str) -> float:
        """When a finished run finished, in seconds since 1970."""
        return (self.runs / run_id / "result.json").stat().st_mtime

    def failure(self, run_id: str) -> dict[str, Any] | None:
        """Why the last attempt failed."""
        failure: dict[str, Any] | None = _read(self.runs / run_id / "failure.json")
        return failure

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """Every execution so far, with the code, packages and device it had."""
        attempts: list[dict[str, Any]] = _read(self.runs / run_id / "attempts.json") or []
        return attempts

    def progress(self, run_id: str) -> tuple[float, str]:
        """The last fraction and line that a running stage reported."""
        progress = _read(self.runs / run_id / "progress.json") or {"fraction": 0.0, "text": ""}
        return progress["fraction"], progress["text"]

    def run_ids(self) -> list[str]:
        """All runs this home knows."""
        if not self.runs.is_dir():
            return []
        return sorted(p.name for p in self.runs.iterdir() if not p.name.startswith("."))

    def state(self, run_id: str) -> State:
        """What the files of a run say about it."""
        folder = self.runs / run_id
        if (folder / "result.json").exists():
            return "done"
        if self._claim_lives(run_id):
            return "running"
        if (folder / "failure.json").exists():
            return "failed"
        return "resume" if self.attempts(run_id) else "new"

    @contextlib.contextmanager
    def preparing(self, path: Path) -> Iterator[None]:
        """Only one launch at a time prepares the corpus at ``path``; others wait."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Claims: at most one launch works on a run.

    @contextlib.contextmanager
    def launch(self) -> Iterator[None]:
        """While inside, claims of this process count as alive on every host that sees the home."""
        beat = self.root / "launches" / f"{socket.gethostname()}-{os.getpid()}"
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

    def claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        """Take a run for this process, unless it is finished or a live launch has it.

        A claim whose launch is dead is taken over.

        Raises:
            ValueError: if the directory holds another run: two specifications with one short hash.
        """
        folder = self.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if self.state(run_id) in ("done", "running"):
                return False
            before = self.spec(run_id)
            if before is not None and before["identity"] != spec["identity"]:
                raise ValueError(f"{run_id} holds another run; move it aside: --force {run_id}")
            path = folder / "claim.json"
            path.unlink(missing_ok=True)
            mine = {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "process_start": _process_start(os.getpid()),
            }
            try:
                with path.open("x") as file:
                    json.dump(mine, file)
                write_json(folder / "spec.json", dict(spec))
            except OSError:  # a full disk: half a claim would look alive
                path.unlink(missing_ok=True)
                raise
            (folder / "failure.json").unlink(missing_ok=True)
        return True

    def release(self, run_id: str) -> None:
        """Give a claimed run back, finished or not."""
        (self.runs / run_id / "claim.json").unlink(missing_ok=True)

    def _claim_lives(self, run_id: str) -> bool:
        try:
            claim = _read(self.runs / run_id / "claim.json")
        except ValueError:  # its writer died, or is writing it this moment
            return _recent(self.runs / run_id)
        if claim is None:
            return False
        if claim["host"] == socket.gethostname():
            return _process_start(claim["pid"]) == claim["process_start"]
        beat = self.root / "launches" / f"{claim['host']}-{claim['pid']}"
        return beat.exists() and _recent(beat)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.root / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # What happens to a claimed run.

    def begin_attempt(self, run_id: str, provenance: Mapping[str, Any]) -> None:
        """Record that an execution starts."""
        attempts = [*self.attempts(run_id), {**provenance, "ended": "unknown"}]
        write_json(self.runs / run_id / "attempts.json", attempts)

    def _end_attempt(self, run_id: str, ended: str) -> None:
        attempts = self.attempts(run_id)
        if attempts:
            attempts[-1]["ended"] = ended
            write_json(self.runs / run_id / "attempts.json", attempts)

    def report(self, run_id: str, fraction: float, text: str) -> None:
        """Let a display see how far a run is."""
        write_json(self.runs / run_id / "progress.json", {"fraction": fraction, "text": text})

    def finish(self, run_id: str, result: Mapping[str, Any]) -> None:
        """Record success; the last file that a run writes."""
        self._end_attempt(run_id, "finished")
        write_json(self.runs / run_id / "result.json", dict(result))

    def fail(self, run_id: str, reason: str) -> None:
        """Record failure, unless the attempt has already said why it failed."""
        if self.failure(run_id) is None:
            self._end_attempt(run_id, f"failed: {reason}")
            write_json(self.runs / run_id / "failure.json", {"reason": reason})

    def move_aside(self, run_id: str) -> Path:
        """Take a run out of sight without deleting anything.

        Raises:
            ValueError: if a live launch is working on it.
        """
        with self._lock():
            if self._claim_lives(run_id):
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
        path = self.runs / run_id / "accepted.json"
        write_json(path, sorted({*(_read(path) or []), code}))

    def accepted(self, run_id: str) -> list[str]:
        """Hashes of the code that a person let this result stand for."""
        accepted: list[str] = _read(self.runs / run_id / "accepted.json") or []
        return accepted

"""The home folder: prepared corpora and runs. Only this room touches ``runs/``.

    <home>/corpora/<name>-<key>/          a prepared corpus
    <home>/runs/<run id>/                 spec.json, claim.json, progress.json, attempts.json,
                                          failure.json, accepted.json, log.txt, files/, and last of
                                          all result.json
    <home>/runs/.aside/                   what --force moved away
    <home>/runs/<run id>/.aside/          damaged files that were made again
    <home>/claims/<digest>.json           what the tables' files claimed at a launch
    <home>/speed/<scale>-<precision>.json how fast this machine computes
    <home>/launches/<host>-<pid>          touched while a launch lives
    <home>/jobs/, <home>/snapshots/       of clusters: what the scheduler ran, and with what code
    <home>/preparations/                  a home of the jobs that prepare corpora on a cluster

The state of a run is what these files say. Nothing is ever deleted but leases, and the reason of a
failure when the run is tried again.
"""

import contextlib
import functools
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.store import files, records
from benchmarks.store.files import DamagedFileError
from benchmarks.store.lease import this_user
from benchmarks.store.records import TableClaims
from benchmarks.store.run_folder import Access, RunFolder, set_aside
from benchmarks.store.run_records import DamageNotices
from slurm.job_queue import Queue

HEARTBEAT_SECONDS = 20.0

ClaimRun = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Home:
    """Everything a machine or a cluster keeps for the suite, below one folder.

    Attributes:
        root: the folder.
        queue: asked about the jobs that leases name.
        token: of the launch that this process serves.
        notices: says which files are damaged.
    """

    root: Path
    queue: Queue = field(default_factory=lambda: Queue(this_user()), compare=False)
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)
    notices: DamageNotices = field(default_factory=DamageNotices, compare=False, repr=False)
    _above: Path | None = field(default=None, compare=False)

    @property
    def runs(self) -> Path:
        """Folder of the runs' folders."""
        return self.root / "runs"

    @property
    def corpora(self) -> Path:
        """Folder of the prepared corpora."""
        return self.root / "corpora"

    @property
    def jobs(self) -> Path:
        """Folder of what a cluster's scheduler was given and gave back."""
        return self.root / "jobs"

    def speed(self, name: str) -> Path:
        """File with how fast this machine computes, of the scale and precision ``name``."""
        return self.root / "speed" / f"{name}.json"

    def keep_claims(self, fixed: Mapping[str, Any]) -> None:
        """Keep what the tables' files claim, under its digest, which the runs of a launch record.

        Args:
            fixed: :class:`TableClaims` by table.
        """
        digest = files.digest(fixed)
        path = self._claims(digest)
        try:
            is_there = self._read_claims(digest) is not None
        except DamagedFileError as problem:
            self.notices.say_once(problem, "it is moved aside")
            set_aside(path)
            is_there = False
        if not is_there:
            files.write_json(path, fixed)

    def claims_of(self, table: str, digest: str) -> list[dict[str, Any]]:
        """The claims of a table that were fixed at a launch; empty if nothing says so."""
        try:
            fixed = self._read_claims(digest) or {}
        except DamagedFileError as problem:
            self.notices.say_once(problem, "the claims that it fixed count as exploratory")
            return []
        return fixed[table]["claims"] if table in fixed else []

    def _claims(self, digest: str) -> Path:
        return self.root / "claims" / f"{digest}.json"

    def _read_claims(self, digest: str) -> dict[str, TableClaims] | None:
        path = self._claims(digest)
        fixed = records.read(path, dict[str, TableClaims])
        if fixed is not None and files.digest(fixed) != digest:
            raise DamagedFileError(path, "its content does not fit its name")
        return fixed

    @property
    def launches(self) -> Path:
        """Folder of the heartbeats of launches."""
        return (self._above or self.root) / "launches"

    def preparations(self) -> "Home":
        """The home of the jobs that prepare corpora; the same launch and the same queue."""
        return replace(self, root=self.root / "preparations", _above=self.root)

    def run_ids(self) -> list[str]:
        """Names of all runs in this home."""
        if not self.runs.is_dir():
            return []
        return sorted(p.name for p in self.runs.iterdir() if not p.name.startswith("."))

    def descendants(self, run_ids: Iterable[str]) -> list[str]:
        """The runs of this home that rest on some runs, directly or not.

        Runs whose specification cannot be read are not among them.
        """
        upstream: dict[str, set[str]] = {}
        for run_id in self.run_ids():
            with contextlib.suppress(DamagedFileError):
                spec = self.run(run_id).spec()
                upstream[run_id] = set(spec["upstream"].values()) if spec is not None else set()
        known, reached = set(run_ids), set(run_ids)
        while reached:
            reached = {i for i, others in upstream.items() if others & reached} - known
            known |= reached
        return sorted(known - set(run_ids))

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether it is there or not."""
        return RunFolder(self._runs, run_id, self.notices, self._access)

    @functools.cached_property
    def _runs(self) -> str:
        return str(self.runs)

    @functools.cached_property
    def _access(self) -> Access:
        return Access(self.queue, self.token, self.launches, self._lock)

    @property
    def _lock(self) -> Path:
        return self.root / ".lock"

    @contextlib.contextmanager
    def preparing(self, path: Path) -> Iterator[None]:
        """Let one launch at a time prepare the corpus at ``path``; others wait."""
        with files.locked(path.with_name(f".{path.name}.lock")):
            yield

    @contextlib.contextmanager
    def launch(self) -> Iterator[None]:
        """While inside, leases of this process count as alive on every host that sees the home."""
        beat = self.launches / f"{socket.gethostname()}-{os.getpid()}"
        beat.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(beat) and not files.is_regular(beat):
            set_aside(beat)
        beat.touch()  # before the first lease, not whenever the thread gets its turn
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
        """Claim many runs while no other launch does; gives the function that claims one.

        The function takes a run for this launch, unless the run is finished or damaged or a living
        launch or job has it. It takes over the lease of a dead launch or job, and moves damaged
        files aside that can be made again. Jobs are written into leases under the same lock, so
        that the queue, asked inside, knows every job that a lease names.

        Raises:
            OSError: if a lease names a job and the scheduler does not answer.
        """
        with files.locked(self._lock):
            self.queue.forget()
            yield lambda run_id, spec: self.run(run_id).claim(spec)

    def claim(self, run_id: str, spec: Mapping[str, Any]) -> bool:
        """Claim one run; see :meth:`claiming`."""
        with self.claiming() as claim:
            return claim(run_id, spec)

    def hand_over(self, jobs: Mapping[str, str]) -> None:
        """Write into leases of this launch which submitted job (id) has each run from now on."""
        with files.locked(self._lock):
            for run_id, job in jobs.items():
                self.run(run_id).give_to_job(self.token, self.queue.cluster(), job)

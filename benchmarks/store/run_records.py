"""The records of all runs below one folder, read: which hold, which are damaged, and why."""

import functools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmarks.store import files, records
from benchmarks.store.files import DamagedFileError
from benchmarks.store.records import (
    Attempt,
    Failure,
    Identity,
    PreparationSpec,
    Progress,
    Result,
    RunSpec,
    Sealed,
)

SEALED_TOO = ("spec.json", "attempts.json")
"""What a result rests on: it holds their digests."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class RunRecords:
    """``<root>/runs/<run id>/`` of every run.

    What a finished run rests on must hold: its ``spec.json``, ``result.json`` and
    ``attempts.json``; if one does not, :meth:`damage` says why. A damaged file that can be made
    again counts as absent, and standard error says so once.

    Attributes:
        root: the home folder.
    """

    root: Path
    _named: set[Path] = field(default_factory=set, compare=False, kw_only=True)

    @functools.cached_property
    def runs(self) -> Path:
        """Folder of the run directories."""
        return self.root / "runs"

    def _path(self, run_id: str, name: str) -> Path:
        return self.runs.joinpath(run_id, name)

    # Text and not Path: a look at thousands of runs asks tens of thousands of times.

    def _has(self, run_id: str, name: str) -> bool:
        return os.path.lexists(f"{self.runs}/{run_id}/{name}")

    def _read(self, run_id: str, name: str, kind: type[Record]) -> Record | None:
        return records.read(f"{self.runs}/{run_id}/{name}", kind)

    def _read_or_name(self, run_id: str, name: str, kind: type[Record]) -> Record | None:
        try:
            return self._read(run_id, name, kind)
        except DamagedFileError as problem:
            self.name_damage(problem, "it counts as absent")
            return None

    def name_damage(self, problem: DamagedFileError, what_follows: str) -> None:
        """Say once on standard error that a file is damaged."""
        if problem.path not in self._named:
            self._named.add(problem.path)
            print(f"{problem}; {what_follows}", file=sys.stderr, flush=True)

    def run_ids(self) -> list[str]:
        """All runs this home knows."""
        if not self.runs.is_dir():
            return []
        return sorted(p.name for p in self.runs.iterdir() if not p.name.startswith("."))

    def exists(self, run_id: str) -> bool:
        """Whether anything is in the place of a run's folder."""
        return os.path.lexists(f"{self.runs}/{run_id}")

    def is_done(self, run_id: str) -> bool:
        """Whether a run has ended with a result, sound or damaged."""
        return self._has(run_id, "result.json")

    def any_spec(self, run_id: str) -> RunSpec | PreparationSpec | None:
        """What a run, or the preparation of a corpus, is, as it was claimed.

        Raises:
            DamagedFileError: if it is damaged, or another run's.
        """
        path = f"{self.runs}/{run_id}/spec.json"
        data = files.read_json(path)
        if data is None:
            return None
        prepares = isinstance(data, dict) and "fills" in data
        kind: Any = PreparationSpec if prepares else RunSpec
        spec = cast(RunSpec | PreparationSpec, records.check(data, kind, path))
        if (whose := spec.get("run", run_id)) != run_id:
            raise DamagedFileError(path, f"it is of run {whose}")
        return spec

    def spec(self, run_id: str) -> RunSpec | None:
        """What a run is, as it was claimed; None if nobody has claimed it, or for a preparation.

        Raises:
            DamagedFileError: as :meth:`any_spec`.
        """
        spec = self.any_spec(run_id)
        return None if spec is None or "fills" in spec else spec

    def result(self, run_id: str) -> Result | None:
        """The finished run's record; None means not finished.

        Raises:
            DamagedFileError: if it is damaged, or another run's.
        """
        found = self._result(run_id, Result)
        return None if found is None else found[0]

    def _result(self, run_id: str, kind: type[Record]) -> tuple[Record, str] | None:
        """The record and its digest, which is that of the file: 1 and 1.0 are not the same."""
        path = f"{self.runs}/{run_id}/result.json"
        data = files.read_json(path)
        if data is None:
            return None
        result = records.check(data, kind, path)
        records.check_seal(data, run_id, path)
        return result, records.digest(data)

    def _kind_of_result(self, run_id: str) -> type[Sealed]:
        """A preparation has no metrics."""
        spec = self.any_spec(run_id)
        return Sealed if spec is not None and "fills" in spec else Result

    def seal_of(self, run_id: str) -> str | None:
        """The digest of a finished run's result; None if there is no sound one."""
        try:
            found = self._result(run_id, Result)
        except DamagedFileError:
            return None
        return None if found is None else found[1]

    def _seals_beside(self, run_id: str) -> dict[str, str]:
        """The digests of the files that a result rests on, as far as they are there."""
        contents = {name: files.read_json(self._path(run_id, name)) for name in SEALED_TOO}
        return {n: files.digest(data) for n, data in contents.items() if data is not None}

    def finished_at(self, run_id: str) -> float:
        """When a finished run finished, in seconds since 1970."""
        return self._path(run_id, "result.json").stat().st_mtime

    def failure(self, run_id: str) -> Failure | None:
        """Why the last attempt failed; a damaged record says so in place of the reason."""
        try:
            return self._read(run_id, "failure.json", Failure)
        except DamagedFileError as problem:
            return {"reason": str(problem)}

    def reason(self, run_id: str) -> str:
        """Why the last attempt failed; ``?`` if it did not, or another launch has begun anew."""
        failure = self.failure(run_id)
        return "?" if failure is None else failure["reason"]

    def attempts(self, run_id: str) -> list[Attempt]:
        """Every execution so far, with the code, packages and device it had."""
        return self._read_or_name(run_id, "attempts.json", list[Attempt]) or []

    def progress(self, run_id: str) -> tuple[float, str]:
        """The last fraction and line that a running stage reported."""
        progress = self._read_or_name(run_id, "progress.json", Progress)
        return (0.0, "") if progress is None else (progress["fraction"], progress["text"])

    def accepted(self, run_id: str) -> list[str]:
        """Hashes of the code that a person let this result stand for."""
        return self._read_or_name(run_id, "accepted.json", list[str]) or []

    def damage(self, run_id: str, spec: str = "", code: str = "") -> str | None:
        """Why the records that a run rests on cannot be believed; None if they can.

        Args:
            run_id: the run.
            spec: hash of the specification that it must have, or the beginning of the hash.
            code: hash of the code that must have made it, or the beginning of the hash.
        """
        try:
            self._check(run_id, spec, code)
        except DamagedFileError as problem:
            return f"{problem.path.name} is damaged: {problem.why}"
        return None

    def _check(self, run_id: str, spec_hash: str, code_hash: str) -> None:
        folder = f"{self.runs}/{run_id}"
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise DamagedFileError(folder, "it is no folder")
        spec = self.any_spec(run_id)
        if spec is not None and spec_hash:
            named = Identity(spec="", code="") if "fills" in spec else spec["identity"]
            if not (named["spec"].startswith(spec_hash) and named["code"].startswith(code_hash)):
                raise DamagedFileError(f"{folder}/spec.json", "it is of another run")
        if not self.is_done(run_id):
            return
        if spec is None:
            raise DamagedFileError(f"{folder}/spec.json", "it is missing beside result.json")
        path = f"{folder}/result.json"
        found = self._result(run_id, self._kind_of_result(run_id))
        if found is None:
            return
        result, _ = found
        if "run" in spec and "digest" not in result:
            raise DamagedFileError(path, "its digest is missing")
        for other, seal in result.get("upstream", {}).items():
            if self.seal_of(other) not in (seal, None):
                raise DamagedFileError(path, f"it was made from another result of {other}")
        self._read(run_id, "attempts.json", list[Attempt])
        beside = self._seals_beside(run_id)
        for name, seal in result.get("beside", beside).items():
            if beside.get(name) != seal:
                raise DamagedFileError(f"{folder}/{name}", "its digest is not that in result.json")

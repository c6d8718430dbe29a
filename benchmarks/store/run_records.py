"""The records in the folder of one run, read: which hold, which are damaged, and why."""

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
"""The other files that a result rests on: it holds their digests."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class DamageNotices:
    """Says on standard error which files are damaged, once for each file."""

    _paths: set[Path] = field(default_factory=set)

    def say_once(self, problem: DamagedFileError, consequence: str) -> None:
        """Name a damaged file and what follows from the damage."""
        if problem.path not in self._paths:
            self._paths.add(problem.path)
            print(f"{problem}; {consequence}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class RunRecords:
    """The records of one run.

    A finished run rests on its ``spec.json``, ``result.json`` and ``attempts.json``. If one of them
    is damaged, :meth:`damage` says why. Any other damaged file can be made again: it counts as
    absent, and standard error says so once.

    Attributes:
        runs: folder of all runs. It is text, not a ``Path``: a look at thousands of runs opens tens
            of thousands of files.
        id: name of the run and of its folder.
        notices: says which files are damaged.
    """

    runs: str
    id: str
    notices: DamageNotices = field(repr=False, compare=False)

    @functools.cached_property
    def _folder(self) -> str:
        return f"{self.runs}/{self.id}"

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return Path(self._folder)

    def _has(self, name: str) -> bool:
        return os.path.lexists(f"{self._folder}/{name}")

    def _read(self, name: str, kind: type[Record]) -> Record | None:
        return records.read(f"{self._folder}/{name}", kind)

    def _read_or_notice(self, name: str, kind: type[Record]) -> Record | None:
        try:
            return self._read(name, kind)
        except DamagedFileError as problem:
            self.notices.say_once(problem, "it counts as absent")
            return None

    def exists(self) -> bool:
        """Whether anything is in the place of the folder."""
        return os.path.lexists(self._folder)

    def is_done(self) -> bool:
        """Whether the run has ended with a result, sound or damaged."""
        return self._has("result.json")

    def any_spec(self) -> RunSpec | PreparationSpec | None:
        """The specification of the run, or of the preparation of a corpus, as it was claimed.

        Raises:
            DamagedFileError: if it is damaged, or another run's.
        """
        path = f"{self._folder}/spec.json"
        data = files.read_json(path)
        if data is None:
            return None
        prepares = isinstance(data, dict) and "fills" in data
        kind: Any = PreparationSpec if prepares else RunSpec
        spec = cast(RunSpec | PreparationSpec, records.check(data, kind, path))
        if (named := spec.get("run", self.id)) != self.id:
            raise DamagedFileError(path, f"it is of run {named}")
        return spec

    def spec(self) -> RunSpec | None:
        """The specification as it was claimed; None before, and for a preparation.

        Raises:
            DamagedFileError: as :meth:`any_spec`.
        """
        spec = self.any_spec()
        return None if spec is None or "fills" in spec else spec

    def result(self) -> Result | None:
        """The result; None until the run is finished.

        Raises:
            DamagedFileError: if it is damaged, or another run's.
        """
        sealed = self._sealed_result(Result)
        return None if sealed is None else sealed[0]

    def _sealed_result(self, kind: type[Record]) -> tuple[Record, str] | None:
        """The result and its digest.

        The digest is that of the file: in the checked record a 1 may have become 1.0.
        """
        path = f"{self._folder}/result.json"
        data = files.read_json(path)
        if data is None:
            return None
        result = records.check(data, kind, path)
        records.check_seal(data, self.id, path)
        return result, records.digest(data)

    def _kind_of_result(self) -> type[Sealed]:
        """The record that ``result.json`` holds: a preparation has no metrics."""
        spec = self.any_spec()
        return Sealed if spec is not None and "fills" in spec else Result

    def seal(self) -> str | None:
        """The digest of the result; None if there is no sound one."""
        try:
            sealed = self._sealed_result(Result)
        except DamagedFileError:
            return None
        return None if sealed is None else sealed[1]

    def _seals_beside(self) -> dict[str, str]:
        """The digests of the other files that the result rests on, as far as they are there."""
        contents = {name: files.read_json(self.path / name) for name in SEALED_TOO}
        return {n: files.digest(data) for n, data in contents.items() if data is not None}

    def finished_at(self) -> float:
        """The time at which a finished run finished, in seconds since 1970."""
        return os.stat(f"{self._folder}/result.json").st_mtime

    def failure(self) -> Failure | None:
        """Why the last attempt failed; a damaged record says so in place of the reason."""
        try:
            return self._read("failure.json", Failure)
        except DamagedFileError as problem:
            return {"reason": str(problem)}

    def reason(self) -> str:
        """Why the last attempt failed; ``?`` if it did not, or another launch has begun anew."""
        failure = self.failure()
        return "?" if failure is None else failure["reason"]

    def attempts(self) -> list[Attempt]:
        """Every execution so far, with the code, packages and device it had."""
        return self._read_or_notice("attempts.json", list[Attempt]) or []

    def progress(self) -> tuple[float, str]:
        """The finished fraction, 0-1, and the line of text that a running stage reported last."""
        progress = self._read_or_notice("progress.json", Progress)
        return (0.0, "") if progress is None else (progress["fraction"], progress["text"])

    def accepted(self) -> list[str]:
        """Hashes of the code that a person let the result stand for."""
        return self._read_or_notice("accepted.json", list[str]) or []

    def damage(self, spec: str = "", code: str = "") -> str | None:
        """Why the records that the run rests on cannot be believed; None if they can.

        Args:
            spec: hash of the specification that it must have, or the beginning of the hash.
            code: hash of the code that must have made it, or the beginning of the hash.
        """
        try:
            self._check(spec, code)
        except DamagedFileError as problem:
            return f"{problem.path.name} is damaged: {problem.why}"
        return None

    def _check(self, spec_hash: str, code_hash: str) -> None:
        if os.path.lexists(self._folder) and not os.path.isdir(self._folder):
            raise DamagedFileError(self._folder, "it is no folder")
        spec = self.any_spec()
        if spec is not None and spec_hash:
            named = Identity(spec="", code="") if "fills" in spec else spec["identity"]
            if not (named["spec"].startswith(spec_hash) and named["code"].startswith(code_hash)):
                raise DamagedFileError(f"{self._folder}/spec.json", "it is of another run")
        if not self.is_done():
            return
        if spec is None:
            raise DamagedFileError(f"{self._folder}/spec.json", "it is missing beside result.json")
        path = f"{self._folder}/result.json"
        sealed = self._sealed_result(self._kind_of_result())
        if sealed is None:
            return
        result, _ = sealed
        if "run" in spec and "digest" not in result:
            raise DamagedFileError(path, "its digest is missing")
        for other, seal in result.get("upstream", {}).items():
            if RunRecords(self.runs, other, self.notices).seal() not in (seal, None):
                raise DamagedFileError(path, f"it was made from another result of {other}")
        self._read("attempts.json", list[Attempt])
        beside = self._seals_beside()
        for name, seal in result.get("beside", beside).items():
            if beside.get(name) != seal:
                problem = "its digest is not that in result.json"
                raise DamagedFileError(f"{self._folder}/{name}", problem)

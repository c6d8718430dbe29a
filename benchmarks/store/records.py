"""What the files of a run hold, checked once, when they are read.

A finished run's ``result.json`` is sealed: it holds the name of its run, the digests of the results
that it was made from and of the records beside it, and the digest of all that. A record that does
not fit is damaged.
"""

import functools
import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeVar, cast, final

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from benchmarks.store import files
from benchmarks.store.files import DamagedFileError, read_json

CONFIG = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Seal = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunName = Annotated[str, Field(pattern=r"^[^/\x00-\x1f]+$")]
Fraction = Annotated[float, Field(ge=-1, le=1)]  # adjusted metrics may fall below zero
Fractions = dict[str, Fraction | None]


def _check_resolved(resolved: dict[str, Any]) -> dict[str, Any]:
    """Check the stage and the name of the method, which estimates of cost read."""
    method = resolved.get("method", {"name": ""})
    if not isinstance(resolved.get("stage"), str):
        raise ValueError("it names no stage")
    if not isinstance(method, dict) or not isinstance(method.get("name"), str):
        raise ValueError("its method has no name")
    return resolved


Resolved = Annotated[dict[str, Any], AfterValidator(_check_resolved)]


@with_config(CONFIG)
class Identity(TypedDict):
    """The full hashes; a run's name has their first digits."""

    spec: str
    code: str


@final
@with_config(CONFIG)
class RunSpec(TypedDict):
    """``spec.json``: what a run is. Older records lack its name, ``run``."""

    run: NotRequired[RunName]
    identity: Identity
    resolved: Resolved
    upstream: dict[str, str]
    clips: Count
    flops: Amount


@final
@with_config(CONFIG)
class PreparationSpec(TypedDict):
    """``spec.json`` of a job that prepares a corpus, or a part of one, in the folder ``fills``."""

    run: NotRequired[RunName]
    fills: Annotated[str, Field(pattern=r"^[^\x00]+$")]


@with_config(CONFIG)
class Sealed(TypedDict):
    """``result.json`` of any run; older records lack all of these.

    ``upstream`` holds the digest of each result that this one was made from, by run; ``beside``
    those of the run's other records, by file name; ``digest`` that of the rest of the result.
    """

    run: NotRequired[RunName]
    upstream: NotRequired[dict[RunName, Seal]]
    beside: NotRequired[dict[str, Seal]]
    digest: NotRequired[Seal]


@with_config(CONFIG)
class ItemError(TypedDict):
    """Standard errors of a mean over test items, as ``iicl.item_errors`` explains them.

    ``standard_error`` takes items of one recording as one, ``standard_error_items`` takes all items
    as independent; None where there are fewer than two.
    """

    num_items: Count
    num_groups: Count
    standard_error: Amount | None
    standard_error_items: Amount | None


@with_config(CONFIG)
class Result(Sealed):
    """``result.json`` of a run, unless it is a preparation."""

    metrics: Fractions
    chance: NotRequired[Fractions]
    item_errors: NotRequired[dict[str, ItemError]]
    num_evaluated: NotRequired[Count]
    num_expected: NotRequired[Count]
    selection: NotRequired[str]
    seconds: Amount
    num_ranks: NotRequired[Annotated[int, Field(ge=1)]]
    clips_per_second: NotRequired[Amount | None]
    peak_memory_bytes: NotRequired[Count]


@with_config(CONFIG)
class Attempt(TypedDict):
    """One execution: software, machine, place, the files it began with (``found``), its end.

    ``claims`` is the digest of the claims that were fixed at its launch. Older records lack it, and
    the instruction set and the libraries that choose kernels by it.
    """

    commit: str
    python: str
    packages: dict[str, str]
    processor: str
    cores: Count
    gpu: str
    threads: Count
    site: str
    instruction_set: NotRequired[str]
    kernels: NotRequired[dict[str, str]]
    num_ranks: Count
    num_nodes: Count
    found: list[str]
    ended: str
    claims: NotRequired[Seal]
    launch: NotRequired[str]
    job: NotRequired[str]
    host: NotRequired[str]


@with_config(CONFIG)
class TableClaims(TypedDict):
    """What the file of a table fixed: its judged claims, and the tolerances of its columns."""

    claims: list[dict[str, Any]]
    tolerances: dict[str, Amount]


@with_config(CONFIG)
class Failure(TypedDict):
    """``failure.json``."""

    reason: str


@with_config(CONFIG)
class Progress(TypedDict):
    """``progress.json``: the finished fraction, and a line of text."""

    fraction: Amount
    text: str


@with_config(CONFIG)
class Speed(TypedDict):
    """``speed/<scale>-<precision>.json``: how fast one machine carries out stages.

    ``machine`` says what the speed depends on. ``seconds_per_flop`` is by stage, of one of the
    processes that run side by side. ``preparation_pace`` is how many times as long as the scale
    assumes it takes one core to generate a clip and to prepare it; older records lack it.
    """

    machine: dict[str, str]
    seconds_per_flop: dict[str, Amount]
    preparation_pace: NotRequired[Amount]


@with_config(CONFIG)
class CorpusHeader(TypedDict):
    """The first line of a prepared corpus's manifest: the keys that the suite reads."""

    hash: str
    reader: str
    num_items: Count
    num_usable: Count
    counts: dict[str, Count]


Record = TypeVar("Record")


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read(path: Path | str, kind: type[Record]) -> Record | None:
    """The record in a file; None if there is none.

    Raises:
        DamagedFileError: if something else is in the file, or in its place.
        OSError: if the file system fails.
    """
    data = read_json(path)
    return None if data is None else check(data, kind, path)


def check(data: Any, kind: type[Record], path: Path | str) -> Record:
    """``data`` of the file ``path`` as a record.

    Raises:
        DamagedFileError: if it is none.
    """
    try:
        record: Record = _adapter(cast(Any, kind)).validate_python(data)
    except ValidationError as problem:
        raise DamagedFileError(path, _words(problem)) from None
    return record


def _words(problem: ValidationError) -> str:
    first = problem.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "it"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where} is {reprlib.repr(first['input'])}: {first['msg']}"


def digest(result: Mapping[str, Any]) -> str:
    """The digest of a result: of all that it holds, but for the digest itself."""
    return files.digest({key: value for key, value in result.items() if key != "digest"})


def seal(
    result: Mapping[str, Any], run: str, upstream: Mapping[str, str], beside: Mapping[str, str]
) -> dict[str, Any]:
    """What ``result.json`` of a run is to hold.

    Args:
        result: what came out.
        run: the name of the run.
        upstream: digests of the results that it was made from, by run.
        beside: digests of the run's other records, by file name.

    Raises:
        ValueError: if a number is not finite.
    """
    whole = {**result, "run": run, "upstream": dict(upstream), "beside": dict(beside)}
    stored: dict[str, Any] = json.loads(json.dumps(whole, allow_nan=False))  # as it is read again
    return {**stored, "digest": digest(stored)}


def check_seal(result: Mapping[str, Any], run: str, path: Path | str) -> None:
    """Compare a result with its seal and with the name of the run that it stands for.

    Raises:
        DamagedFileError: if one of them does not fit.
    """
    if "digest" not in result:
        return
    if result["digest"] != digest(result):
        raise DamagedFileError(path, "its content does not fit its digest")
    if result.get("run") != run:
        raise DamagedFileError(path, f"it is of run {result.get('run')}")

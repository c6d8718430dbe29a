"""One attempt at one run, inside the process or the tasks of a job that a site started for it."""

import contextlib
import importlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.store import provenance
from benchmarks.store.home import Home

REPORT_SECONDS = 0.5

Report = Callable[[float, str], None]


def run(
    *,
    run_id: str,
    stages: str,
    home: Path,
    resolved: Mapping[str, Any],
    corpora: Mapping[str, Path],
    upstream: Mapping[str, str],
    execution: Mapping[str, Any],
    place: Mapping[str, Any],
    rank: int = 0,
) -> None:
    """Carry out a claimed run and record its result, or why there is none.

    Args:
        run_id: the run, claimed by the launch that started this job.
        stages: name of the module that carries stages out.
        home: root of the home folder.
        resolved: everything that defines the stage.
        corpora: folders of prepared corpora by name.
        upstream: ids of finished runs by role.
        execution: how to carry it out; never part of the run's identity.
        place: where this attempt is, for its record: ``site``, ``num_ranks``, ``num_nodes``.
        rank: number of this task among those of the run.

    Raises:
        Exception: whatever the stage raised, after it was recorded.
    """
    store, start = Home(home), time.monotonic()
    with attempt(store, run_id, stages, place, rank, upstream.values()) as report:
        files = store.files(run_id)
        files.mkdir(parents=True, exist_ok=True)
        seals = _seals(store, upstream.values())
        result = importlib.import_module(stages).run(
            resolved,
            corpora=corpora,
            upstream={role: store.files(other) for role, other in upstream.items()},
            out=files,
            execution=execution,
            report=report,
        )
        if rank == 0:
            store.finish(run_id, {**result, "seconds": time.monotonic() - start}, seals)


def prepare(
    *,
    run_id: str,
    stages: str,
    home: Path,
    function: str,
    arguments: Mapping[str, Any],
    place: Mapping[str, Any],
    rank: int,
) -> None:
    """Carry out a claimed preparation of a corpus, or of a part of one.

    Args:
        run_id: the preparation.
        stages: name of the module that prepares.
        home: root of the home folder of preparations.
        function: of that module.
        arguments: for it, but for ``num_workers`` and ``progress``.
        place: where this attempt is, for its record.
        rank: 0; a preparation is a single task.

    Raises:
        Exception: whatever the function raised, after it was recorded.
    """
    store = Home(home)
    with attempt(store, run_id, stages, place, rank) as report:
        decoding = {
            "num_workers": int(os.environ.get("SLURM_CPUS_PER_TASK", "1")),
            "progress": lambda done, total: report(done / total, f"{done} of {total} items"),
        }
        more = {} if function == "assemble" else decoding
        getattr(importlib.import_module(stages), function)(**arguments, **more)
        store.finish(run_id, {})


@contextlib.contextmanager
def attempt(
    store: Home,
    run_id: str,
    stages: str,
    place: Mapping[str, Any],
    rank: int,
    upstream: Collection[str] = (),
) -> Iterator[Report]:
    """Surrounds one attempt and records how it ended, unless it finished.

    Args:
        store: the home.
        run_id: the run.
        stages: name of the module that tells interruptions from failures.
        place: where this attempt is.
        rank: only the first one records anything but a failure of its own.
        upstream: runs that an error may name.

    Yields:
        what the stage may call with its finished fraction, 0-1, and a line of text.
    """
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        if rank == 0 and time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            store.report(run_id, fraction, text)

    try:
        if rank == 0:
            described = provenance.describe(int(os.environ.get("OMP_NUM_THREADS", "0")))
            store.begin_attempt(run_id, {**described, **place})
        yield report
    except Exception as problem:
        why = importlib.import_module(stages).interruption(problem)
        if why is not None and rank == 0:
            store.end_attempt(run_id, why)
        if why is None:
            again = [f"; --force {other}" for other in upstream if other in str(problem)]
            whose = f"rank {rank}: " if rank else ""
            store.fail(run_id, f"{whose}{type(problem).__name__}: {problem}{''.join(again)}")
        raise


def _seals(store: Home, run_ids: Collection[str]) -> dict[str, str]:
    """Seals of the results that a run is made from, as they are before it reads them.

    Raises:
        ValueError: if one is not there, or damaged.
    """
    seals = {}
    for run_id in run_ids:
        seal = store.seal_of(run_id)
        if seal is None:
            raise ValueError(f"{run_id}: {store.damage(run_id) or 'it has no result'}")
        seals[run_id] = seal
    return seals

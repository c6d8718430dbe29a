"""One attempt at one run, in the process or in the tasks of the job that a site started for it."""

import contextlib
import importlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.store import provenance
from benchmarks.store.home import Home
from benchmarks.store.run_folder import RunFolder

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
    claims: str,
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
        claims: digest of what the tables' files claimed at the launch, for the attempt's record.
        place: where this attempt is, for its record: ``site``, ``num_ranks``, ``num_nodes``.
        rank: number of this task among those of the run.

    Raises:
        Exception: the one that the stage raised, after it was recorded.
    """
    start, store = time.monotonic(), Home(home)
    run_folder = store.run(run_id)
    about = {**place, "claims": claims}
    with attempt(run_folder, stages, about, rank, upstream.values()) as report:
        run_folder.files.mkdir(parents=True, exist_ok=True)
        seals = _seals(store, upstream.values())
        result = importlib.import_module(stages).run(
            resolved,
            corpora=corpora,
            upstream={role: store.run(other).files for role, other in upstream.items()},
            out=run_folder.files,
            execution=execution,
            report=report,
        )
        if rank == 0:
            run_folder.finish({**result, "seconds": time.monotonic() - start}, seals)


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
        function: its name in that module.
        arguments: of the function, except ``num_workers`` and ``progress``.
        place: where this attempt is, for its record.
        rank: 0; a preparation is a single task.

    Raises:
        Exception: the one that the function raised, after it was recorded.
    """
    run_folder = Home(home).run(run_id)
    with attempt(run_folder, stages, place, rank) as report:
        decoding = {
            "num_workers": int(os.environ.get("SLURM_CPUS_PER_TASK", "1")),
            "progress": lambda done, total: report(done / total, f"{done} of {total} items"),
        }
        how = {} if function == "assemble" else decoding
        getattr(importlib.import_module(stages), function)(**arguments, **how)
        run_folder.finish({})


@contextlib.contextmanager
def attempt(
    run: RunFolder,
    stages: str,
    place: Mapping[str, Any],
    rank: int,
    upstream: Collection[str] = (),
) -> Iterator[Report]:
    """Record one attempt: how it begins and, unless the run is finished, how it ended.

    Args:
        run: the claimed run.
        stages: name of the module that tells interruptions from failures.
        place: where this attempt is, for its record.
        rank: number of this task; any but the first one records nothing but its own failure.
        upstream: runs whose names an error may hold.

    Yields:
        a function that the stage may call with its finished fraction, 0-1, and a line of text.
    """
    last = 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        if rank == 0 and time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            run.report(fraction, text)

    try:
        if rank == 0:
            machine = provenance.describe(int(os.environ.get("OMP_NUM_THREADS", "0")))
            kernels = importlib.import_module(stages).kernels()
            run.begin_attempt({**machine, "kernels": kernels, **place})
        yield report
    except Exception as problem:
        interruption = importlib.import_module(stages).interruption(problem)
        if interruption is not None and rank == 0:
            run.end_attempt(interruption)
        if interruption is None:
            remedies = [f"; --force {other}" for other in upstream if other in str(problem)]
            prefix = f"rank {rank}: " if rank else ""
            run.fail(f"{prefix}{type(problem).__name__}: {problem}{''.join(remedies)}")
        raise


def _seals(home: Home, run_ids: Collection[str]) -> dict[str, str]:
    """The digests of the results that a run is made from, as they are before it reads them.

    Raises:
        ValueError: if a result is missing or damaged.
    """
    seals = {}
    for run in map(home.run, run_ids):
        seal = run.seal()
        if seal is None:
            raise ValueError(f"{run.id}: {run.damage() or 'it has no result'}")
        seals[run.id] = seal
    return seals

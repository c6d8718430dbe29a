"""One attempt at one run, inside the job that a site started for it."""

import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import provenance
from benchmarks.store import Home

REPORT_SECONDS = 0.5


def run(
    *,
    run_id: str,
    stages: str,
    home: Path,
    resolved: Mapping[str, Any],
    corpora: Mapping[str, Path],
    upstream: Mapping[str, str],
    execution: Mapping[str, Any],
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
    """
    store = Home(home)
    store.begin_attempt(run_id, provenance.describe(int(os.environ.get("OMP_NUM_THREADS", "0"))))
    start, last = time.monotonic(), 0.0

    def report(fraction: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            store.report(run_id, fraction, text)

    try:
        files = store.files(run_id)
        files.mkdir(parents=True, exist_ok=True)
        result = importlib.import_module(stages).run(
            resolved,
            corpora=corpora,
            upstream={role: store.files(other) for role, other in upstream.items()},
            out=files,
            execution=execution,
            report=report,
        )
        _check(result)
        store.finish(run_id, {**result, "seconds": time.monotonic() - start})
    except Exception as problem:
        again = [f"; --force {other}" for other in upstream.values() if other in str(problem)]
        store.fail(run_id, f"{type(problem).__name__}: {problem}{''.join(again)}")
        raise


def _check(result: Mapping[str, Any]) -> None:
    """A metric that is no fraction must not reach a table; adjusted ones may fall below zero."""
    for group in ("metrics", "chance"):
        for name, value in result.get(group, {}).items():
            if value is not None and not -1 <= value <= 1:
                raise ValueError(f"{group}.{name} is {value!r}, not between -1 and 1")

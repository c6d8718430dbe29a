"""What a run is, as its folder records it, and what the function that makes it is called with."""

from typing import Any

from benchmarks.plan import Run
from benchmarks.request import Launch


def record(run: Run) -> dict[str, Any]:
    """The content of ``spec.json``."""
    return {
        "identity": {"spec": run.spec, "code": run.code},
        "resolved": dict(run.resolved),
        "upstream": dict(run.upstream),
        "corpus": {"name": run.corpus.name, "hash": run.corpus.hash, "is": run.corpus.summary},
        "clips": run.work.clips,
        "flops": run.work.flops,
    }


def arguments(launch: Launch, run: Run) -> dict[str, Any]:
    """Keyword arguments of :func:`benchmarks.worker.run`."""
    return {
        "run_id": run.id,
        "stages": launch.stages.__name__,
        "home": launch.home.root,
        "resolved": run.resolved,
        "corpora": {run.corpus.name: run.corpus.path},
        "upstream": run.upstream,
        "execution": launch.scale.execution,
    }

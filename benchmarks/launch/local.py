"""Carrying out a plan in processes of this machine, while its launcher lives."""

import sys

from benchmarks.launch import display
from benchmarks.launch.request import Request
from benchmarks.plan.graph import Plan, Run
from slurm import launcher
from slurm.site import ProcessSite


def prepare(request: Request, current: Plan) -> Plan:
    """Prepare what is not prepared; take in what changed in a real copy."""
    from joblib import cpu_count  # knows a process's affinity and its container's limit

    changed = False
    for corpus in current.used_corpora():
        if corpus.source is None and not corpus.to_prepare:
            continue
        with request.home.preparing(corpus.path):
            if corpus.source is None and request.stages.corpus_header(corpus.path):
                changed = True
                continue
            with (
                launcher.environment(request.site.environment),
                display.progress(f"preparing {corpus.name}") as advance,
            ):
                header = request.stages.prepare(
                    corpus.name,
                    corpus.source,
                    corpus.generate,
                    corpus.preparation,
                    corpus.path,
                    cpu_count(),
                    advance,
                )
        changed = changed or corpus.to_prepare or header["hash"] != corpus.hash
    if changed:
        current = request.plan()
        for corpus in current.used_corpora():
            print(corpus.summary, file=sys.stderr)
    return current


def run(request: Request, current: Plan) -> None:
    """Claim what is missing and run it; a run that another live launch has is left to it."""
    assert isinstance(request.site, ProcessSite)
    home = request.home
    claimed: dict[str, Run] = {}
    try:
        with home.claiming() as claim:
            for run in current.to_do():
                ready = all(i in claimed or home.state(i) == "done" for i in run.upstream.values())
                if ready and claim(run.id, run.record()):
                    claimed[run.id] = run
        if not claimed:
            return
        place = {"site": request.site.name, "num_ranks": 1, "num_nodes": 1}
        jobs = [
            launcher.Job(
                run.id,
                "benchmarks.launch.attempt:run",
                {**request.call(run), "place": place},
                tuple(i for i in run.upstream.values() if i in claimed),
                home.log(run.id),
            )
            for run in claimed.values()
        ]
        with display.ProgressDisplay(home, len(claimed)) as bars:

            def on_event(event: launcher.JobEvent) -> None:
                if event.kind == "started":
                    bars.started(event.job.id)
                    return
                if event.kind == "failed":
                    home.fail(event.job.id, event.message)
                home.release(event.job.id)
                bars.ended(event.job.id, event.kind, event.message)

            launcher.launch(
                jobs,
                request.site,
                preload=[*request.stages.PRELOAD, "benchmarks.launch.attempt"],
                on_event=on_event,
                tick=bars.tick,
            )
    finally:
        for run_id in claimed:
            home.release(run_id)

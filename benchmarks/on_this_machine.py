"""Carrying out a plan in processes of this machine, while its launcher lives."""

import sys

from benchmarks import call, terminal
from benchmarks.plan import Plan, Run
from benchmarks.request import Launch
from slurm import launcher
from slurm.site import ProcessSite


def prepare(launch: Launch, current: Plan) -> Plan:
    """Prepare what is not prepared; take in what changed in a real copy."""
    from joblib import cpu_count  # knows a process's affinity and its container's limit

    changed = False
    for corpus in current.used_corpora():
        if corpus.source is None and not corpus.to_prepare:
            continue
        with launch.home.preparing(corpus.path):
            if corpus.source is None and launch.stages.corpus_header(corpus.path):
                changed = True
                continue
            with (
                launcher.environment(launch.site.environment),
                terminal.progress(f"preparing {corpus.name}") as advance,
            ):
                header = launch.stages.prepare(
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
        current = launch.plan()
        for corpus in current.used_corpora():
            print(corpus.summary, file=sys.stderr)
    return current


def run(launch: Launch, current: Plan) -> None:
    """Claim what is missing and run it; a run that another live launch has is left to it."""
    assert isinstance(launch.site, ProcessSite)
    home = launch.home
    claimed: dict[str, Run] = {}
    try:
        with home.claiming() as claim:
            for run in current.to_do():
                ready = all(i in claimed or home.state(i) == "done" for i in run.upstream.values())
                if ready and claim(run.id, call.record(run)):
                    claimed[run.id] = run
        if not claimed:
            return
        place = {"site": launch.site.name, "num_ranks": 1, "num_nodes": 1}
        jobs = [
            launcher.Job(
                run.id,
                "benchmarks.worker:run",
                {**call.arguments(launch, run), "place": place},
                tuple(i for i in run.upstream.values() if i in claimed),
                home.log(run.id),
            )
            for run in claimed.values()
        ]
        with terminal.Progress(home, len(claimed)) as display:

            def on_event(event: launcher.Event) -> None:
                if event.kind == "started":
                    display.started(event.job.id)
                    return
                if event.kind == "failed":
                    home.fail(event.job.id, event.message)
                home.release(event.job.id)
                display.ended(event.job.id, event.kind, event.message)

            launcher.launch(
                jobs,
                launch.site,
                preload=[*launch.stages.PRELOAD, "benchmarks.worker"],
                on_event=on_event,
                tick=display.tick,
            )
    finally:
        for run_id in claimed:
            home.release(run_id)

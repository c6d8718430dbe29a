"""How fast this machine carries out stages: measured once for a home, on a few generated clips.

The same stage functions run as in a launch, as many side by side as the launch uses: two cores of
a virtual machine may share one physical core.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from benchmarks.launch.request import Request
from benchmarks.plan.graph import Plan, Run
from benchmarks.store import provenance, records
from benchmarks.store.files import DamagedFileError, write_json
from benchmarks.store.records import Speed
from slurm import launcher
from slurm.cores import num_cores
from slurm.site import ProcessSite

NUM_BATCHES = 2  # of clips that are generated
NUM_EPOCHS = 3
TIMED = ("pretrain", "features", "finetune")


def known(request: Request, site: ProcessSite, plan: Plan) -> Speed | None:
    """The speed that an earlier launch measured; None if there is none of this machine and code."""
    path = _path(request)
    try:
        speed = records.read(path, Speed)
    except DamagedFileError as problem:
        print(f"{problem}; it counts as absent", file=sys.stderr)
        return None
    if speed is None or "preparation_pace" not in speed:
        return None
    return speed if speed["machine"] == _machine(site, plan) else None


def measure(request: Request, site: ProcessSite, plan: Plan) -> Speed | None:
    """Measure the speed and keep it in the home; None, with one line that says why, if it fails."""
    chain = _chain(plan)
    corpus = next((c for c in plan.used_corpora() if c.generation is not None), None)
    if not chain or corpus is None:
        return None
    assert corpus.generation is not None
    print("measuring how fast this machine computes, once for this home", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with launcher.environment(site.environment):
                counts, seconds_per_item = _generate(request, chain, corpus, folder / "corpus")
            calls = [_call(request, run, corpus.name) for run in chain]
            work = {
                run.id: request.stages.work(
                    call["resolved"], counts, _pretrained(plan, run, corpus.name)
                )
                for run, call in zip(chain, calls, strict=True)
            }
            seconds = _side_by_side(request, site, calls, corpus.name, folder)
        except (OSError, ValueError) as problem:
            print(f"the speed of this machine is not measured: {problem}", file=sys.stderr)
            return None
    per_flop: dict[str, float] = {}
    for stage in TIMED:
        runs = [run.id for run in chain if run.stage == stage and work[run.id].flops]
        if runs:
            per_flop[stage] = sum(seconds[i] for i in runs) / sum(work[i].flops for i in runs)
    speed = Speed(
        machine=_machine(site, plan),
        seconds_per_flop=per_flop,
        preparation_pace=seconds_per_item / corpus.generation.core_seconds_per_item,
    )
    write_json(_path(request), speed)
    return speed


def _path(request: Request) -> Path:
    return request.home.speed(f"{request.scale.scale}-{request.precision}")


def _machine(site: ProcessSite, plan: Plan) -> dict[str, str]:
    """All that a measured speed depends on."""
    return {
        "processor": provenance.processor(),
        "cores": str(num_cores()),
        "processes": str(site.num_processes()),
        "threads": site.environment.get("OMP_NUM_THREADS", ""),
        "torch": metadata.version("torch"),
        "code": ",".join(sorted({run.code[:8] for run in plan.runs.values() if run.work.flops})),
    }


def _chain(plan: Plan) -> list[Run]:
    """Of each stage the run that computes most, with all that these runs rest on, in order."""
    chain: dict[str, Run] = {}
    for stage in TIMED:
        runs = [run for run in plan.runs.values() if run.stage == stage and run.work.flops]
        if runs:
            most = max(run.work.flops for run in runs)
            closures = [_closure(plan, run) for run in runs if run.work.flops == most]
            chain |= min(closures, key=lambda closure: len(closure.keys() - chain.keys()))
    return [run for run in plan.runs.values() if run.id in chain]


def _closure(plan: Plan, run: Run) -> dict[str, Run]:
    """A run and all that it rests on."""
    closure = {run.id: run}
    for other in run.upstream.values():
        closure |= _closure(plan, plan.runs[other])
    return closure


def _small(resolved: Mapping[str, Any], corpus: str) -> dict[str, Any]:
    """The settings of a run, for a few epochs on the generated clips."""
    small = {**resolved, "corpus": corpus}
    if resolved.get("epochs"):
        small["epochs"] = NUM_EPOCHS
    return {**small, "fold": 1} if "fold" in resolved else small


def _pretrained(plan: Plan, run: Run, corpus: str) -> dict[str, Any] | None:
    encoder = run.upstream.get("encoder")
    return None if encoder is None else _small(plan.runs[encoder].resolved, corpus)


def _call(request: Request, run: Run, corpus: str) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "resolved": _small(run.resolved, corpus),
        "upstream": dict(run.upstream),
        "execution": request.scale.execution,
    }


def _generate(
    request: Request, chain: Sequence[Run], corpus: Any, out: Path
) -> tuple[Mapping[str, int], float]:
    """Prepare a small corpus; its counts, and the seconds of one core that an item takes."""
    batches = [
        run.resolved.get("optimisation", run.resolved).get("batch_size", 16) for run in chain
    ]
    # Half of the items of some corpora are in the train split and have sound.
    num_items = 2 * NUM_BATCHES * max(batches)
    moments: list[tuple[int, float]] = []
    header = request.stages.prepare(
        corpus.name,
        None,
        {**corpus.generate, "num_items": num_items},
        corpus.preparation,
        out,
        num_cores(),
        lambda done, total: moments.append((done, time.monotonic())),
    )
    # Each clip is generated, and then prepared. The start of the processes does not count: it takes
    # the same time for any number of clips.
    generation = [moment for moment in moments if moment[0] <= num_items]
    preparation = [moment for moment in moments if moment[0] > num_items]
    seconds = sum(_seconds_per_step(phase) for phase in (generation, preparation))
    return header["counts"], seconds * num_cores()


def _seconds_per_step(moments: Sequence[tuple[int, float]]) -> float:
    """The mean time of a step, from pairs of steps done and time."""
    if len(moments) < 2 or moments[0][0] == moments[-1][0]:
        return 0.0
    (first, begin), (last, end) = moments[0], moments[-1]
    return (end - begin) / (last - first)


def _side_by_side(
    request: Request,
    site: ProcessSite,
    calls: Sequence[Mapping[str, Any]],
    corpus: str,
    folder: Path,
) -> dict[str, float]:
    """Seconds of each run, the median over processes that carry out all of them side by side.

    Raises:
        ValueError: if a process failed.
    """
    outs = [folder / str(number) for number in range(site.num_processes())]
    jobs = [
        launcher.Job(
            out.name,
            f"{__name__}:time_runs",
            {
                "stages": request.stages.__name__,
                "calls": calls,
                "corpora": {corpus: folder / "corpus"},
                "out": out,
            },
            (),
            folder / f"{out.name}.txt",
        )
        for out in outs
    ]
    modules = {m for call in calls for m in request.stages.code_modules(call["resolved"])}
    outcome = launcher.launch(jobs, site, preload=[*request.stages.PRELOAD, *sorted(modules)])
    for job in jobs:
        if outcome[job.id] != "finished":
            words = launcher.last_lines(job.log).splitlines() or ["killed"]
            raise ValueError(words[-1])
    measured = [json.loads((out / "seconds.json").read_text()) for out in outs]
    return {name: statistics.median(m[name] for m in measured) for name in measured[0]}


def time_runs(
    *, stages: str, calls: Sequence[Mapping[str, Any]], corpora: Mapping[str, Path], out: Path
) -> None:
    """Carry out runs twice in this process, and write the seconds that the second time took.

    Args:
        stages: name of the module that carries stages out.
        calls: run id, settings, upstream and execution of each run.
        corpora: folders of prepared corpora by name.
        out: receives the files of the runs, and ``seconds.json``.
    """
    seconds: dict[str, float] = {}
    for attempt in ("first", "second"):
        for call in calls:
            folder = out / attempt / call["run_id"]
            folder.mkdir(parents=True)
            started = time.monotonic()
            import_module(stages).run(
                call["resolved"],
                corpora=corpora,
                upstream={role: out / attempt / i for role, i in call["upstream"].items()},
                out=folder,
                execution=call["execution"],
                report=lambda fraction, text: None,
            )
            seconds[call["run_id"]] = time.monotonic() - started
    write_json(out / "seconds.json", seconds)

"""What one command does, step by step: plan, show, ask, prepare, launch, collect, judge, write."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import corpora, cost, planner, provenance, terminal
from benchmarks.plan import Plan, Run
from benchmarks.scale import Scale, load_scale
from benchmarks.spec import Table
from benchmarks.store import Home
from benchmarks.tables import find_tables
from slurm import launcher

FINE, MISMATCH, INCOMPLETE, FAILED = 0, 1, 3, 4


def real_stages() -> ModuleType:
    """The module that reaches ``iicl``."""
    from benchmarks import stages

    return stages


@dataclasses.dataclass(frozen=True)
class Launch:
    """One command with everything it names found and read."""

    arguments: argparse.Namespace
    stages: ModuleType
    folder: Path
    tables: list[Table]
    scale: Scale
    site: launcher.Site
    home: Home
    data: Mapping[str, Path]
    precision: str

    def plan(self) -> Plan:
        """The plan as the files are now."""
        return planner.make(
            self.tables,
            self.scale,
            seeds=self.arguments.seeds,
            precision=self.precision,
            corpora=corpora.resolve(self.scale, self.data, self.home, self.stages, self.folder),
            home=self.home,
            stages=self.stages,
            code=self.folder,
        )

    def out(self, complete: bool) -> Path:
        """Where the tables go: only a complete, undeviating result may replace a published one."""
        if self.arguments.out:
            return Path(self.arguments.out)
        tags = [
            f"{name}.{path.resolve().name}"
            for name, path in sorted(self.data.items())
            if self.scale.corpora[name].generate is not None
        ]
        if self.arguments.seeds is not None:
            tags.append("seeds." + ".".join(map(str, self.arguments.seeds)))
        if self.arguments.precision != "auto":
            tags.append(self.arguments.precision)
        if complete and not tags:
            return self.folder / "tables" / self.scale.scale
        return self.home.root / "tables" / "-".join([self.scale.scale, *tags])


def read(arguments: argparse.Namespace, stages: ModuleType, folder: Path) -> Launch:
    """Find and check everything that the command line names.

    Raises:
        ValueError: at the first thing that does not exist or is wrong, in one line.
    """
    data: dict[str, Path] = {}
    for text in arguments.data:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ValueError(f"--data {text}: NAME=PATH is expected")
        if name in data:
            raise ValueError(f"--data {name} is given twice")
        data[name] = Path(path)
    if arguments.seeds is not None and len(set(arguments.seeds)) < len(arguments.seeds):
        raise ValueError(f"--seeds {arguments.seeds}: a seed repeats")
    if arguments.seeds is not None and min(arguments.seeds) < 0:
        raise ValueError(f"--seeds {arguments.seeds}: a seed must be 0 or more")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"--out {arguments.out}: not a folder")
    scale = load_scale(folder / "benchmarks" / "scales" / f"{arguments.scale}.yaml")
    site = launcher.load_site(arguments.cluster)
    if scale.device.unit == "GPU" and site.processes is None:
        site = dataclasses.replace(site, processes=1)  # runs side by side would share one GPU
    home = arguments.home or os.environ.get("IICL_HOME") or folder / ".iicl"
    return Launch(
        arguments,
        stages,
        folder,
        find_tables(folder / "tables", arguments.table),
        scale,
        site,
        Home(Path(home).resolve()),
        data,
        provenance.precision(arguments.precision),
    )


def carry_out(arguments: argparse.Namespace, stages: ModuleType, folder: Path) -> int:
    """Do what the command line asks; the exit code."""
    launch = read(arguments, stages, folder)
    current = _accept(launch, launch.plan())
    rates = _rates(launch.home)
    if arguments.dry_run:
        terminal.show_plan(current, rates, launch.site, to_stdout=True)
        return FINE
    missing = [c.name for c in current.used_corpora() if c.missing and c.header is None]
    if missing:
        wanted = " ".join(f"--data {name}=PATH" for name in missing)
        raise ValueError(f"scale {launch.scale.scale} needs a real copy: {wanted}")
    if not arguments.collect:
        forced = _forced(launch, current)
        terminal.show_plan(current, rates, launch.site)
        work = current.to_do() or any(c.to_prepare for c in current.used_corpora())
        if work and not _allowed(arguments):
            return INCOMPLETE
        if forced:
            current = _move_aside(launch, forced)
        if work or arguments.yes:
            with launch.home.launch():
                current = _prepare(launch, current)
                _run(launch, current)
            current = launch.plan()
    return _conclude(launch, current)


def _rates(home: Home) -> cost.Rates:
    finished = []
    for run_id in home.run_ids():
        spec, result = home.spec(run_id), home.result(run_id)
        if spec is not None and result is not None:
            finished.append((spec, result))
    return cost.Rates(finished)


def _allowed(arguments: argparse.Namespace) -> bool:
    if arguments.yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():  # None: it was closed
        print("nothing was run: there is no terminal to ask on; add --yes", file=sys.stderr)
        return False
    print("run this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _accept(launch: Launch, current: Plan) -> Plan:
    """Record the stale results that a person lets stand, and plan again."""
    for run_id in launch.arguments.accept:
        if run_id in current.runs and launch.home.accepted(run_id):
            continue  # by an earlier command
        replaced = [run for run in current.runs.values() if run_id in run.stale]
        if not replaced:
            raise ValueError(f"--accept {run_id}: no such stale result in this plan")
        launch.home.accept(run_id, replaced[0].code)
        current = launch.plan()
    return current


def _forced(launch: Launch, current: Plan) -> list[str]:
    """Runs to make again, with everything in the plan that was made from them; marked as new."""
    wanted = launch.arguments.force
    found: dict[str, None] = {}
    for run_id in current.runs if "all" in wanted else wanted:
        if run_id not in current.runs:
            raise ValueError(f"--force {run_id}: no such run in this plan")
        found.update(dict.fromkeys(current.descendants(run_id)))
    there = [run_id for run_id in found if launch.home.spec(run_id) is not None]
    for run_id in there:
        current.runs[run_id] = dataclasses.replace(current.runs[run_id], state="new")
    return there


def _move_aside(launch: Launch, run_ids: Sequence[str]) -> Plan:
    """Move runs aside and plan again."""
    for run_id in run_ids:
        target = launch.home.move_aside(run_id)
        print(f"moved aside: {run_id} -> .aside/{target.name}", file=sys.stderr)
    return launch.plan()


def _prepare(launch: Launch, current: Plan) -> Plan:
    """Prepare what is not prepared; take in what changed in a real copy."""
    changed = False
    for corpus in current.used_corpora():
        if corpus.source is None and not corpus.to_prepare:
            continue
        with launch.home.preparing(corpus.path):
            if corpus.source is None and launch.stages.corpus_header(corpus.path):
                changed = True
                continue
            with terminal.progress(f"preparing {corpus.name}") as advance:
                header = launch.stages.prepare(
                    corpus.name,
                    corpus.source,
                    corpus.generate,
                    corpus.preparation,
                    corpus.path,
                    len(os.sched_getaffinity(0)),
                    advance,
                )
        changed = changed or corpus.to_prepare or header["hash"] != corpus.hash
    if changed:
        current = launch.plan()
        for corpus in current.used_corpora():
            print(corpus.summary, file=sys.stderr)
    return current


def _run(launch: Launch, current: Plan) -> None:
    """Claim what is missing and run it; a run that another live launch has is left to it."""
    home = launch.home
    claimed: dict[str, Run] = {}
    jobs = []
    try:
        for run in current.to_do():
            ready = all(i in claimed or home.state(i) == "done" for i in run.upstream.values())
            if not ready or not home.claim(run.id, _record(run)):
                continue
            claimed[run.id] = run
            after = tuple(i for i in run.upstream.values() if i in claimed)
            jobs.append(
                launcher.Job(
                    run.id, "benchmarks.worker:run", _call(launch, run), after, home.log(run.id)
                )
            )
        if not jobs:
            return
        with terminal.Progress(home, list(claimed)) as display:

            def on_event(event: launcher.Event) -> None:
                if event.kind == "failed":
                    home.fail(event.job.id, event.message)
                if event.kind != "started":
                    home.release(event.job.id)
                display.on_event(event)

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


def _record(run: Run) -> dict[str, object]:
    return {
        "identity": {"spec": run.spec, "code": run.code},
        "resolved": dict(run.resolved),
        "upstream": dict(run.upstream),
        "corpus": {"name": run.corpus.name, "hash": run.corpus.hash, "is": run.corpus.summary},
        "clips": run.work.clips,
        "flops": run.work.flops,
    }


def _call(launch: Launch, run: Run) -> dict[str, object]:
    return {
        "run_id": run.id,
        "stages": launch.stages.__name__,
        "home": launch.home.root,
        "resolved": run.resolved,
        "corpora": {run.corpus.name: run.corpus.path},
        "upstream": run.upstream,
        "execution": launch.scale.execution,
    }


def _conclude(launch: Launch, current: Plan) -> int:
    """Collect, judge, write and show every table; the exit code."""
    from benchmarks import collect, compose, render

    code = FINE
    others = {t.name: t for t in find_tables(launch.folder / "tables", ["all"])}
    for table in launch.tables:
        frame = collect.records(current, table, launch.home)
        judged = collect.judge(frame, table, current.compares)
        complete = bool(frame["status"].isin(["done", "accepted"]).all())
        shown = compose.compose(current, table, others, frame, judged, launch.home)
        pictures = compose.pictures(shown, current, table, launch.home, launch.stages)
        files = render.write(shown, frame, pictures, launch.out(complete))
        _show(f"{table.heading}: {table.title} (scale: {launch.scale.scale})\n")
        _show(render.main_table(shown) + "\n")
        if shown.claims:
            _show(render.claims(shown) + "\n")
        _show("\n".join(render.order(shown)))
        print("written: " + ", ".join(str(file) for file in files), file=sys.stderr)
        if not complete:
            code = max(code, INCOMPLETE)
        elif judged.faults(table):
            code = max(code, MISMATCH)
    failed = [run.id for run in current.runs.values() if run.state == "failed"]
    _explain(launch.home, failed)
    waiting = [run.id for run in current.runs.values() if run.state == "running"]
    if waiting:
        print(f"{len(waiting)} runs are in the hands of another launch", file=sys.stderr)
    return FAILED if failed else code


def _show(text: str) -> None:
    """Print; whether anyone reads on (``| head``) changes neither the files nor the exit code."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(home: Home, failed: Sequence[str]) -> None:
    for run_id in failed:
        failure = home.failure(run_id)
        print(f"failed: {run_id}: {failure['reason'] if failure else '?'}", file=sys.stderr)
        for line in launcher.last_lines(home.log(run_id)).splitlines():
            print(f"    {line}", file=sys.stderr)

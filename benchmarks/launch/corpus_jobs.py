"""Having the jobs of a cluster prepare corpora: an array over the shards of each."""

import sys
from typing import Any

from benchmarks.launch import cluster, snapshot
from benchmarks.launch.request import Request
from benchmarks.plan.corpora import UsedCorpus
from benchmarks.plan.graph import Plan
from benchmarks.store.home import Home
from slurm import scheduler
from slurm.scheduler import Array

Call = tuple[str, dict[str, Any]]
"""A function of the stages' module, and its arguments."""


def prepare(request: Request, current: Plan, *, wait: bool) -> Plan | None:
    """Have jobs prepare what is not prepared; the plan with it, None if that is still to come.

    A real copy is prepared by an array over its shards, a generated one by a single job.

    Raises:
        ValueError: if a preparation failed, with its reason.
        OSError: if Slurm is not there or refuses.
    """
    home = request.home.preparations()
    asked: list[str] = []
    for corpus in current.used_corpora():
        if corpus.source is not None or corpus.to_prepare:
            asked += _submit_preparation(request, home, corpus)
    if not asked:
        return request.plan() if any(c.to_prepare for c in current.used_corpora()) else current
    print(f"preparing: {len(asked)} jobs", file=sys.stderr)
    if not wait:
        print("--status shows how they get on; the same command goes on after", file=sys.stderr)
        return None
    cluster.watch(home, asked)
    for run_id in asked:
        if (failure := home.failure(run_id)) is not None:
            raise ValueError(f"{run_id}: {failure['reason']}")
    if any(home.state(run_id) != "done" for run_id in asked):
        return None
    current = request.plan()
    for corpus in current.used_corpora():
        print(corpus.summary, file=sys.stderr)
    return current


def _submit_preparation(request: Request, home: Home, corpus: UsedCorpus) -> list[str]:
    """Submit what a corpus lacks; the preparations to wait for, those of others among them."""
    site, stages = cluster.the_site(request), request.stages
    common: dict[str, Any] = {
        "corpus": corpus.name,
        "source": corpus.source,
        "preparation": dict(corpus.preparation),
        "out": corpus.path,
    }
    name = f"prepare-{corpus.path.name}"
    parts: dict[str, Call] = {}
    last: dict[str, Call]
    if corpus.source is None:
        if stages.corpus_header(corpus.path) is not None:  # since the plan was made
            return []
        last = {name: ("prepare", {**common, "generate": corpus.generate})}
    else:
        current, num_shards, fingerprint = stages.survey(
            corpus.name, corpus.source, corpus.preparation, corpus.path
        )
        if current:
            return []
        name = f"{name}-{fingerprint[:8]}"
        # Every part lists the whole source once: no more of them than work at the same time.
        number = min(num_shards, site.max_array, site.parallelism)
        for part in range(number):
            arguments = {**common, "part": part, "num_parts": number}
            parts[f"{name}-{part + 1:04d}of{number:04d}"] = ("prepare_part", arguments)
        last = {name: ("assemble", common)}
    is_lost = home.state(name) == "done"  # what it made is gone
    for run_id in [*parts, *last]:
        damage = home.damage(run_id)
        if damage is not None:
            print(f"{run_id}: {damage}; it is moved aside and made again", file=sys.stderr)
        if damage is not None or (is_lost and home.exists(run_id)):
            home.move_aside(run_id)
    code = snapshot.take(request.folder, request.home.root)
    claimed: list[str] = []
    jobs: dict[str, str] = {}
    try:
        with home.claiming() as claim:
            for run_id, (function, _) in {**parts, **last}.items():
                before = home.failure(run_id)
                spec = {"identity": {"function": function}, "fills": str(corpus.path)}
                if claim(run_id, spec):
                    if before is not None:
                        print(f"again: {run_id}: {before['reason']}", file=sys.stderr)
                    claimed.append(run_id)
                elif home.state(run_id) != "done" and (other := home.claimed(run_id)):
                    jobs[run_id] = other.job
        for group in (parts, last):
            ours = {i: call for i, call in group.items() if i in claimed}
            if not ours:
                continue
            after = tuple(sorted({job for i, job in jobs.items() if i in parts and group is last}))
            calls = [
                {
                    "run_id": run_id,
                    "stages": stages.__name__,
                    "home": home.root,
                    "function": function,
                    "arguments": arguments,
                }
                for run_id, (function, arguments) in ours.items()
            ]
            name_of_cluster = home.queue.cluster()
            works = [
                cluster.work(request, home, name_of_cluster, "prepare", [one]) for one in calls
            ]
            array = Array("iicl-prepare", "benchmarks.launch.job:carry_out", works, 1, after)
            ids = scheduler.submit(array, site, request.home.jobs, code)
            home.hand_over(dict(zip(ours, ids, strict=True)))
            jobs |= dict(zip(ours, ids, strict=True))
    finally:
        cluster.release_unsubmitted(home, claimed)
    return [*parts, *last]

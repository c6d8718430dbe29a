"""Preparing corpora by jobs of a cluster: an array over the shards of each."""

import sys
from dataclasses import dataclass
from typing import Any

from benchmarks.launch.request import Request
from benchmarks.launch.submission import Jobs, Submission
from benchmarks.launch.watch import watch
from benchmarks.plan import corpora
from benchmarks.plan.corpora import UsedCorpus
from benchmarks.plan.graph import Plan
from benchmarks.store.home import Home
from slurm.site import SlurmSite

Call = tuple[str, dict[str, Any]]
"""A function of the stages' module, and its arguments."""


@dataclass(frozen=True)
class CorpusJobs:
    """The preparations that fill one corpus, by name.

    Attributes:
        corpus: the corpus.
        parts: they share out its shards and run side by side.
        last: the one that needs all parts.
    """

    corpus: UsedCorpus
    parts: dict[str, Call]
    last: dict[str, Call]

    @property
    def all(self) -> dict[str, Call]:
        """The parts and the last one."""
        return {**self.parts, **self.last}


def prepare(request: Request, site: SlurmSite, plan: Plan, *, waits: bool) -> Plan | None:
    """Submit jobs for unprepared corpora. The plan with them; None if the jobs still run.

    A real copy is prepared by an array over its shards, a generated one by a single job.

    Raises:
        ValueError: if a preparation failed, with its reason.
        OSError: if Slurm is not there or refuses.
    """
    home = request.home.preparations()
    asked: list[str] = []
    for corpus in plan.used_corpora():
        jobs = _jobs_of(request, site, corpus)
        if jobs is not None:
            _make_room(home, jobs)
            _submit(request, site, home, jobs)
            asked += jobs.all
    if not asked:
        return request.plan() if any(c.to_prepare for c in plan.used_corpora()) else plan
    print(f"preparing: {len(asked)} jobs", file=sys.stderr)
    if not waits:
        print("--status shows how they get on; the same command goes on after", file=sys.stderr)
        return None
    watch(home, asked)
    runs = [home.run(run_id) for run_id in asked]
    for run in runs:
        if (failure := run.failure()) is not None:
            raise ValueError(f"{run.id}: {failure['reason']}")
    if any(run.state() != "done" for run in runs):
        return None
    plan = request.plan()
    for words in corpora.summaries(plan.used_corpora()):
        print(words, file=sys.stderr)
    return plan


def _jobs_of(request: Request, site: SlurmSite, corpus: UsedCorpus) -> CorpusJobs | None:
    """The preparations that a corpus needs; None if it is prepared."""
    stages = request.stages
    if corpus.source is None and not corpus.to_prepare:
        return None
    common: dict[str, Any] = {
        "corpus": corpus.name,
        "source": corpus.source,
        "preparation": dict(corpus.preparation),
        "out": corpus.path,
    }
    name = f"prepare-{corpus.path.name}"
    if corpus.source is None:
        if stages.corpus_header(corpus.path) is not None:  # since the plan was made
            return None
        return CorpusJobs(corpus, {}, {name: ("prepare", {**common, "generate": corpus.generate})})
    is_current, num_shards, fingerprint = stages.survey(
        corpus.name, corpus.source, corpus.preparation, corpus.path
    )
    if is_current:
        return None
    name = f"{name}-{fingerprint[:8]}"
    # Every part lists the whole source once: no more of them than work at the same time.
    number = min(num_shards, site.max_array, site.parallelism)
    parts: dict[str, Call] = {}
    for part in range(number):
        arguments = {**common, "part": part, "num_parts": number}
        parts[f"{name}-{part + 1:04d}of{number:04d}"] = ("prepare_part", arguments)
    return CorpusJobs(corpus, parts, {name: ("assemble", common)})


def _make_room(home: Home, jobs: CorpusJobs) -> None:
    """Move aside earlier preparations that are damaged, or whose corpus is gone."""
    is_lost = any(home.run(run_id).state() == "done" for run_id in jobs.last)
    for run in map(home.run, jobs.all):
        damage = run.damage()
        if damage is not None:
            print(f"{run.id}: {damage}; it is moved aside and made again", file=sys.stderr)
        if damage is not None or (is_lost and run.exists()):
            run.move_aside()


def _submit(request: Request, site: SlurmSite, home: Home, jobs: CorpusJobs) -> None:
    """Submit the preparations that no other launch has."""
    with Submission(request, site, home) as submission:
        job_of: dict[str, str] = {}  # of this launch and of others
        with submission.claiming() as claim:
            for run_id, (function, _) in jobs.all.items():
                run = home.run(run_id)
                before = run.failure()
                spec = {"identity": {"function": function}, "fills": str(jobs.corpus.path)}
                if claim(run_id, spec):
                    if before is not None:
                        print(f"again: {run_id}: {before['reason']}", file=sys.stderr)
                elif run.state() != "done" and (lease := run.lease()):
                    job_of[run_id] = lease.job
        for group in (jobs.parts, jobs.last):
            own = [run_id for run_id in group if run_id in submission.claimed]
            if own:
                waits_for = jobs.parts if group is jobs.last else ()
                after = frozenset(job_of[run_id] for run_id in waits_for if run_id in job_of)
                calls = [[_arguments(request, home, run_id, group[run_id])] for run_id in own]
                ids = submission.send(Jobs("iicl-prepare", "prepare", calls, 1, after))
                job_of.update(zip(own, ids, strict=True))


def _arguments(request: Request, home: Home, run_id: str, call: Call) -> dict[str, Any]:
    """Keyword arguments of :func:`benchmarks.launch.attempt.prepare`."""
    function, arguments = call
    return {
        "run_id": run_id,
        "stages": request.stages.__name__,
        "home": home.root,
        "function": function,
        "arguments": arguments,
    }

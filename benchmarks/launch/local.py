"""Launching on this machine: processes that end with the launching command."""

import sys

from benchmarks.launch import display, speed
from benchmarks.launch.display import Preview, ProgressDisplay
from benchmarks.launch.request import Request
from benchmarks.plan import corpora
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.rates import Rates
from benchmarks.plan.stage_functions import Stages
from benchmarks.store.records import Speed
from slurm import launcher
from slurm.cores import num_cores
from slurm.site import ProcessSite

ATTEMPT = "benchmarks.launch.attempt"


class LocalLauncher:
    """Carries a request out in processes of this machine."""

    def __init__(self, request: Request, site: ProcessSite) -> None:
        """Check that the request fits the site.

        Raises:
            ValueError: if the request is not to wait.
        """
        if request.arguments.no_wait:
            raise ValueError(f"--no-wait: site {site.name} is no cluster")
        if request.scale.device.unit == "GPU" and site.processes is None:
            # Runs side by side would share one GPU.
            site = site.model_copy(update={"processes": 1})
        self._request, self._site, self.remark = request, site, ""

    def describe(self, seconds: float) -> str:
        """The site in words, with how long ``seconds`` on one device take."""
        number = self._site.num_processes()
        time = display.duration(seconds / number)
        return f"site: {self._site.name}, {number} at a time: about {time} to go"

    def known_speed(self, plan: Plan) -> Speed | None:
        """What an earlier launch measured of this machine."""
        return speed.known(self._request, self._site, plan)

    def measure(self, plan: Plan) -> Speed | None:
        """Measure this machine, if runs in processes of their own are to compute on its cores."""
        is_on_cores = self._request.scale.device.unit == "CPU core"
        if self._site.backend != "local" or not is_on_cores:
            return None
        return speed.measure(self._request, self._site, plan)

    def preview(self, plan: Plan, rates: Rates) -> list[Preview]:
        """Nothing: no array is submitted."""
        return []

    def launch(self, plan: Plan, rates: Rates) -> bool:
        """Prepare and run what is missing; True, because nothing is to come after that."""
        _run(self._request, self._site, prepare(self._request, plan))
        return True


def prepare(request: Request, plan: Plan) -> Plan:
    """Prepare missing corpora, and prepare a real copy again if its files have changed."""
    has_changed = False
    for corpus in plan.used_corpora():
        if corpus.source is None and not corpus.to_prepare:
            continue
        with request.home.preparing(corpus.path):
            if corpus.source is None and request.stages.corpus_header(corpus.path):
                has_changed = True
                continue
            with (
                launcher.environment(request.site.environment),
                display.progress(f"preparing {corpus.title}") as advance,
            ):
                header = request.stages.prepare(
                    corpus.name,
                    corpus.source,
                    corpus.generate,
                    corpus.preparation,
                    corpus.path,
                    num_cores(),
                    advance,
                )
        has_changed = has_changed or corpus.to_prepare or header["hash"] != corpus.hash
    if has_changed:
        plan = request.plan()
        for words in corpora.summaries(plan.used_corpora()):
            print(words, file=sys.stderr)
    return plan


def _run(request: Request, site: ProcessSite, plan: Plan) -> None:
    """Claim what is missing and run it; a run that another living launch has is left to it."""
    home = request.home
    claimed: dict[str, Run] = {}
    try:
        with home.claiming() as claim:
            for run in plan.to_do():
                is_ready = all(
                    other in claimed or home.run(other).state() == "done"
                    for other in run.upstream.values()
                )
                if is_ready and claim(run.id, run.record()):
                    claimed[run.id] = run
        if not claimed:
            return
        place = {"site": site.name, "num_ranks": 1, "num_nodes": 1}
        jobs = [
            launcher.Job(
                run.id,
                f"{ATTEMPT}:run",
                {**request.call(run), "place": place},
                tuple(other for other in run.upstream.values() if other in claimed),
                home.run(run.id).log(),
            )
            for run in claimed.values()
        ]
        with ProgressDisplay(home, len(claimed)) as bars:

            def on_event(event: launcher.JobEvent) -> None:
                if event.kind == "started":
                    bars.started(event.job.id)
                    return
                if event.kind == "failed":
                    home.run(event.job.id).fail(event.message)
                home.run(event.job.id).release()
                bars.ended(event.job.id, event.kind, event.message)

            launcher.launch(
                jobs,
                site,
                preload=_preload(request.stages, plan),
                on_event=on_event,
                tick=bars.tick,
            )
    finally:
        for run_id in claimed:
            home.run(run_id).release()


def _preload(stages: Stages, plan: Plan) -> list[str]:
    """Modules worth importing once for all runs: methods and encoders are imported by name."""
    named = {module for run in plan.runs.values() for module in stages.code_modules(run.resolved)}
    return [*stages.PRELOAD, *sorted(named), ATTEMPT]

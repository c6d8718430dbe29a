"""The choice of who carries a request out: it is made here, once."""

from typing import Protocol

from benchmarks.launch.cluster import ClusterLauncher
from benchmarks.launch.display import Preview
from benchmarks.launch.local import LocalLauncher
from benchmarks.launch.request import Request
from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.store.records import Speed
from slurm.site import SlurmSite


class Launcher(Protocol):
    """Carries a request out at a kind of site.

    Attributes:
        remark: why nothing could be submitted, for a command that only shows; else empty.
    """

    remark: str

    def describe(self, seconds: float) -> str:
        """The site in words, for the plan; ``seconds`` on one device are to go."""

    def known_speed(self, plan: Plan) -> Speed | None:
        """How fast the site computes, if an earlier launch measured it."""

    def measure(self, plan: Plan) -> Speed | None:
        """How fast the site computes, measured now and kept; None where that cannot be."""

    def preview(self, plan: Plan, rates: Rates) -> list[Preview]:
        """What a launch would submit, with words in place of ids; needs no scheduler."""

    def launch(self, plan: Plan, rates: Rates) -> bool:
        """Prepare and run what a plan lacks; whether nothing is queued or running any more."""


def launcher_of(request: Request) -> Launcher:
    """The launcher for the site of a request.

    Raises:
        ValueError: if the site and the request do not fit.
    """
    if isinstance(request.site, SlurmSite):
        return ClusterLauncher(request, request.site)
    return LocalLauncher(request, request.site)

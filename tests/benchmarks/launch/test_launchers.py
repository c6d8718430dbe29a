"""Which launcher a request gets, and how it fits the site to the request."""

import fake_stages
import pytest
from fake_checkout import Checkout

from benchmarks import run
from benchmarks.launch.cluster import ClusterLauncher
from benchmarks.launch.launchers import Launcher, launcher_of
from benchmarks.launch.local import LocalLauncher
from benchmarks.launch.request import read

HOUR = 3600.0


def launcher(checkout: Checkout, cluster: str, *words: str) -> Launcher:
    argv = ["--table", "II", "--scale", "smoke", "--cluster", cluster, *words]
    argv += ["--home", str(checkout.home.root)]
    return launcher_of(read(run.parser().parse_args(argv), fake_stages, checkout.folder))


def compute_on_gpus(checkout: Checkout) -> None:
    path = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    path.write_text(path.read_text().replace("unit: CPU core", "unit: GPU"))


@pytest.mark.parametrize(
    ("cluster", "kind"),
    [("inline", LocalLauncher), ("local", LocalLauncher), ("slurm", ClusterLauncher)],
)
def test_the_site_decides_who_launches(checkout: Checkout, cluster: str, kind: type) -> None:
    assert isinstance(launcher(checkout, cluster), kind)


def test_runs_on_a_gpu_of_this_machine_take_turns(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slurm.site.num_cores", lambda: 4)
    expected = "site: local, 4 at a time: about 2 hours to go"
    assert launcher(checkout, "local").describe(8 * HOUR) == expected
    compute_on_gpus(checkout)
    expected = "site: local, 1 at a time: about 8 hours to go"
    assert launcher(checkout, "local").describe(8 * HOUR) == expected


def test_a_request_that_does_not_fit_its_site_is_refused(checkout: Checkout) -> None:
    with pytest.raises(ValueError, match="--no-wait: site inline is no cluster"):
        launcher(checkout, "inline", "--no-wait")
    compute_on_gpus(checkout)
    with pytest.raises(ValueError, match="computes on GPUs, but site slurm asks for none"):
        launcher(checkout, "slurm")
    assert isinstance(launcher(checkout, "slurm", "--status"), ClusterLauncher)

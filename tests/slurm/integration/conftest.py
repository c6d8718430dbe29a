"""A real Slurm, which ``nox -s slurm`` starts around these tests."""

import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from jobs import wait_until

from slurm.devcluster.cluster import DevCluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster() -> DevCluster:
    config = os.environ.get("SLURM_CONF")
    assert config, "these tests need a cluster: python -m slurm.devcluster run -- pytest -m slurm"
    return DevCluster(Path(config).parent)


@pytest.fixture(autouse=True)
def nothing_left(cluster: DevCluster) -> Iterator[None]:
    """No test leaves a job to the next."""
    yield
    cluster.ask("scancel", "--full", f"--user={getpass.getuser()}", check=False)
    wait_until(lambda: not cluster.ask("squeue", "--noheader").strip(), 60, "jobs do not end")

"""Fixtures of the suite's tests."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the fork server's processes find fake_stages
sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from fake_checkout import Checkout
from fake_slurm import fake_slurm
from sample_records import MACHINE

from benchmarks.store import provenance

__all__ = ["fake_slurm"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def fixed_provenance(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], dict[str, object]]:
    def describe(threads: int) -> dict[str, object]:
        return dict(MACHINE)

    monkeypatch.setattr(provenance, "describe", describe)
    return describe

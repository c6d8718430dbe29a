"""The cases for pytest-benchmark: the time of each part here, without a comparison.

python -m pytest benchmarks/throughput/test_cases.py --benchmark-enable
"""

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.throughput.cases import CASES, Place


@pytest.mark.benchmark(timer=time.process_time, max_time=5.0, min_rounds=5)
@pytest.mark.parametrize("name", CASES)
def test_speed(name: str, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """CPU time of one part; with ``--benchmark-disable`` it runs once."""
    benchmark.extra_info["work"] = CASES[name].work
    benchmark(CASES[name].setup(Place(tmp_path)))

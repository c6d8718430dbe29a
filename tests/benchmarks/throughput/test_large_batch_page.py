"""The page on exact large batches shows the figures that its script has written."""

import json

from benchmarks.throughput import large_batch

RESULTS = large_batch.ROOT / "benchmarks" / "throughput" / "results" / "large_batch.json"


def test_the_figures_of_the_page_are_those_of_the_results() -> None:
    page = (large_batch.ROOT / "iicl" / "training" / "README.md").read_text()
    assert "\n".join(large_batch.lines(json.loads(RESULTS.read_text()))) in page


def test_the_curve_is_drawn() -> None:
    picture = large_batch.draw(json.loads(RESULTS.read_text()))
    assert picture.startswith(b"\x89PNG")

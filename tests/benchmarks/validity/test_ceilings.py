"""The page of what a pretext can learn in the generated world."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks import stages
from benchmarks.validity import ceilings

MEASURED = {
    "ucf101": {
        "speed": 0.782,
        "speed_by_motion": 0.75,
        "difference_auc": 0.6044,
        "difference_pairs": 0.831,
        "arrow": 0.25,
        "aligned_shifts": 0.2,
        "order_of_three": {"0.02": 0.888},
        "order_of_four": {"0.02": 0.898},
    }
}


def test_every_measurement_is_in_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "ceilings", Mock(return_value=MEASURED))
    assert ceilings.main(["--out", str(tmp_path)]) == 0
    text = (tmp_path / "ceilings.md").read_text()
    assert capsys.readouterr().out == text
    for value in ("78.2 %", "75.0 %", "83.1 %", "25.0 %", "20.0 %", "0.604", "88.8 %", "89.8 %"):
        assert text.count(f" {value} |") == 1
    assert json.loads((tmp_path / "ceilings.json").read_text()) == MEASURED


def test_the_page_that_is_kept_is_that_of_the_measurements_beside_it() -> None:
    results = Path(ceilings.__file__).with_name("results")
    measured = json.loads((results / "ceilings.json").read_text())
    assert (results / "ceilings.md").read_text() == ceilings.page(measured)

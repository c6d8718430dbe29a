"""The committed results: made by the suite, untouched since, and calibrated."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
RESULTS = sorted(ROOT.glob("tables/*/table*.csv"))
NAMES = [str(path.relative_to(ROOT / "tables")) for path in RESULTS]
ROOM = 0.03  # between two steps of the calibration
CEILING = 0.95


def test_the_desk_result_of_table_1_is_there():
    assert "desk/table1.csv" in NAMES


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_every_value_rests_on_runs_of_committed_code(path):
    frame = pd.read_csv(path)
    assert set(frame["status"]) == {"done"}
    assert (frame["num_evaluated"] > 0).all()
    assert frame["run"].str.fullmatch(r"[a-z]+-\w+-\w+(-f\d)?-s\d+-[0-9a-f]{8}\.[0-9a-f]{4}").all()
    assert frame["commit"].str.fullmatch(r"[0-9a-f]{7,40}").all(), "made with uncommitted changes"
    assert frame.groupby(["row", "column"])["seed"].nunique().min() >= 3


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_the_document_prints_the_means_of_its_records(path):
    frame = pd.read_csv(path)
    lines = path.with_suffix(".md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|:"))
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    printed = [re.findall(r"(-?\d+\.\d) ± ", line) for line in lines[start + 1 : end]]
    columns = list(dict.fromkeys(frame["column"]))
    means = frame.groupby(["row", "column"], sort=False)["value"].mean().unstack()[columns]
    expected = [[f"{100 * value:.1f}" for value in row] for row in means.to_numpy()]
    assert [row for row in printed if row] == expected


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_the_desk_world_is_calibrated(path):
    """Chance < random init < every row of the paper < supervised, with room, below the ceiling."""
    frame = pd.read_csv(path)
    for column, values in frame.groupby("column"):
        means = values.groupby("row")["value"].mean()
        rows = means[values[values["group"] == "paper"]["row"].unique()]
        steps = [
            values["chance"].mean(),
            means["random_init"],
            rows.min(),
            rows.max(),
            means["supervised"],
        ]
        assert steps[0] + ROOM < steps[1], column
        assert steps[1] + ROOM < steps[2], column
        assert steps[3] + ROOM < steps[4] < CEILING, column

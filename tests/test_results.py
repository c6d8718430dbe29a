"""The committed results: made by the suite, untouched since, and calibrated."""

import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.render import markdown
from benchmarks.render.document import Document
from benchmarks.render.document_file import from_json
from benchmarks.spec.read_tables import load_table

ROOT = Path(__file__).parents[1]
TABLES = sorted(path.stem for path in (ROOT / "tables").glob("*.yaml"))
RESULTS = sorted(ROOT.glob("tables/*/*.json"))
NAMES = [str(path.relative_to(ROOT / "tables").with_suffix("")) for path in RESULTS]
ROOM = 3.0  # points between two steps of the calibration
CEILING = 95.0


EARLIER = re.compile(r"^Made before the present claims: (.*)\.$", re.MULTILINE)
MISSING = re.compile(r"^Not made yet: (.*)\.$", re.MULTILINE)


def load(path: Path) -> Document:
    return from_json(path.read_text())


def is_present(path: Path) -> bool:
    """Whether a result has the seeds, rows, columns and claims of its table's file."""
    table, shown = load_table(ROOT / "tables" / f"{path.stem}.yaml"), load(path)
    return (
        list(shown.seeds) == table.defaults.seeds
        and [column.name for column in shown.columns] == list(table.columns)
        and {row.name for row in shown.rows} - {"chance"} == set(table.all_rows)
        and [(c.says, c.where) for c in shown.claims] == [(c.says, c.where) for c in table.claims]
    )


PRESENT = [path for path in RESULTS if is_present(path)]


def test_the_readme_names_the_results_that_were_made_before_the_present_claims():
    (names,) = EARLIER.findall((ROOT / "tables" / "desk" / "README.md").read_text())
    earlier = [load(path).heading for path in RESULTS if path not in PRESENT]
    assert sorted(names.split(", ")) == sorted(earlier)


def test_every_table_has_a_desk_result_or_is_named_as_one_that_has_none():
    (names,) = MISSING.findall((ROOT / "tables" / "desk" / "README.md").read_text())
    assert sorted(names.split(", ")) == [t for t in TABLES if f"desk/{t}" not in NAMES]


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_every_value_rests_on_runs_of_committed_code(path):
    frame = pd.read_csv(path.with_suffix(".csv"))
    assert set(frame["status"]) == {"done"}
    assert (frame["num_evaluated"] > 0).all()
    assert frame["run"].str.fullmatch(r"[a-z]+-\w+-\w+(-f\d)?-s\d+-[0-9a-f]{8}\.[0-9a-f]{4}").all()
    assert frame["commit"].str.fullmatch(r"[0-9a-f]{7,40}").all(), "made with uncommitted changes"
    seeds = frame.groupby(["row", "column"])["seed"].agg(lambda group: tuple(sorted(set(group))))
    assert set(seeds) == {load(path).seeds}
    decided = {claim.verdict for claim in load(path).claims if " - chance" not in claim.why}
    if decided & {"holds", "reversed", "open"}:
        assert len(load(path).seeds) >= 5


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_the_documents_hold_the_means_of_their_records(path):
    frame = pd.read_csv(path.with_suffix(".csv"))
    shown = load(path)
    if path in PRESENT:
        assert path.with_suffix(".md").read_text() == markdown.markdown(shown)
    means = 100 * frame.groupby(["row", "column", "seed"])["value"].mean()
    means = means.groupby(["row", "column"]).mean()
    for row in shown.rows:
        for column, cell in zip(shown.columns, row.cells, strict=True):
            if row.kind != "chance" and cell.mean is not None:
                expected = means[row.name, column.name]
                assert cell.mean == pytest.approx(expected, abs=2e-4), (row.name, column.name)
                assert len(cell.values) == len(shown.seeds)


@pytest.mark.parametrize("path", RESULTS, ids=NAMES)
def test_numbers_of_the_paper_are_those_of_the_table(path):
    table, shown = load_table(ROOT / "tables" / f"{path.stem}.yaml"), load(path)
    for row in shown.rows:
        for column, cell in zip(shown.columns, row.cells, strict=True):
            if row.name in table.rows and column.reads is None:
                assert cell.paper == table.rows[row.name].reported.get(column.name)


def calibrating(path: Path) -> set[str]:
    """Labels of the columns of a result that measure all rows alike, each quantity once.

    They are those that are no other reading of one. Where a claim about one names a column beside
    it, its protocol measures rows unlike each other, and the columns beside take their place.
    """
    table, shown = load_table(ROOT / "tables" / f"{path.stem}.yaml"), load(path)
    claims = [claim for claim in table.claims if claim.beside] if path in PRESENT else []
    beside = {claim.beside for claim in claims}
    unlike = {table.columns[claim.column].protocol for claim in claims}
    alike = {
        column.name
        for column in shown.columns
        if column.reads is None and not (unlike and table.columns[column.name].protocol in unlike)
    }
    return {column.label for column in shown.columns if column.name in alike | beside}


def calibrated():
    """The checks of order in the columns that calibrate."""
    for path, name in zip(RESULTS, NAMES, strict=True):
        labels = calibrating(path)
        for check in load(path).order:
            if check.column in labels:
                yield pytest.param(check, id=f"{name}-{check.block}-{check.column}")


@pytest.mark.parametrize("check", list(calibrated()))
def test_the_desk_world_is_calibrated(check):
    """Each step of a table's order lies above the one before, with room, below the ceiling."""
    assert check.holds
    for low, high in zip(check.steps, check.steps[1:], strict=False):
        assert low.high + ROOM < high.low, (low.label, high.label)
    assert check.steps[-1].high < CEILING

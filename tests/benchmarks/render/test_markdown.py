"""The rendered table of recorded results, byte for byte, and what a deviation does to it."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_checkout import ROOT, Checkout
from sample_documents import sample

from benchmarks.render import markdown, words
from benchmarks.render.document import Cell

GOLDEN = ROOT / "tests" / "benchmarks" / "golden"


def test_the_document_is_the_recorded_one(
    checkout: Checkout, fixed_provenance: Callable[[int], dict[str, object]]
) -> None:
    """To record one anew, copy the file that a failing run names and read the difference."""
    assert checkout.run("--yes", table="I") in (0, 1)
    out = checkout.folder / "out"
    for name in ("table1.md", "table1.cost.md"):
        assert (out / name).read_text() == (GOLDEN / name).read_text(), out / name
    with (out / "table1.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 7 * 3 * 5  # rows and controls x columns x seeds
    assert {line["status"] for line in lines} == {"done"}
    assert len({line["run"] for line in lines}) == len(lines)
    assert {(line["item_error"], line["num_groups"]) for line in lines} == {("0.030000", "90")}
    first = (out / "table1.png").read_bytes()
    assert checkout.run("--collect", table="I") in (0, 1)
    assert (out / "table1.png").read_bytes() == first


@pytest.fixture
def paper_scale(checkout: Checkout) -> Checkout:
    """The paper's scale as far as judging goes: absolute numbers are compared."""
    checkout.scale("paper")
    return checkout


def test_absolute_numbers_are_compared_at_the_paper_scale_only(
    paper_scale: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paper_scale.run("--yes", "--scale", "paper") == 1  # 50 and 40 are reported, not made
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "above" in text
    assert "not compared at this scale" not in text
    assert paper_scale.run("--yes") == 0
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "above" not in text
    assert "not compared at this scale" in text


def test_other_clips_in_a_corpus_s_place_are_not_compared(
    paper_scale: Checkout, tmp_path: Path
) -> None:
    copy = tmp_path / "clips"
    copy.mkdir()
    for number in range(3):
        (copy / f"{number}.mp4").touch()
    given = ["--data", f"ucf101={copy}", "--scale", "paper"]
    assert paper_scale.run("--yes", *given) == 0
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "not compared: other clips stood in for ucf101" in text
    assert "above" not in text
    (copy / "official").touch()
    assert paper_scale.run("--yes", *given) == 1
    assert "above" in (paper_scale.folder / "out" / "table2.md").read_text()


@pytest.mark.parametrize("cited", ["a", "b"])
def test_a_claim_about_a_cited_row_is_untested_at_other_scales(
    checkout: Checkout, cited: str
) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    text = table.read_text().replace(f"  {cited}: {{", f"  {cited}: {{cited: true, ")
    table.write_text(
        text + "inference: {level: 0.05, adjustment: holm}\n"
        "claims:\n  - {says: A is best, where: IV, column: r1, best: a}\n"
        "  - {says: they differ, where: IV, column: r1, differ: true}\n"
    )
    assert checkout.run("--yes") == 0
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert text.count("| untested") == 2
    assert text.count("rivals that nobody here runs count at the paper's scale only") == 2


def test_blocks_readings_and_gaps_are_all_shown() -> None:
    """Every cell of a document with everything that a table can have."""
    lines = markdown.main_table(sample()).splitlines()
    cells = [[text.strip() for text in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert cells[0] == ["row", "NMI", "NMI, k-means", "AMI"]
    assert cells[2:] == [
        ["**hmdb51**", "", "", ""],
        ["both", "**52.3** → 52.0 ± 2.5", "(52.3) → 50.0 ± 2.5", "9.0 ± 2.5"],
        ["alone", "46.0 → – (incomplete)", "(46.0) → not applicable", "– (failed)"],
        ["*chance*", "4.0 to 6.5", "4.0 to 6.5", "4.0 to 6.5"],
        ["**ucf101**", "", "", ""],
        ["other system", "70.0 cited", "–", "–"],
        ["gone", "–", "–", "–"],
        ["*random init*", "20.0 ± 2.5", "20.0 ± 2.5", "20.0 ± 2.5"],
    ]
    text = markdown.markdown(sample())
    assert "# Table II: Losses \\<alone> & together (scale: desk)" in text
    assert "| both \\| together are best" in text
    assert "- gone: the data is not public" in text
    assert "5 runs needed, 9 without sharing equal ones." in text
    assert "- NMI (hmdb51): chance 4.0 to 6.5 < rows 46.0 to 52.0: in order." in text
    assert "- NMI (ucf101): chance 4.0 < rows –: incomplete." in text
    assert "[two of every class](ucf101.png)" in text
    assert "- `linear-iicl-x` was made by other code." in text


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Cell("match", 50.0, mean=51.0, half_width=0.5, delta=1.0), "+1.0, match"),
        (
            Cell("open", 50.0, mean=51.0, delta=1.0, seeds_for_power=7),
            "+1.0, open, 7 seeds for 80 % power",
        ),
        (Cell("stale", 50.0, mean=51.0), "stale"),
        (Cell("not compared", None, mean=51.0), ""),
    ],
)
def test_what_is_said_beside_a_compared_value(cell: Cell, shown: str) -> None:
    assert words.remark(cell, compares=True) == shown
    assert words.remark(cell, compares=False) == (shown if shown == "stale" else "")


def test_rows_that_nobody_runs_stand_in_their_place(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(
        table.read_text().replace(
            "  b: {label: B",
            "  c: {label: C, reported: {r1: 70.0}, bold: [r1], cited: true}\n"
            "  d: {label: D, reported: {r1: 60.0}, unavailable: the data is not public}\n"
            "  b: {label: B",
        )
    )
    assert checkout.run("--yes") == 0
    text = (checkout.folder / "out" / "table2.md").read_text()
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ")]
    cells = {row[0].strip(): row[1].strip() for row in rows}
    assert list(cells)[1:5] == ["A", "C", "D", "B"]
    assert cells["C"] == "**70.0** cited"
    assert cells["D"] == "60.0 cannot run"
    assert "D: the data is not public" in text

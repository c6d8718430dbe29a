"""Methods on one encoder beside the same ones in another table: which are the same."""

import dataclasses
from pathlib import Path

import pytest
from sample_documents import measured, row, sample

from benchmarks import report
from benchmarks.render import document_file, plot, plot_beside
from benchmarks.render.document import Column, Document, Row
from benchmarks.render.row_facts import DescribedRow, Encodings


def facts_of(row: Row, system: str) -> DescribedRow:
    return DescribedRow(
        row.name, row.label, row.block, system, (), (), "adam", Encodings(1, 2, 100)
    )


def table(name: str, columns: list[str], rows: dict[str, tuple[str, list[float]]]) -> Document:
    """Rows by name: the system of each, and its values."""
    made = [row(n, "", *[measured(v) for v in values]) for n, (_, values) in rows.items()]
    return dataclasses.replace(
        sample(),
        name=name,
        heading=name,
        columns=tuple(Column(column, column, None, None, False) for column in columns),
        rows=tuple(made),
        facts=tuple(facts_of(r, rows[r.name][0]) for r in made),
        plot=f"{name}.png",
    )


@pytest.fixture
def compared() -> Document:
    rows = {"h1": ("GDT", [10.0, 50.0]), "h9": ("GDT", [11.0, 51.0]), "one": ("XDC", [1.0, 60.0])}
    return table("compared", ["r1", "ucf101"], rows)


@pytest.fixture
def table5() -> Document:
    rows = {"gdt_k": ("GDT", [70.0, 71.0]), "gdt_a": ("GDT", [80.0, 81.0]), "x": ("Z", [1.0, 2.0])}
    return table("table5", ["ucf101", "hmdb51"], rows)


def test_rows_of_one_system_are_matched_with_the_first_such_row(
    compared: Document, table5: Document
) -> None:
    (pairs,) = plot_beside.matched(compared, table5).items()
    assert pairs[0] == 1, "R@1 is not in the other table"
    assert {name: cell.mean for name, cell in pairs[1].items()} == {"h1": 70.0, "h9": 70.0}


def test_the_picture_depends_on_both_documents_alone(compared: Document, table5: Document) -> None:
    picture = plot_beside.draw(compared, table5)
    assert picture is not None
    assert b"<svg" in picture
    assert plot_beside.draw(compared, table5) == picture
    for changed in ((compared, dataclasses.replace(table5, heading="T")), (table5, compared)):
        assert plot_beside.draw(*changed) != picture
    assert plot_beside.draw(compared, dataclasses.replace(table5, facts=())) is None


def test_the_report_has_it_if_both_tables_are_there(
    compared: Document, table5: Document, tmp_path: Path
) -> None:
    picture = plot.draw(sample())
    for name in ("compared.png", "table5.png", "ucf101.png"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "compared.json").write_text(document_file.to_json(compared))
    page = tmp_path / "page.html"
    arguments = ["--results", str(tmp_path), "--out", str(page)]
    assert report.main(arguments) == 0
    assert "Each method on the one encoder" not in page.read_text()
    (tmp_path / "table5.json").write_text(document_file.to_json(table5))
    assert report.main(arguments) == 0
    assert "Each method on the one encoder" in page.read_text()

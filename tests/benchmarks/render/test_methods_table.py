"""The table of methods: every method has a line, with the results that are there."""

import dataclasses
from types import SimpleNamespace

from sample_documents import measured, row, sample

from benchmarks.render.document import Column, Document
from benchmarks.render.methods_table import lines, methods_table
from benchmarks.render.row_facts import DescribedRow, Encodings

METHODS = [
    SimpleNamespace(system="GDT", reference="A | B", needs=("video", "audio"), departures=()),
    SimpleNamespace(system="XDC", reference="C", needs=("index",), departures=("One.", "Two.")),
]


def table(name: str, rows: dict[str, tuple[str, float]]) -> Document:
    """Rows by name: the system of each, and its R@1."""
    made = [row(n, "", measured(1.0), measured(value)) for n, (_, value) in rows.items()]
    one = Encodings(1, 2, 3)
    return dataclasses.replace(
        sample(),
        name=name,
        columns=tuple(Column(c, c, None, None, False) for c in ("linear", "r1")),
        rows=tuple(made),
        facts=tuple(DescribedRow(n, n, "", s, (), (), "", one) for n, (s, _) in rows.items()),
    )


def test_each_method_has_a_line_with_its_results() -> None:
    documents = [
        table("compared", {"h1": ("GDT", 10.0), "h9": ("GDT", 20.0)}),
        table("controls", {"h1": ("GDT", 10.0), "h1_destroyed": ("GDT", 5.0)}),
    ]
    gdt, xdc = lines(documents, METHODS)
    assert gdt[2:] == ["video, audio", "h1 10.0 ± 2.5; h9 20.0 ± 2.5", "5.0 ± 2.5", "–"]
    assert xdc == ["XDC", "C", "index", "–", "–", "One. Two."]
    assert [line[3:5] for line in lines([], METHODS)] == [["–", "–"]] * 2


def test_it_is_a_table_of_markdown() -> None:
    head, _, gdt, _ = methods_table([], METHODS).splitlines()
    assert head.startswith("| method")
    assert r"A \| B" in gdt

"""Labels that look like markup are shown as they are, whatever they are written into."""

import dataclasses
import itertools
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from sample_documents import over_an_axis, sample

from benchmarks.render import (
    claims_table,
    document,
    document_file,
    escape,
    html_page,
    markdown,
    plot,
    write,
)
from benchmarks.render.document import Document

READER = MarkdownIt("gfm-like", {"linkify": False})
HOSTILE = "$x$ | <b> `a` \\n # _y_"
LABELS = [
    HOSTILE,
    HOSTILE.replace("\\n", "\n"),
    "# heading",
    "- entry",
    "+",
    "1. first",
    "2) second",
    "> quotation",
    "---",
    "===",
    "[ ] box",
    "[a](b)",
    "![a](b)",
    "[a]: b",
    "<https://a.b>",
    "<1@b.cd>",
    "<script>alert(1)</script>",
    "&lt; &#35; &amp",
    "**bold** *it* __b__ _i_ a_b_c",
    "~~gone~~",
    "``` code",
    "a\\|b \\* \\\\",
    "| cell |",
    "\\",
    "`",
    "]a[",
    "a]",
    "[x](",
    "a [b][c]",
]
ORDINARY = [
    "recall_at_1 in percent, by linear on ucf101 (95 %, Wilson)",
    "VCOP [38], C = 400: 4 < 6.5 & more",
    "R(2+1)D - 3.2 ± 0.7; 8 x 8!",
]


def shown_text(markdown: str, kind: str) -> list[str]:
    """What a reader of GitHub's Markdown sees in each text of a kind; markup inside is an error."""
    tokens = READER.parse(markdown)
    texts = []
    for before, token in itertools.pairwise(tokens):
        if before.type == kind and token.type == "inline":
            assert token.children is not None
            assert {child.type for child in token.children} <= {"text", "text_special"}, token
            texts.append("".join(child.content for child in token.children))
    return texts


@pytest.mark.parametrize("label", LABELS)
def test_markup_in_a_label_is_text(label: str) -> None:
    words = " ".join(label.split())
    assert shown_text(f"- {escape.line(label)}\n", "paragraph_open") == [words]
    assert shown_text(f"{escape.line(label)}\n", "paragraph_open") == [words]
    assert shown_text(f"# a {escape.inline(label)} b\n", "heading_open") == [f"a {words} b"]
    cell = escape.cell(escape.inline(label))
    table = f"| a | b |\n|---|---|\n| {cell} | c |\n"
    assert shown_text(table, "td_open") == [words, "c"]


@pytest.mark.parametrize("label", LABELS)
def test_code_is_shown_as_it_is(label: str) -> None:
    (_, token, _) = READER.parse(escape.code(label))
    assert token.children is not None
    (child,) = token.children
    assert (child.type, child.content) == ("code_inline", " ".join(label.split()))


@pytest.mark.parametrize("label", ORDINARY)
def test_an_ordinary_label_is_left_alone(label: str) -> None:
    assert escape.line(label) == escape.inline(label) == label


def test_what_does_not_print_is_named() -> None:
    assert escape.inline("a\x1b\u202eb\udcff") == r"a\x1b\u202eb\udcff"


def everywhere(shown: Document, label: str) -> Document:
    """The document with a label in place of every text of its rows, columns, claims and notes."""
    rows = tuple(
        dataclasses.replace(row, label=label, note=label, block=label and row.block)
        for row in shown.rows
    )
    columns = tuple(dataclasses.replace(column, label=label) for column in shown.columns)
    claims = tuple(
        dataclasses.replace(claim, says=label, where=label, column=label, why=label)
        for claim in shown.claims
    )
    order = tuple(
        dataclasses.replace(
            check,
            column=label,
            steps=tuple(dataclasses.replace(step, label=label) for step in check.steps),
        )
        for check in shown.order
    )
    return dataclasses.replace(
        shown,
        title=label,
        heading=label,
        section=label,
        scale=label,
        compared=label,
        changes=(label,),
        rows=rows,
        columns=columns,
        claims=claims,
        order=order,
        measured=(document.Measured((label,), label),),
        paper_check=(label,),
        data=(document.Data(label, None),),
        costs=(dataclasses.replace(shown.costs[0], stage=label, where=(label,)),),
        cost_unit=label,
        provenance=(label,),
        other_code=(document.OtherCode(label, label),),
    )


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("shown", [sample(), over_an_axis()], ids=["blocks", "axis"])
def test_a_document_keeps_its_shape(shown: Document, label: str) -> None:
    for to_text in (markdown.markdown, markdown.cost_markdown):
        plain, hostile = (
            READER.parse(to_text(everywhere(shown, text))) for text in ("word", label)
        )
        assert [token.type for token in hostile] == [token.type for token in plain]
        for one, other in zip(hostile, plain, strict=True):
            # Marks and pictures are those of the document, not of the label.
            types = [
                [c.type for c in token.children or () if not c.type.startswith("text")]
                for token in (one, other)
            ]
            assert types[0] == types[1], one.content
    table = READER.parse(claims_table.claims_table([everywhere(shown, label)]))
    assert {token.type for token in table} >= {"table_open", "td_open"}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_a_page_has_no_tag_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "table2.png").write_bytes(plot.draw(sample()))
    tags = []
    for label in ("word", "\"><script>x</script> <b> '>"):
        parser = Tags()
        parser.feed(html_page.page([everywhere(sample(), label)], tmp_path, []))
        tags.append(parser.tags)
    assert tags[0] == tags[1]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of matplotlib, about glyphs and space
@pytest.mark.parametrize("label", [*LABELS, "_nolegend_", "x" * 2000, "\udcff\x00\x1b"])
def test_a_hostile_label_costs_at_most_the_picture(
    label: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = everywhere(over_an_axis(), label)
    files = write.write(shown, pd.DataFrame({"a": [label]}), {}, tmp_path)
    assert {"table2.md", "table2.csv", "table2.json"} <= {file.name for file in files}
    read = document_file.from_json((tmp_path / "table2.json").read_text())
    assert read.title == label.replace("\udcff", "\\udcff")
    if read.plot is None:
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("no picture table2.png: ")
    assert (tmp_path / "table2.png").exists() == (read.plot is not None)
    assert label.replace("\udcff", "\\udcff") in (tmp_path / "table2.csv").read_text()


def test_a_label_that_begins_with_an_underline_stands_in_the_legend() -> None:
    shown = over_an_axis()
    rows = tuple(dataclasses.replace(row, label=f"_{row.name}") for row in shown.rows)
    drawn = plot._curves(dataclasses.replace(shown, rows=rows))
    assert [text.get_text().strip() for text in drawn.legends[0].texts] == [
        "_chance",
        "_random_init",
        "mean and 95 % interval",
    ]

"""The verdicts of rendered results on each claim of the paper, as the README lists them."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmarks.render import escape, multiplicity, words
from benchmarks.render.claim import Claim
from benchmarks.render.document import Document

HEADERS = (
    *("table", "statement", "column", "verdict", "like with like"),
    *("p", "adjusted p", "over all tables", "seeds for 80 % power"),
)


def claims_table(documents: Sequence[Document]) -> str:
    """A Markdown table with one line per judged claim, and what its p-values mean.

    Claims that are untested in several columns are one line.
    """
    over_all = multiplicity.over_all(documents)
    lines = []
    for document in documents:
        untested: dict[str, list[str]] = {}
        for claim in document.claims:
            if claim.verdict == "untested":
                columns = untested.setdefault(claim.says, [])
                columns += [claim.column] if claim.column else []
            else:
                lines.append(_line(document, claim, over_all))
        dashes = [words.NONE] * 5
        for says, columns in untested.items():
            shown = ", ".join(columns) or words.NONE
            lines.append([_table(document), says, shown, "untested", *dashes])
    cells = [[escape.cell(escape.inline(text)) for text in line] for line in lines]
    shown = tabulate(cells, headers=HEADERS, tablefmt="pipe", disable_numparse=True)
    return "\n\n".join([shown, *multiplicity.expected_over_all(documents)])


def _line(document: Document, claim: Claim, over_all: multiplicity.OverAll) -> list[str]:
    p, adjusted, needed = words.tested(claim)
    return [
        _table(document),
        claim.says,
        claim.column or words.NONE,
        words.verdict(claim),
        words.beside(claim),
        *(p, adjusted, multiplicity.adjusted_over_all(document, claim, over_all), needed),
    ]


def _table(document: Document) -> str:
    return document.heading.removeprefix("Table ")

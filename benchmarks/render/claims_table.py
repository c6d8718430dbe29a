"""The verdicts of rendered results on each claim of the paper, as the README lists them."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmarks.render import escape
from benchmarks.render.document import Document


def claims_table(documents: Sequence[Document]) -> str:
    """A Markdown table with one line per statement; its columns' verdicts side by side."""
    said: dict[tuple[str, str], dict[str, list[str]]] = {}
    for document in documents:
        for claim in document.claims:
            line = said.setdefault((document.heading, claim.says), {})
            line.setdefault(claim.verdict, []).extend([claim.column] if claim.column else [])
    lines = [
        [
            _cell(heading.removeprefix("Table ")),
            _cell(says),
            "; ".join(
                f"**{verdict}** ({_cell(', '.join(columns))})" if columns else verdict
                for verdict, columns in verdicts.items()
            ),
        ]
        for (heading, says), verdicts in said.items()
    ]
    headers = ["table", "statement", "at desk scale"]
    return tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)


def _cell(text: str) -> str:
    return escape.cell(escape.inline(text))

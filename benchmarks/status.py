"""What the committed results say to each claim of the paper, as the README shows it."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmarks.document import Document


def status(shown: Sequence[Document]) -> str:
    """A Markdown table with one line per statement; its columns' verdicts side by side."""
    lines = []
    for document in shown:
        said: dict[str, dict[str, list[str]]] = {}
        for claim in document.claims:
            verdicts = said.setdefault(claim.says, {}).setdefault(claim.verdict, [])
            if claim.column is not None:
                verdicts.append(claim.column)
        for says, verdicts in said.items():
            words = [
                f"**{verdict}** ({', '.join(columns)})" if columns else verdict
                for verdict, columns in verdicts.items()
            ]
            lines.append([document.heading.removeprefix("Table "), says, "; ".join(words)])
    headers = ["table", "the paper says", "at desk scale"]
    return tabulate(lines, headers=headers, tablefmt="pipe", disable_numparse=True)

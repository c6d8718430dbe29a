"""The methods that there are: what each needs, what it gave, where it departs from its source."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from tabulate import tabulate

from benchmarks.render import escape, words
from benchmarks.render.document import Document

COMPARED, CONTROLS, COLUMN = "compared", "controls", "r1"
DESTROYED = "_destroyed"
"""Ends the name of the row of the controls in which a row's signal is destroyed."""

HEADERS = (
    *("method", "source", "what it takes of an item", "R@1 on one encoder"),
    *("R@1 with its signal destroyed", "departures"),
)


class KnownMethod(Protocol):
    """A method as :func:`benchmarks.stages.methods` gives it."""

    @property
    def system(self) -> str:
        """The name of the method as the field prints it."""

    @property
    def reference(self) -> str:
        """Its source."""

    @property
    def needs(self) -> Sequence[str]:
        """The samples that it takes of an item."""

    @property
    def departures(self) -> Sequence[str]:
        """Sentences that say where it departs from its source."""


def lines(documents: Iterable[Document], methods: Iterable[KnownMethod]) -> list[list[str]]:
    """The cells of the table, a line for each method; several results of a method are all named.

    Args:
        documents: those of ``compared`` and ``controls`` give results, if they are among them.
        methods: all that there are.
    """
    by_name = {document.name: document for document in documents}
    compared, controls = by_name.get(COMPARED), by_name.get(CONTROLS)
    return [
        [
            method.system,
            method.reference,
            ", ".join(method.needs),
            _results(compared, method.system, destroyed=False),
            _results(controls, method.system, destroyed=True),
            " ".join(method.departures) or words.NONE,
        ]
        for method in methods
    ]


def methods_table(documents: Sequence[Document], methods: Iterable[KnownMethod]) -> str:
    """The table as Markdown."""
    cells = [[escape.cell(escape.inline(c)) for c in line] for line in lines(documents, methods)]
    return tabulate(cells, headers=HEADERS, tablefmt="pipe", disable_numparse=True)


def _results(document: Document | None, system: str, *, destroyed: bool) -> str:
    """The values of a method's rows; a dash if there are none."""
    if document is None:
        return words.NONE
    places = [i for i, column in enumerate(document.columns) if column.name == COLUMN]
    of_system = {one.row for one in document.facts if one.system == system}
    rows = [
        row
        for row in document.rows
        if row.name in of_system and row.name.endswith(DESTROYED) is destroyed
    ]
    values = [(row.label, words.interval(row.cells[i])) for row in rows for i in places]
    if len(values) == 1:
        return values[0][1]
    return "; ".join(f"{label} {value}" for label, value in values) or words.NONE

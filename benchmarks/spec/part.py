"""A part of a table: some of its rows and columns, for a launch that wants no more than these."""

from collections.abc import Mapping, Sequence

from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.table import RowSpec, Table

LEFT_OUT = "it needs rows or columns that this part of the table leaves out"


def part(table: Table, rows: Sequence[str] | None, columns: Sequence[str] | None) -> Table:
    """The table with only the named rows and columns.

    A claim is judged if everything that it compares is in the part, like with like included, and is
    untested otherwise. The order of the controls is judged if each of its steps is in the part.

    Args:
        table: the whole table.
        rows: names of rows and controls, in any order; None: all.
        columns: names of columns, in any order; None: all.

    Raises:
        ValueError: if a name is unknown or repeated, no row of the part runs, or a column reads the
            values of a column that is left out.
    """
    _check_names("--rows", rows, table.all_rows)
    _check_names("--columns", columns, table.columns)
    kept_rows = set(table.all_rows if rows is None else rows)
    kept = {name: c for name, c in table.columns.items() if columns is None or name in columns}
    for name, column in kept.items():
        if column.reading_of is not None and column.reading_of not in kept:
            read = column.reading_of
            raise ValueError(f"--columns {name}: it reads the values of {read}; name {read} too")
    running = [row for name, row in table.all_rows.items() if name in kept_rows and row.runs]
    if not running:
        raise ValueError(f"--rows {' '.join(rows or ())}: nobody here runs any of these rows")
    if all(row.not_measured.keys() >= kept.keys() for row in running):
        raise ValueError(f"--columns {' '.join(kept)}: none of these rows has a value there")
    measured = {column.protocol for column in kept.values()}
    whole_order = all(
        set(table.step(step, block)) <= kept_rows
        for step in table.order
        if step not in ("chance", "rows")
        for block in table.blocks
    )
    figure = table.figure
    if figure is not None and not (figure.row in kept_rows and figure.protocol in measured):
        figure = None
    small = table.model_copy(
        update={
            "rows": _rows(table.rows, kept_rows, kept, measured),
            "controls": _rows(table.controls, kept_rows, kept, measured),
            "columns": kept,
            "protocols": {n: p for n, p in table.protocols.items() if n in measured},
            "claims": _without_repeats(
                [_claim(claim, table, kept_rows, kept) for claim in table.claims]
            ),
            "order": table.order if whole_order else [],
            "figure": figure,
        }
    )
    small._part = _words(small, table)
    return small


def _check_names(option: str, names: Sequence[str] | None, legal: Mapping[str, object]) -> None:
    for place, name in enumerate(names or ()):
        if name not in legal:
            raise ValueError(f"{option}: unknown {name!r}; legal: {', '.join(legal)}")
        if name in (names or ())[:place]:
            raise ValueError(f"{option}: {name!r} is named twice")


def _rows(
    rows: Mapping[str, RowSpec],
    kept: set[str],
    columns: Mapping[str, object],
    measured: set[str],
) -> dict[str, RowSpec]:
    """The rows of the part, without what is about other columns."""
    return {
        name: row.model_copy(
            update={
                "evaluate": {n: s for n, s in row.evaluate.items() if n in measured},
                "bold": [column for column in row.bold if column in columns],
                "not_measured": {c: why for c, why in row.not_measured.items() if c in columns},
            }
        )
        for name, row in rows.items()
        if name in kept
    }


def _claim(
    claim: ClaimSpec, table: Table, rows: set[str], columns: Mapping[str, object]
) -> ClaimSpec:
    """The claim, or that it is untested because the part lacks what it compares."""
    if claim.untested is not None:
        return claim
    wanted = {name for name in (claim.column, claim.beside) if name is not None}
    if {*claim.names, *table.compared(claim)} <= rows and wanted <= columns.keys():
        return claim
    kinds = ("best", "among", "above", "near", "not_above", "within", "at_chance", "beside")
    no_kind = dict.fromkeys(kinds)
    column = claim.column if claim.column in columns else None
    return claim.model_copy(
        update={**no_kind, "by": 0.0, "differ": False, "column": column, "untested": LEFT_OUT}
    )


def _without_repeats(claims: Sequence[ClaimSpec]) -> list[ClaimSpec]:
    """Claims that differ only in a column that is left out are one untested claim."""
    return [claim for place, claim in enumerate(claims) if claim not in claims[:place]]


def _words(small: Table, whole: Table) -> str:
    """What the part holds, in a sentence."""
    rows = ", ".join(row.label for row in small.all_rows.values())
    columns = ", ".join(column.label for column in small.columns.values())
    return (
        f"This is a part of the table: {len(small.all_rows)} of {len(whole.all_rows)} rows"
        f" ({rows}) and {len(small.columns)} of {len(whole.columns)} columns ({columns})."
    )

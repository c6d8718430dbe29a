"""The paper against itself: what its reported numbers say about each other. Values are percent."""

import math
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.spec import ROMAN, Claim, Table

HALF_UNIT = 0.05 + 1e-9
"""Half of the last printed digit."""

MAX_RUNS = 10
"""Means over up to so many runs are considered, where one run could not give a value."""


def paper_check(table: Table, others: Mapping[str, Table]) -> list[str]:
    """What the reported numbers say about themselves, from the tables' files alone.

    Bold marks that are not on the best value, statements that the numbers contradict, cells that
    disagree between tables, values that a test set of that size cannot give, and how far another
    test set would move them; then the table's notes.

    Args:
        table: what is checked.
        others: tables by name, to look up what the paper prints twice.

    Returns:
        Sentences, none of them where there is nothing to say.
    """
    return [
        *_bold(table),
        *_claims(table),
        *_repeats(table, others),
        *_impossible(table),
        *_sampling(table),
        *(note.strip() for note in table.paper.notes),
    ]


def _parts(table: Table) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Column, its label with the block, and the values reported there, by row."""
    for name, column in table.columns.items():
        for block in table.blocks:
            label = column.label if block is None else f"{column.label} ({block})"
            values = {
                r: row.reported[name]
                for r, row in table.rows.items()
                if row.block == block and name in row.reported
            }
            if values:
                yield name, label, values


def _name(table: Table, row: str) -> str:
    """A row's label, and what tells it from others of the same label."""
    spec = table.rows[row]
    alike = [other for other in table.rows.values() if other.label == spec.label]
    return spec.label if len(alike) == 1 else f"{spec.label} ({next(iter(spec.about.values()))})"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _bold(table: Table) -> list[str]:
    right, wrong = [], []
    for column, label, values in _parts(table):
        top = max(values.values())
        best = [row for row in values if values[row] == top]
        bold = [row for row in values if column in table.rows[row].bold]
        if bold == best:
            right.append(label)
            continue
        marked = [f"{_name(table, row)} with {values[row]:.1f}" for row in bold]
        owners = _and([_name(table, row) for row in best])
        wrong.append(
            f"{label}: bold is {_and(marked) if marked else 'nothing'}, but the best value is"
            f" {top:.1f}, of {owners}."
        )
    return [*([f"Bold is the best value in {_and(right)}."] if right else []), *wrong]


def _claims(table: Table) -> list[str]:
    found: dict[tuple[str, str], list[str]] = {}
    for claim in table.claims:
        if claim.column is not None and (against := _against(claim, claim.column, table)):
            label = table.columns[claim.column].label
            found.setdefault((claim.says, claim.where), []).append(f"in {label} {against}")
    return [
        f'Its own numbers contradict "{says.strip()}" ({where}): {"; ".join(against)}.'
        for (says, where), against in found.items()
    ]


def _against(claim: Claim, column: str, table: Table) -> str | None:
    """The reported numbers that contradict a claim, if any do."""
    values = {r: row.reported[column] for r, row in table.rows.items() if column in row.reported}
    if any(row not in values for row in claim.names):
        return None
    if claim.near is not None:
        assert claim.within is not None
        a, b = claim.near
        apart = abs(values[a] - values[b])
        if apart <= claim.within + 1e-9:
            return None
        return f"{_listed(table, values, [a, b])}, {apart:.1f} points apart"
    if claim.best is not None:
        first, rivals = claim.best, table.rivals(claim.best)
    elif claim.above is not None:
        first, rivals = claim.above[0], claim.above[1:]
    else:
        return None
    ahead = [row for row in rivals if row in values and values[row] >= values[first]]
    return _listed(table, values, [first, *ahead]) if ahead else None


def _listed(table: Table, values: Mapping[str, float], rows: Sequence[str]) -> str:
    return _and([f"{_name(table, row)} has {values[row]:.1f}" for row in rows])


def _repeats(table: Table, others: Mapping[str, Table]) -> list[str]:
    found = []
    for repeat in table.paper.repeats:
        heading = f"Table {ROMAN[repeat.table - 1]}"
        ours = table.rows[repeat.row].reported[repeat.column]
        column = table.columns[repeat.column].label
        here = f"Row {_name(table, repeat.row)} has {ours:.1f} in {column}"
        other = others.get(f"table{repeat.table}")
        if other is None:
            found.append(f"{here}; {heading} is not at hand to compare it with.")
            continue
        theirs = other.rows[repeat.with_row].reported[repeat.with_column]
        row = _name(other, repeat.with_row)
        there = (
            f"{theirs:.1f} of row {row} in {other.columns[repeat.with_column].label} of {heading}"
        )
        word = "is equal to" if ours == theirs else f"is {abs(ours - theirs):.1f} points from"
        found.append(f"{here}, which {word} the {there}: {repeat.says.strip()}.")
    return found


def _possible(value: float, num_test: int, num_runs: int) -> bool:
    """Whether a mean of ``num_runs`` accuracies over ``num_test`` items rounds to a value."""
    total = num_test * num_runs
    return abs(100 * round(value / 100 * total) / total - value) <= HALF_UNIT


def _impossible(table: Table) -> list[str]:
    found = []
    for column, label, values in _parts(table):
        num_test = table.columns[column].num_test
        if num_test is None or len(table.protocol(column).folds) > 1:
            continue
        for row, value in values.items():
            if _possible(value, num_test, 1):
                continue
            runs = [str(n) for n in range(2, MAX_RUNS + 1) if _possible(value, num_test, n)]
            could = (
                f"a mean over {', '.join(runs)} runs could be"
                if runs
                else f"nor could a mean over up to {MAX_RUNS} runs"
            )
            found.append(
                f"{label}: {value:.1f} of {_name(table, row)} cannot be the accuracy of one run"
                f" over {num_test:,} test items; {could}."
            )
    return found


def _sampling(table: Table) -> list[str]:
    by_size: dict[int, list[str]] = {}
    for column, label, values in _parts(table):
        num_test = table.columns[column].num_test
        if num_test is None or len(values) < 2:
            continue
        first, second = sorted(values.values(), reverse=True)[:2]
        error = 100 * math.sqrt(first / 100 * (1 - first / 100) / num_test) * 1.96
        spread = first - min(values.values())
        by_size.setdefault(num_test, []).append(
            f"{label} ± {error:.1f} (the best two are {first - second:.1f} apart, all rows"
            f" {spread:.1f})"
        )
    return [
        f"Another draw of {num_test:,} test items would alone move one accuracy by so many points"
        f" (95 %): {', '.join(parts)}. The paper gives no number of runs."
        for num_test, parts in by_size.items()
    ]

"""The paper against itself: what its reported numbers say about each other. Values are percent."""

import math
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.table import ROMAN, ColumnSpec, Table

HALF_UNIT = 0.05 + 1e-9
"""Half of the last printed digit."""

NORMAL_QUANTILE = 1.959964
"""The quantile of 97.5 %, for two-sided intervals of 95 %."""

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
        Sentences; an empty list if there is nothing to say.
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
    """A row's label; with its first description if another row has the same label."""
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
    contradictions: dict[tuple[str, str], list[str]] = {}
    for claim in table.claims:
        if claim.column is not None and (against := _against(claim, claim.column, table)):
            label = table.columns[claim.column].label
            contradictions.setdefault((claim.says, claim.where), []).append(f"in {label} {against}")
    return [
        f'Its own numbers contradict "{says.strip()}" ({where}): {"; ".join(against)}.'
        for (says, where), against in contradictions.items()
    ]


def _against(claim: ClaimSpec, column: str, table: Table) -> str | None:
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
        first, rivals = claim.best, claim.among or table.rivals(claim.best)
    elif claim.above is not None:
        first, rivals = claim.above[0], claim.above[1:]
    else:
        return None
    ahead = [r for r in rivals if r in values and values[r] + claim.by >= values[first]]
    return _listed(table, values, [first, *ahead]) if ahead else None


def _listed(table: Table, values: Mapping[str, float], rows: Sequence[str]) -> str:
    return _and([f"{_name(table, row)} has {values[row]:.1f}" for row in rows])


def _repeats(table: Table, others: Mapping[str, Table]) -> list[str]:
    """Numbers that the paper prints in two tables, said under both of them."""
    sentences = []
    for repeat in table.paper.repeats:
        other = others.get(f"table{repeat.table}")
        if other is None:
            here = f"Row {_name(table, repeat.row)} has {_value(table, repeat.row, repeat.column)}"
            heading = f"Table {ROMAN[repeat.table - 1]}"
            sentences.append(f"{here}; {heading} is not at hand to compare it with.")
            continue
        ends = (table, repeat.row, repeat.column), (other, repeat.with_row, repeat.with_column)
        sentences.append(_both_ends(*ends, repeat.says))
    for other in others.values():
        for repeat in other.paper.repeats:
            if repeat.table == table.table:
                ends = (
                    (table, repeat.with_row, repeat.with_column),
                    (other, repeat.row, repeat.column),
                )
                sentences.append(_both_ends(*ends, repeat.says))
    return sentences


def _both_ends(here: tuple[Table, str, str], there: tuple[Table, str, str], says: str) -> str:
    apart = abs(
        here[0].rows[here[1]].reported[here[2]] - there[0].rows[there[1]].reported[there[2]]
    )
    word = "is equal to" if apart < HALF_UNIT else f"is {apart:.1f} points from"
    return (
        f"Row {_name(here[0], here[1])} has {_value(*here)}, which {word} the {_value(*there)} of"
        f" {there[0].heading}, row {_name(there[0], there[1])}: {says.strip()}."
    )


def _value(table: Table, row: str, column: str) -> str:
    return f"{table.rows[row].reported[column]:.1f} in {table.columns[column].label}"


def _possible(value: float, num_test: int, num_runs: int) -> bool:
    """Whether a mean of ``num_runs`` accuracies over ``num_test`` items rounds to a value."""
    total = num_test * num_runs
    return abs(100 * round(value / 100 * total) / total - value) <= HALF_UNIT


def _impossible(table: Table) -> list[str]:
    sentences = []
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
            sentences.append(
                f"{label}: {value:.1f} of {_name(table, row)} cannot be the accuracy of one run"
                f" over {num_test:,} test items; {could}."
            )
    return sentences


def _sampling(table: Table) -> list[str]:
    by_test: dict[str, list[str]] = {}
    for column, label, values in _parts(table):
        spec = table.columns[column]
        if spec.num_test is None or len(values) < 2:
            continue
        first, second = sorted(values.values(), reverse=True)[:2]
        low, high = wilson(first, spec.num_test / design_effect(spec))
        spread = first - min(values.values())
        by_test.setdefault(_test_items(spec), []).append(
            f"{label} {first:.1f} is {low:.1f} to {high:.1f} (the best two are {first - second:.1f}"
            f" apart, all rows {spread:.1f})"
        )
    return [
        f"The binomial interval (95 %, Wilson) of one accuracy over {items}: {', '.join(parts)}."
        " The paper gives no number of runs."
        for items, parts in by_test.items()
    ]


def _test_items(column: ColumnSpec) -> str:
    """How many test items there are, and as how many independent ones they count."""
    assert column.num_test is not None
    words = f"{column.num_test:,} test items"
    if column.num_groups is None:
        return words
    effect = design_effect(column)
    return (
        f"{words} of {column.num_groups:,} groups, in which hits correlate at"
        f" {column.group_correlation:g}, so that the items count as"
        f" {column.num_test / effect:,.0f} independent ones (design effect"
        f" 1 + ({column.num_test / column.num_groups:.2f} - 1) x {column.group_correlation:g} ="
        f" {effect:.2f})"
    )


def design_effect(column: ColumnSpec) -> float:
    """By how much the variance of an accuracy grows because test items come in groups.

    Kish's design effect (Survey Sampling, 1965) 1 + (m - 1) rho, with the mean group size m and
    the intraclass correlation rho of hits within one. It is exact for groups of equal size and a
    lower bound for others; 1.0 where a column names no groups.
    """
    if column.num_test is None or column.num_groups is None or column.group_correlation is None:
        return 1.0
    return 1 + (column.num_test / column.num_groups - 1) * column.group_correlation


def wilson(percent: float, num_items: float) -> tuple[float, float]:
    """Ends of Wilson's 95 % interval of an accuracy over items, in percent.

    Args:
        percent: the accuracy, 0-100.
        num_items: independent items that it was counted over, 1 or more; if items come in groups,
            their number over the design effect, which need not be whole.
    """
    p, n, z = percent / 100, num_items, NORMAL_QUANTILE
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return 100 * (middle - half) / (1 + z * z / n), 100 * (middle + half) / (1 + z * z / n)

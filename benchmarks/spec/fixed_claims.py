"""What the tables' files fix before a run: their claims, how they are judged, and the margins.

Plain data for canonical JSON. A statement, what it compares and its margins belong to it; where it
stands in the paper, notes, labels and comments do not. Names are replaced by what they stand for,
so that a claim cannot come to mean other runs.
"""

from collections.abc import Iterable
from typing import Any

from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.table import Settings, Table, overlay

FixedClaim = dict[str, Any]


def fixed_claims(tables: Iterable[Table]) -> dict[str, dict[str, Any]]:
    """Of each table, by its name: its judged ``claims``, and the ``tolerances`` of its columns."""
    return {
        table.name: {
            "claims": [fixed_claim(table, c) for c in table.claims if c.untested is None],
            "tolerances": {
                name: column.tolerance
                for name, column in table.columns.items()
                if column.tolerance is not None
            },
        }
        for table in tables
    }


def fixed_claim(table: Table, claim: ClaimSpec) -> FixedClaim:
    """A judged claim with its inference, and all that its columns and rows stand for."""
    assert table.inference is not None
    return {
        "claim": claim.model_dump(exclude={"where"}, exclude_defaults=True),
        "inference": table.inference.model_dump(),
        "compared": {
            column: {
                "metric": table.columns[column].metric,
                "rows": {row: _meaning(table, row, column) for row in table.compared(claim)},
            }
            for column in (claim.column, claim.beside)
            if column is not None
        },
    }


def _meaning(table: Table, row: str, column: str) -> Settings:
    """How a value is made, or which number is cited in its place."""
    spec, name = table.all_rows[row], table.columns[column].protocol
    if not spec.runs:
        return {"reported": spec.reported.get(column)}
    protocol = table.protocols[name]
    divisor = spec.epochs_divided_by
    return {
        "stage": protocol.stage,
        "corpus": table.corpus(row, name),
        "folds": protocol.folds,
        "settings": overlay(protocol.settings, spec.evaluate.get(name, {})),
        "features": protocol.features,
        "pretrain": table.pretrain(row, name),
        "clip": table.clip(row),
        **({"epochs_divided_by": divisor} if divisor > 1 else {}),
    }

"""Which claims are exploratory: a run was made before the claim that is judged on it was fixed."""

from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from benchmarks.results.judge import Judged
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.fixed_claims import fixed_claim
from benchmarks.spec.table import Table
from benchmarks.store.home import Home


def exploratory(
    claim: ClaimSpec, table: Table, digests: Collection[str | None], home: Home
) -> bool:
    """Whether one of some runs was launched when the tables' files lacked this very claim.

    Args:
        claim: a judged claim.
        table: that it belongs to.
        digests: of the claims that were fixed when each of the runs was launched; None for a run
            that an earlier version made, which fixed none.
        home: keeps what the digests stand for.
    """
    fixed = fixed_claim(table, claim)
    return not all(
        digest is not None and fixed in home.claims_of(table.name, digest)
        for digest in set(digests)
    )


def mark(judged: Judged, frame: pd.DataFrame, table: Table, home: Home) -> Judged:
    """The judgements, with those on exploratory claims marked."""
    return replace(
        judged,
        claims=[
            replace(
                judgement,
                is_exploratory=judgement.claim.untested is None
                and exploratory(
                    judgement.claim, table, _digests(frame, table, judgement.claim), home
                ),
            )
            for judgement in judged.claims
        ],
    )


def _digests(frame: pd.DataFrame, table: Table, claim: ClaimSpec) -> list[str | None]:
    """The digests in the records of the finished runs that a claim is judged on."""
    used = frame[
        frame["column"].isin([claim.column, claim.beside])
        & frame["row"].isin(table.compared(claim))
        & frame["status"].isin(["done", "accepted", "stale"])
    ]
    return [None if pd.isna(digest) else digest for digest in used["claims"]]

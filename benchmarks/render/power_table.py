"""How many seeds the claims of a plan need, as a person sees it before a launch."""

from collections.abc import Sequence

from tabulate import tabulate

from benchmarks.plan.amounts import figure
from benchmarks.render import words
from benchmarks.results.planning import PlannedClaim
from benchmarks.spec.table import Table


def power_table(table: Table, planned: Sequence[PlannedClaim], num_seeds: int, unit: str) -> str:
    """The judged claims of a table with the seeds that they need, and their price.

    Args:
        table: the table.
        planned: its judged claims.
        num_seeds: in the plan.
        unit: what an hour is an hour of.
    """
    heading = (
        f"{table.heading}: seeds for 80 % power at the effect that the paper reports, at the first"
        f" step of Holm's adjustment; {num_seeds} planned"
    )
    if not planned:
        return f"{heading}: no claim of it is judged"
    lines = [
        [
            one.claim.says,
            table.columns[str(one.claim.column)].label,
            words.NONE if one.effect is None else f"{one.effect:.1f}",
            words.NONE if one.sd is None else f"{one.sd:.2f}",
            one.origin or words.NONE,
            words.NONE if one.seeds is None else f"{one.seeds:,}",
            one.remark if one.seconds is None else figure(one.seconds / 3600),
        ]
        for one in planned
    ]
    headers = ["claim", "column", "effect", "sd of a seed", "sd from", "seeds", f"{unit} hours"]
    return f"{heading}\n" + tabulate(lines, headers=headers, disable_numparse=True)

from collections.abc import Mapping
from pathlib import Path

from iicl.config import Execution
from iicl.training.context import Context, Report


def silent(fraction: float, text: str) -> None:
    assert 0 <= fraction <= 1


def context(
    out: Path,
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    report: Report = silent,
    **execution: object,
) -> Context:
    """Of a run in an existing folder."""
    return Context(corpora, upstream, out, Execution.model_validate(execution), report)

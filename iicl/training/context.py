"""Where a stage reads and writes, and how it is carried out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iicl.config import Execution

Report = Callable[[float, str], None]
"""Receives the finished fraction of a stage, 0-1, and a line that says where it is."""


@dataclass(frozen=True)
class Context:
    """The surroundings of a run; nothing in it may change a result on the CPU.

    Attributes:
        corpora: folders of prepared corpora by name.
        upstream: folders of the finished runs that the stage reads, by role.
        out: the run's own folder; an interrupted attempt in it is continued.
        execution: device, workers, saving interval and memory for graphs.
        report: told about the progress.
    """

    corpora: Mapping[str, Path]
    upstream: Mapping[str, Path]
    out: Path
    execution: Execution
    report: Report

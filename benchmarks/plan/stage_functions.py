"""The functions that the suite calls of the module that carries stages out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks.spec.prices import Work


class Stages(Protocol):
    """The module :mod:`benchmarks.stages`, which documents each function, or one in its place.

    Attributes:
        __name__: by which a job imports the module.
        STAGES: the names of the stages, with what carries each of them out.
        PRELOAD: modules worth importing once before many runs start.
    """

    __name__: str
    STAGES: dict[str, str]
    PRELOAD: list[str]

    # What a run is.

    def resolve(self, stage: str, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The runs that a stage consists of, every default written out."""

    def metrics(self, resolved: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the metrics of a measuring run."""

    def needs(self, resolved: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any] | None]:
        """Upstream runs of a measuring run."""

    def splits(self, resolved: Mapping[str, Any]) -> tuple[str, ...]:
        """Splits of its fold that a measuring run reads."""

    def code_modules(self, resolved: Mapping[str, Any]) -> list[str]:
        """Modules that hold the code of a run."""

    def default_encoders(self) -> dict[str, str]:
        """View -> name of the encoder that it has unless another is named."""

    def check_encoder(self, name: str, sizes: Mapping[str, Any]) -> None:
        """Check that an encoder exists and has these sizes."""

    def items_trained_on(self, resolved: Mapping[str, Any]) -> str:
        """Key in the counts of the items that a pretraining reads."""

    def work(
        self,
        resolved: Mapping[str, Any],
        counts: Mapping[str, int],
        pretrained: Mapping[str, Any] | None,
    ) -> Work:
        """How much a run computes."""

    def describe(self, resolved: Mapping[str, Any], counts: Mapping[str, int]) -> Any:
        """What a pretraining is, for a reader: its method, encoders, samples and encodings."""

    # Corpora.

    def corpus_header(self, out: Path) -> dict[str, Any] | None:
        """What a prepared corpus says of itself."""

    def reader(self, corpus: str, source: Path) -> str:
        """Name of the reader of a real copy."""

    def prepare(
        self,
        corpus: str,
        source: Path | None,
        generate: Mapping[str, Any] | None,
        preparation: Mapping[str, Any],
        out: Path,
        num_workers: int,
        progress: Callable[[int, int], None],
    ) -> dict[str, Any]:
        """Prepare a corpus."""

    def survey(
        self, corpus: str, source: Path, preparation: Mapping[str, Any], out: Path
    ) -> tuple[bool, int, str]:
        """Whether a corpus is prepared as its real copy is now, its shards, its fingerprint."""

    # Runs.

    def run(
        self,
        resolved: Mapping[str, Any],
        *,
        corpora: Mapping[str, Path],
        upstream: Mapping[str, Path],
        out: Path,
        execution: Mapping[str, Any],
        report: Callable[[float, str], None],
    ) -> dict[str, Any]:
        """Carry out one run."""

    def listen(self, leave: Callable[[str], None]) -> None:
        """Take a scheduler's signals."""

    def interruption(self, problem: Exception) -> str | None:
        """Why a run that ended in an exception can go on; None if it cannot."""

    def kernels(self) -> dict[str, str]:
        """What the libraries that choose kernels by the processor have chosen."""

    def neighbours(self, folder: Path) -> Any:
        """What a ``neighbours`` run wrote."""

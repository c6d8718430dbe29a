"""Which data a launch uses: generated, or a real copy given with ``--data``, and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plan import identity
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.scale import Scale
from benchmarks.store import files
from benchmarks.store.home import Home


@dataclass(frozen=True)
class UsedCorpus:
    """One corpus of a launch, prepared or yet to be.

    Attributes:
        name: the corpus that the table asks for.
        source: the real copy given with ``--data``; None for a generated corpus.
        generate: settings of the generator; None for a real copy.
        preparation: settings of ``prepare``.
        path: the folder of the prepared corpus.
        header: what the prepared corpus says of itself; None before it is prepared.
        outdated: the header is of a corpus that other generator code made from the same settings.
        counts: usable items, of the header or, before it is there, expected by the scale.
    """

    name: str
    source: Path | None
    generate: Mapping[str, Any] | None
    preparation: Mapping[str, Any]
    path: Path
    header: Mapping[str, Any] | None
    outdated: bool
    counts: Mapping[str, int]

    @property
    def missing(self) -> bool:
        """Whether no copy was given and none can be generated."""
        return self.source is None and self.generate is None

    @property
    def stands_in(self) -> bool:
        """Whether the real copy is of something else than the corpus that the table asks for."""
        return self.header is not None and not self.generate and self.header["reader"] != self.name

    @property
    def to_prepare(self) -> bool:
        """Whether nothing is prepared, or the present code may prepare something else."""
        return self.header is None or self.outdated

    @property
    def sheet(self) -> Path:
        """The picture of what is in a generated corpus; a real copy has none."""
        return self.path.with_name(f"{self.path.name}.png")

    @property
    def hash(self) -> str:
        """The manifest's hash; before preparation a placeholder that is no hash."""
        return self.header["hash"] if self.header else "unprepared"

    @property
    def origin(self) -> str:
        """Where the clips come from, without a path of this machine."""
        if self.source is not None:
            return f"clips of folder {self.source.name}"
        return "generated" if self.generate is not None else "not given (--data)"

    @property
    def summary(self) -> str:
        """The data of the corpus in one sentence."""
        if self.header is None:
            return f"{self.name}: {self.origin}, not prepared yet"
        usable, listed = self.header["num_usable"], self.header["num_items"]
        if self.generate is not None:
            code = ", by other code of the generator" if self.outdated else ""
            return f"{self.name}: {usable:,} of {listed:,} generated clips usable{code}"
        if self.stands_in:
            return f"{self.name}: {usable:,} of {listed:,} {self.origin} stood in"
        return f"{self.name}: {usable:,} of {listed:,} listed items present and usable"


def resolve(
    scale: Scale, data: Mapping[str, Path], home: Home, stages: Stages, code: Path
) -> dict[str, UsedCorpus]:
    """The corpora of a scale by the name a table uses; two names may share one corpus.

    Args:
        scale: says what is generated.
        data: real copies by corpus name, from the command line.
        home: where prepared corpora are.
        stages: the module that knows readers and generators.
        code: the folder that holds the package ``iicl``.

    Raises:
        ValueError: if ``data`` names an unknown corpus or a folder that does not exist, that the
            home lies in, or that is laid out in an unknown way.
    """
    if unknown := set(data) - set(scale.corpora):
        known = ", ".join(scale.corpora)
        raise ValueError(f"--data: unknown corpus {sorted(unknown)[0]!r}; known: {known}")
    for name, folder in data.items():
        if not folder.is_dir():
            raise ValueError(f"--data {name}: there is no folder {folder}")
        if home.corpora.resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"--data {name}: --home {home.root} lies inside {folder}; move the home"
            )
        try:
            stages.reader(name, folder)  # before anything is generated or decoded
        except ValueError as error:
            raise ValueError(f"--data {name}: {error}") from None
    used: dict[str, UsedCorpus] = {}
    for name in scale.corpora:
        real = name
        while real not in data and (other := scale.corpora[real].same_as) is not None:
            real = other
        corpus = scale.corpora[real]
        source: Path | None = data[real].resolve() if real in data else None
        generate = corpus.generate if source is None else None
        stem = f"{real}-{files.digest([str(source), generate, scale.preparation])[:8]}"
        path = home.corpora / stem
        header = stages.corpus_header(path)
        outdated = False
        if generate is not None:  # other code may make other clips from the same settings
            modules = stages.code_modules({"stage": "prepare", "corpus": real})
            path = path.with_name(f"{stem}.{identity.code_hash(code, modules)[:4]}")
            header = stages.corpus_header(path)
            older = sorted(home.corpora.glob(f"{stem}.*"), key=lambda p: p.lstat().st_mtime)
            headers = [h for p in older if (h := stages.corpus_header(p)) is not None]
            if header is None and headers:
                header, outdated = headers[-1], True
        counts = header["counts"] if header else corpus.counts
        used[name] = UsedCorpus(
            real, source, generate, scale.preparation, path, header, outdated, counts
        )
    return used

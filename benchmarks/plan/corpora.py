"""Which data a launch uses: generated, or a real copy given with ``--data``, and what it holds."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.plan import identity
from benchmarks.plan.amounts import numbers
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.scale import Generation, Scale
from benchmarks.store import files
from benchmarks.store.home import Home


@dataclass(frozen=True)
class UsedCorpus:
    """One corpus of a launch, prepared or yet to be.

    Attributes:
        name: the corpus that the table asks for.
        source: the real copy given with ``--data``; None for a generated corpus.
        generation: how it is generated, its seed a number; None for a real copy.
        preparation: settings of ``prepare``.
        path: the folder of the prepared corpus.
        header: what the prepared corpus says of itself; None before it is prepared.
        outdated: the header is of a corpus that other generator code made from the same settings.
        counts: usable items, of the header or, before it is there, expected by the scale.
    """

    name: str
    source: Path | None
    generation: Generation | None
    preparation: Mapping[str, Any]
    path: Path
    header: Mapping[str, Any] | None
    outdated: bool
    counts: Mapping[str, int]

    @property
    def seed(self) -> int | None:
        """The seed that it is generated with; None for a real copy."""
        if self.generation is None:
            return None
        assert self.generation.seed != "run"
        return self.generation.seed

    @property
    def generate(self) -> dict[str, Any] | None:
        """Settings of the generator; None for a real copy."""
        if self.generation is None:
            return None
        return {"num_items": self.generation.num_items, "seed": self.seed}

    @property
    def title(self) -> str:
        """Its name and seed."""
        return self.name if self.seed is None else f"{self.name}, seed {self.seed}"

    @property
    def missing(self) -> bool:
        """Whether no copy was given and none can be generated."""
        return self.source is None and self.generation is None

    @property
    def stands_in(self) -> bool:
        """Whether the real copy is of something else than the corpus that the table asks for."""
        return (
            self.header is not None and not self.generation and self.header["reader"] != self.name
        )

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
        """The manifest's hash; before preparation words, no hash, that no other corpus has."""
        return self.header["hash"] if self.header else f"unprepared {self.path.name}"

    @property
    def origin(self) -> str:
        """Where the clips come from, without a path of this machine."""
        if self.source is not None:
            return f"clips of folder {self.source.name}"
        return "generated" if self.generation is not None else "not given (--data)"

    @property
    def summary(self) -> str:
        """The data of the corpus in one sentence."""
        (words,) = summaries([self])
        return words


def by_name(corpora: Iterable[UsedCorpus]) -> dict[str, list[UsedCorpus]]:
    """Corpora by their names, each once; those of one name differ in their seeds, in this order."""
    groups: dict[str, dict[Path, UsedCorpus]] = {}
    for corpus in corpora:
        groups.setdefault(corpus.name, {})[corpus.path] = corpus
    return {name: sorted(g.values(), key=lambda c: c.seed or 0) for name, g in groups.items()}


def summaries(corpora: Iterable[UsedCorpus]) -> list[str]:
    """The data in one sentence for each corpus, however many seeds it is generated with."""
    return [
        _summary([c for c in group if (c.header is not None) is is_prepared])
        for group in by_name(corpora).values()
        for is_prepared in sorted({c.header is not None for c in group}, reverse=True)
    ]


def bytes_to_come(corpora: Collection[UsedCorpus]) -> float:
    """Bytes on disk of the corpora that are yet to be generated: their clips, and what is kept."""
    return sum(
        corpus.generation.num_items * corpus.generation.bytes_per_item
        for corpus in corpora
        if corpus.to_prepare and corpus.generation is not None
    )


def _summary(group: Sequence[UsedCorpus]) -> str:
    """The data of corpora that differ in nothing but their seeds, in one sentence."""
    first = group[0]
    seeds = [corpus.seed for corpus in group if corpus.seed is not None]
    of_seeds = f", corpus seed{'s' if len(seeds) > 1 else ''} {numbers(seeds)}" if seeds else ""
    headers = [corpus.header for corpus in group if corpus.header is not None]
    if not headers:
        return f"{first.name}: {first.origin}, not prepared yet{of_seeds}"
    counts = sorted({header["num_usable"] for header in headers})
    usable = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    listed = headers[0]["num_items"]
    if first.generation is not None:
        old = [c.seed for c in group if c.outdated and c.seed is not None]
        code = f", by other code of the generator (seed {numbers(old)})" if old else ""
        return f"{first.name}: {usable} of {listed:,} generated clips usable{of_seeds}{code}"
    if first.stands_in:
        return f"{first.name}: {usable} of {listed:,} {first.origin} stood in"
    return f"{first.name}: {usable} of {listed:,} listed items present and usable"


class Corpora:
    """The corpora of a scale by the names that tables use.

    Two names may share one corpus. A corpus whose seed follows the run's is another one for each
    seed; it is looked up once.
    """

    def __init__(
        self, scale: Scale, data: Mapping[str, Path], home: Home, stages: Stages, code: Path
    ) -> None:
        self._scale, self._data, self._home = scale, data, home
        self._stages, self._code = stages, code
        self._found: dict[tuple[str, int | str | None], UsedCorpus] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._scale.corpora)

    def serving(self, name: str) -> str:
        """The corpus that serves as the one of this name."""
        while name not in self._data and (other := self._scale.corpora[name].same_as) is not None:
            name = other
        return name

    def follows_run(self, name: str) -> bool:
        """Whether runs of unlike seeds read unlike corpora where their settings have this name."""
        generation = self._generation(self.serving(name))
        return generation is not None and generation.seed == "run"

    def of(self, name: str, run_seed: int) -> UsedCorpus:
        """The corpus that a run of a seed reads where its settings have this name."""
        real = self.serving(name)
        generation = self._generation(real)
        seed = None if generation is None else generation.seed
        seed = run_seed if seed == "run" else seed
        if (real, seed) not in self._found:
            if generation is not None:
                generation = generation.model_copy(update={"seed": seed})
            self._found[real, seed] = self._find(real, generation)
        return self._found[real, seed]

    def _generation(self, name: str) -> Generation | None:
        return None if name in self._data else self._scale.corpora[name].generate

    def _find(self, name: str, generation: Generation | None) -> UsedCorpus:
        source = self._data[name].resolve() if name in self._data else None
        corpora, preparation = self._home.corpora, self._scale.preparation
        unfound = UsedCorpus(name, source, generation, preparation, corpora, None, False, {})
        stem = f"{name}-{files.digest([str(source), unfound.generate, preparation])[:8]}"
        path, outdated = corpora / stem, False
        if generation is not None:  # other code may make other clips from the same settings
            modules = self._stages.code_modules({"stage": "prepare", "corpus": name})
            path = path.with_name(f"{stem}.{identity.code_hash(self._code, modules)[:4]}")
        header = self._stages.corpus_header(path)
        if header is None and generation is not None:
            older = sorted(corpora.glob(f"{stem}.*"), key=lambda p: p.lstat().st_mtime)
            headers = [h for p in older if (h := self._stages.corpus_header(p)) is not None]
            if headers:
                header, outdated = headers[-1], True
        counts = header["counts"] if header else self._scale.corpora[name].counts
        return replace(unfound, path=path, header=header, outdated=outdated, counts=counts)


def resolve(
    scale: Scale, data: Mapping[str, Path], home: Home, stages: Stages, code: Path
) -> Corpora:
    """The corpora of a scale, after a check of the real copies that stand for some.

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
    return Corpora(scale, data, home, stages, code)

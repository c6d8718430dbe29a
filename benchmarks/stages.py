"""From a stage's name to the function that carries it out: the only door to ``iicl``.

Every import of ``iicl`` happens inside a function, and only :func:`run`, :func:`prepare` and
:func:`assemble` reach torch, so that planning stays quick.
"""

import functools
import importlib
import marshal
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.spec.prices import Footprint, ReadCost, Seconds, Work
from benchmarks.store import files, records
from benchmarks.store.files import DamagedFileError
from benchmarks.store.records import CorpusHeader

STAGES = {
    "pretrain": "iicl.training.pretrain:run",
    "features": "iicl.evaluation.features:run",
    "retrieval": "iicl.evaluation.retrieval:run",
    "linear": "iicl.evaluation.linear:run",
    "finetune": "iicl.training.finetune:run",
    "clustering": "iicl.evaluation.clustering:run",
    "crossmodal": "iicl.evaluation.crossmodal:run",
    "neighbours": "iicl.evaluation.neighbours:run",
    "pretext": "iicl.evaluation.pretext:run",
}

PRELOAD = ["sklearn.linear_model", "torchaudio", *(s.split(":")[0] for s in STAGES.values())]
"""Modules worth importing once before many runs start."""


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    from iicl import protocols

    return TypeAdapter(protocols.Stage)


@functools.cache
def _length_adapter() -> Any:
    from pydantic import TypeAdapter

    from iicl.config import PretrainLength

    return TypeAdapter(dict[str, PretrainLength])


def _settings(resolved: Mapping[str, Any]) -> Any:
    """The settings of a resolved run, but for the seed: nothing that a plan asks depends on it."""
    # A plan asks several things of each run, and of each seed. Bytes of this version are equal only
    # for equal values.
    return _settings_in(marshal.dumps({**resolved, "seed": 0}, 2))


@functools.lru_cache(maxsize=4096)
def _settings_in(resolved: bytes) -> Any:
    return _adapter().validate_python(marshal.loads(resolved))


def resolve(stage: str, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs that a stage consists of, in their order, with every default written out.

    Args:
        stage: a key of :data:`STAGES`.
        settings: fields of the stage's configuration; for ``pretrain``, ``length`` in place of
            ``phase`` and ``epochs``.

    Raises:
        ValueError: if the stage or a setting is unknown, or a value out of range.
    """
    if stage not in STAGES:
        raise ValueError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    seed = settings.get("seed")
    if type(seed) is not int or seed < 0:  # which the settings refuse
        return _resolve(stage, settings)
    # A seed changes nothing but itself, so that runs of many seeds are resolved once.
    runs = _resolve_in(stage, marshal.dumps({**settings, "seed": 0}, 2))
    return [{**run, "seed": seed} for run in runs]


@functools.lru_cache(maxsize=4096)
def _resolve_in(stage: str, settings: bytes) -> list[dict[str, Any]]:
    return _resolve(stage, marshal.loads(settings))


def _resolve(stage: str, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    from iicl.pretraining import pretrain_phases

    if stage == "pretrain":
        rest = dict(settings)
        given = {"length": rest.pop("length", {})}  # with its key, which an error names
        length = _length_adapter().validate_python(given)["length"]
        runs = pretrain_phases(length, **rest)
        return [run.model_dump(mode="json") for run in runs]
    return [_adapter().validate_python({**settings, "stage": stage}).model_dump(mode="json")]


def metrics(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the metrics that the result of a resolved measuring run will have."""
    names: tuple[str, ...] = _settings(resolved).metrics()
    return names


def needs(resolved: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any] | None]:
    """Upstream runs of a resolved measuring run.

    Returns:
        role -> settings of the feature run that it reads, or None for the pretraining itself.
    """
    features: Mapping[str, Mapping[str, Any] | None] = _settings(resolved).needs()
    return features


def splits(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Splits of its fold that a resolved measuring run reads."""
    names: tuple[str, ...] = _settings(resolved).splits()
    return names


def code_modules(resolved: Mapping[str, Any]) -> list[str]:
    """Modules whose imports hold all the code that a resolved run's result depends on.

    Args:
        resolved: as :func:`resolve` gave it; ``{"stage": "prepare"}`` asks for the generator's.
    """
    if resolved["stage"] == "prepare":
        return ["iicl.data.synthetic.write"]
    stage = _settings(resolved)
    modules = [STAGES[resolved["stage"]].split(":")[0]]
    modules += [f"iicl.views.{view}" for view in stage.views()]
    if resolved["stage"] == "pretrain":
        modules.append(f"iicl.methods.{stage.method.name}.method")
        modules += [f"iicl.encoders.{name}.network" for name in stage.encoder_names()]
    return modules


def default_encoders() -> dict[str, str]:
    """View -> name of the encoder that it has unless a table or a scale names another one."""
    from iicl.encoders.choice import default_names

    return dict(default_names())


def check_encoder(name: str, sizes: Mapping[str, Any]) -> None:
    """Check that there is an encoder of that name, and that it has these sizes.

    Raises:
        ValueError: if there is none, or a size is unknown or out of range.
    """
    from iicl import encoders

    encoders.settings_class(name).model_validate(dict(sizes))


def items_trained_on(resolved: Mapping[str, Any]) -> str:
    """Key in the counts of the items that a resolved pretraining reads."""
    from iicl import work as arithmetic

    return arithmetic.items_trained_on(_settings(resolved))


def work(
    resolved: Mapping[str, Any], counts: Mapping[str, int], pretrained: Mapping[str, Any] | None
) -> Work:
    """How much a resolved run computes on a corpus.

    Args:
        resolved: as :func:`resolve` gave it.
        counts: numbers of usable items: ``all``, ``<fold>/train``, ``<fold>/train/with_sound``,
            ``<fold>/test``.
        pretrained: the resolved pretraining whose encoder the run uses; None if it uses none.

    Raises:
        ValueError: if the run needs an encoder that ``pretrained`` doesn't have.
    """
    from iicl import work as arithmetic

    encoder = None if pretrained is None else _settings(pretrained)
    return Work(**asdict(arithmetic.work(_settings(resolved), counts, encoder)))


def describe(resolved: Mapping[str, Any], counts: Mapping[str, int]) -> Any:
    """What a resolved pretraining is, for a reader: an ``iicl.describe.PretrainingFacts``.

    Args:
        resolved: as :func:`resolve` gave it.
        counts: numbers of usable items, as of :func:`work`; maybe empty.
    """
    from iicl import describe

    return describe.describe(_settings(resolved), counts)


def methods() -> Any:
    """All methods there are, for a reader: a list of ``iicl.describe.MethodFacts``."""
    from iicl import describe

    return describe.describe_methods()


def footprint(
    resolved: Mapping[str, Any], counts: Mapping[str, int], pretrained: Mapping[str, Any] | None
) -> Footprint:
    """What a resolved run trains, leaves on disk and exchanges; arguments as of :func:`work`.

    Raises:
        ValueError: as :func:`work`.
    """
    from iicl import footprint as arithmetic

    encoder = None if pretrained is None else _settings(pretrained)
    return Footprint(**asdict(arithmetic.footprint(_settings(resolved), counts, encoder)))


def item_bytes(seconds: Seconds, video_bytes_per_second: float) -> float:
    """Size of an item in a prepared corpus.

    Args:
        seconds: durations of what the item has.
        video_bytes_per_second: size of a second of prepared video.
    """
    from iicl.data import volume

    return volume.item_bytes(seconds, video_bytes_per_second)


def reading(
    resolved: Mapping[str, Any], seconds: Seconds, video_bytes_per_second: float
) -> ReadCost:
    """What a resolved pretraining reads for one clip; other arguments as of :func:`item_bytes`."""
    from iicl.data import volume

    stage = _settings(resolved)
    samples = stage.method.samples(stage.phase)
    read = volume.clip_reading(samples, stage.clip, seconds, video_bytes_per_second)
    return ReadCost(**asdict(read))


def passes_of_training() -> int:
    """How many forward passes cost as much as one forward and one backward pass."""
    from iicl.work import BACKWARD

    return 1 + BACKWARD


def corpus_header(out: Path) -> dict[str, Any] | None:
    """The header of the prepared corpus in ``out``; None if there is none.

    Raises:
        ValueError: if its manifest is damaged.
    """
    from iicl.data.manifest import MANIFEST_NAME, read_header

    path = out / MANIFEST_NAME
    try:
        first_line = files.read_first_line(path) if out.is_dir() else None
        if first_line is None:
            return None
        records.check(files.parse_json(first_line, path), CorpusHeader, path)
    except DamagedFileError as problem:
        raise ValueError(f"{problem}; move it away and prepare the corpus again") from None
    return read_header(out)


def prepare(
    corpus: str,
    source: Path | None,
    generate: Mapping[str, Any] | None,
    preparation: Mapping[str, Any],
    out: Path,
    num_workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Prepare a corpus in ``out``, from a real copy or from clips generated beside it.

    Args:
        corpus: its name.
        source: root of a real copy; None to generate one.
        generate: ``num_items`` and ``seed`` of ``iicl.data.synthetic.write.generate``; read without
            a source only.
        preparation: fields of ``iicl.config.Preparation``.
        out: folder of the prepared corpus.
        num_workers: processes.
        progress: called with (steps done, steps in all).

    Returns:
        The header of the manifest.

    Raises:
        ValueError: if the source cannot be read or nothing in it is usable.
    """
    from iicl.data.copies import generated

    num_phases = 1
    if source is None:
        assert generate is not None
        num_phases = 2
        source = generated(corpus, out, generate, num_workers, lambda d, n: progress(d, 2 * n))
    _copy(corpus, source, preparation, out).prepare(
        num_workers, lambda done, n: progress(done + (num_phases - 1) * n, num_phases * n)
    )
    header = corpus_header(out)
    assert header is not None
    return header


def _copy(corpus: str, source: Path, preparation: Mapping[str, Any], out: Path) -> Any:
    from iicl.config import Preparation
    from iicl.data.copies import Copy

    return Copy(corpus, source, Preparation.model_validate(dict(preparation)), out)


def reader(corpus: str, source: Path) -> str:
    """Name of the reader of a real copy: the corpus's own, or "folder" if other clips stand in.

    Raises:
        ValueError: if the source is laid out in a way that neither knows.
    """
    from iicl.data import datasets

    return datasets.detect(corpus, source, stand_in=True)


def survey(
    corpus: str, source: Path, preparation: Mapping[str, Any], out: Path
) -> tuple[bool, int, str]:
    """Whether ``out`` is prepared from a real copy as it is now, its shards, its fingerprint.

    Arguments as of :func:`prepare`. Lists the source and reads one line of the manifest, no media.

    Raises:
        ValueError: if the source cannot be read or the manifest is damaged.
    """
    state = _copy(corpus, source, preparation, out).survey()
    return state.current, state.num_shards, state.fingerprint


def prepare_part(
    corpus: str,
    source: Path,
    preparation: Mapping[str, Any],
    out: Path,
    part: int,
    num_parts: int,
    num_workers: int,
    progress: Callable[[int, int], None],
) -> None:
    """Prepare part ``part``, 0 to ``num_parts`` - 1, of the shards of a real copy.

    :func:`assemble` follows when all parts are done, on any hosts. Other arguments as of
    :func:`prepare`; ``progress`` is called with (items begun, all items of the part).

    Raises:
        ValueError: if the source cannot be read or there is no such part.
    """
    copy = _copy(corpus, source, preparation, out)
    copy.prepare_part(part, num_parts, num_workers, progress)


def assemble(
    corpus: str, source: Path, preparation: Mapping[str, Any], out: Path
) -> dict[str, Any]:
    """Write the manifest when all parts are prepared; arguments as of :func:`prepare`.

    Returns:
        The header of the manifest.

    Raises:
        ValueError: if a shard is missing or damaged, the source cannot be read, or nothing in it
            is usable.
    """
    header: dict[str, Any] = _copy(corpus, source, preparation, out).assemble().header()
    return header


def run(
    resolved: Mapping[str, Any],
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Mapping[str, Any],
    report: Callable[[float, str], None],
) -> dict[str, Any]:
    """Carry out one resolved run in ``out`` and return its result.

    Args:
        resolved: as :func:`resolve` gave it.
        corpora: folders of prepared corpora by name.
        upstream: folders of finished runs by role.
        out: the run's own folder.
        execution: fields of ``iicl.config.Execution``.
        report: receives the finished fraction, 0-1, and a line of text.
    """
    from iicl import config
    from iicl.memory import keep_freed_memory
    from iicl.training.context import Context

    keep_freed_memory()
    stage = _adapter().validate_python(dict(resolved))
    module, function = STAGES[resolved["stage"]].split(":")
    context = Context(
        corpora, upstream, out, config.Execution.model_validate(dict(execution)), report
    )
    result: dict[str, Any] = getattr(importlib.import_module(module), function)(stage, context)
    return result


def listen(leave: Callable[[str], None]) -> None:
    """Handle the signals by which a scheduler asks a job to stop.

    A training ends its step and raises an exception that :func:`interruption` knows. In any other
    code, ``leave`` is called with the signal's name, and ends the process.
    """
    import signal

    from iicl import interruption

    interruption.listen(leave, signal.SIGUSR2, signal.SIGTERM)


def interruption(problem: Exception) -> str | None:
    """Why a run that ended in ``problem`` can go on in another attempt; None if it cannot."""
    from iicl.interruption import Interrupted
    from iicl.training.distributed import LostRankError

    return str(problem) if isinstance(problem, Interrupted | LostRankError) else None


def kernels() -> dict[str, str]:
    """The libraries that choose kernels by the processor -> what they have chosen."""
    from iicl import kernels

    return kernels.kernels()


def neighbours(folder: Path) -> Any:
    """The items and neighbours that a finished ``neighbours`` run wrote in ``folder``."""
    from iicl.evaluation.neighbours import load_neighbours

    return load_neighbours(folder)


def ceilings() -> dict[str, Any]:
    """What a pretext can learn in each generated corpus, by :mod:`iicl.data.synthetic.ceilings`."""
    from iicl.data.synthetic import ceilings

    return ceilings.measure()

"""What a pretraining and a method are, for a reader of a table. Imports no torch."""

from dataclasses import dataclass

from iicl import methods
from iicl.config import Clip
from iicl.encoders.settings import EncoderSettings
from iicl.methods.settings import Encoded, Extra, read_clip
from iicl.pretraining import Pretrain
from iicl.work import Counts, encoded_samples, items_trained_on


@dataclass(frozen=True)
class PretrainingFacts:
    """One phase of a pretraining in words and numbers.

    Attributes:
        system: the name of its method.
        encoders: of each view that is encoded: name, sizes, parameters.
        samples: each sample that is encoded, and in how many pieces; none without epochs.
        clips_per_item: videos of an item that pass through an encoder in a step.
        encodings_per_step: videos and sounds of an item that pass through an encoder in a step.
        encodings: videos and sounds that pass through an encoder in the phase, those of passes over
            all items included; None if the numbers of items are not known.
        optimisation: optimiser, rate, batch and epochs.
    """

    system: str
    encoders: tuple[str, ...]
    samples: tuple[str, ...]
    clips_per_item: int
    encodings_per_step: int
    encodings: int | None
    optimisation: str


@dataclass(frozen=True)
class MethodFacts:
    """A method as its source and its settings tell it.

    Attributes:
        name: of its folder.
        system: the name as the field prints it.
        reference: its source.
        needs: what it takes of an item in its last phase, and what it keeps or does beside the
            steps.
        departures: sentences that say where it departs from its source.
    """

    name: str
    system: str
    reference: str
    needs: tuple[str, ...]
    departures: tuple[str, ...]


def describe_methods() -> list[MethodFacts]:
    """Every method with its default settings, by name."""
    facts = []
    for name in methods.names():
        method = methods.read_settings({"name": name})
        stage = Pretrain(method=method, corpus="", seed=0, phase=method.PHASES[-1], epochs=1)
        extra = method.extra(stage.phase, encoded_samples(stage))
        needs = [sample.name for sample in method.samples(stage.phase) if sample.view != "draws"]
        if extra.buffer_bytes_per_item:
            needs.append(f"{extra.buffer_bytes_per_item:,} bytes kept of each item")
        if extra.corpus_passes:
            needs.append("passes over all items between epochs")
        facts.append(
            MethodFacts(name, method.SYSTEM, method.REFERENCE, tuple(needs), method.DEPARTURES)
        )
    return facts


def describe(stage: Pretrain, counts: Counts) -> PretrainingFacts:
    """The facts of a phase; one without epochs encodes nothing.

    Args:
        stage: settings of the phase.
        counts: numbers of usable items of its corpus, as for :func:`iicl.work.work`; maybe empty.
    """
    encoded = encoded_samples(stage)
    extra = stage.method.extra(stage.phase, encoded)
    in_step = {e.sample.name: _in_step(e, extra) if stage.epochs else 0 for e in encoded}
    of_videos = [in_step[e.sample.name] for e in encoded if e.sample.view == "video"]
    encoders = {e.sample.view: e.encoder for e in encoded}
    return PretrainingFacts(
        system=stage.method.SYSTEM,
        encoders=tuple(f"{view}: {_encoder(sizes)}" for view, sizes in encoders.items()),
        samples=tuple(
            _sample(e, stage.clip, in_step[e.sample.name]) for e in encoded if stage.epochs
        ),
        clips_per_item=sum(of_videos),
        encodings_per_step=sum(in_step.values()),
        encodings=_encodings(stage, counts, extra, sum(in_step.values()), len(encoded)),
        optimisation=_optimisation(stage),
    )


def _in_step(encoded: Encoded, extra: Extra) -> int:
    name = encoded.sample.name
    return extra.encodings.get(name, 1) + extra.forward_only.get(name, 0)


def _encodings(
    stage: Pretrain, counts: Counts, extra: Extra, in_step: int, num_samples: int
) -> int | None:
    items = counts.get(items_trained_on(stage))
    if not stage.epochs:
        return 0
    if items is None:
        return None
    batch = stage.optimisation.batch_size
    trained = items // batch * batch * stage.clips_per_item * stage.epochs
    return trained * in_step + items * extra.passes(stage.epochs) * num_samples


def _encoder(sizes: EncoderSettings) -> str:
    own = [f"{name.replace('_', ' ')} {value}" for name, value in sizes.model_dump().items()]
    return ", ".join([sizes.TITLE, *own, f"{sizes.num_parameters():,} parameters"])


def _sample(encoded: Encoded, clip: Clip, times: int) -> str:
    sample, here = encoded.sample, encoded.clip
    if sample.view == "audio":
        return f"{sample.name}: {clip.audio_seconds:g} s" + (f", {times} times" * (times > 1))
    read = read_clip(sample, clip)
    stride = f", one of {sample.stride}," * (sample.stride > 1)
    words = f"{sample.name}: {read.num_frames} frames{stride} of {read.size} x {read.size}"
    if times == 1 and here.size != read.size:
        words += f", scaled to {here.size} x {here.size} on average"
    elif (here.num_frames, here.size) != (read.num_frames, read.size):
        words += f", cut into {times} of {here.num_frames} frames of {here.size} x {here.size}"
    elif times > 1:
        words += f", {times} times"
    return words


def _optimisation(stage: Pretrain) -> str:
    if not stage.epochs:
        return "not trained"
    how, passes = stage.optimisation, stage.epochs * stage.clips_per_item
    times = "1 pass" if passes == 1 else f"{passes} passes"
    return (
        f"{how.optimiser}, rate {how.learning_rate:g}, batch {how.batch_size}, {times} in phase"
        f" {stage.phase}"
    )

"""What the settings of every method offer. Imports no torch."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, TypeVar

from iicl.config import Clip, Config, PretrainLength
from iicl.encoders.choice import Encoders
from iicl.encoders.settings import EncoderSettings
from iicl.samples import Sample

HANDED_ON = frozenset({"keep_instance_head", "keep_optimiser"})
"""Fields of :class:`iicl.pretraining.Pretrain` that say what a phase takes over from the last."""

UNTRAINED = HANDED_ON | {
    "clips_per_item",
    "silent_items",
    "pairing",
    "clip",
    "augmentation",
    "encoders",
    "optimisation",
    "precision",
}
"""Its fields that change nothing if a method trains no encoder and brings its own."""


class MethodSettings(Config):
    """Settings of a method; the class of one method is ``Settings`` in its ``settings.py``.

    A subclass has the field ``name``, a ``Literal`` of the name of its folder, and its
    hyperparameters; ``[n]`` is the number of the entry in :mod:`iicl.interpretations` that argues
    a default.
    """

    SYSTEM: ClassVar[str]
    """The name of the method as the field prints it."""

    REFERENCE: ClassVar[str]
    """Authors, title and year of its source; for a control, what it is."""

    DEPARTURES: ClassVar[tuple[str, ...]] = ()
    """Where this version departs from the original, or had to choose: a sentence each."""

    PHASES: ClassVar[tuple[str, ...]] = ("training",)
    """Names of the phases of its pretraining, in order; each starts from the one before."""

    name: str

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """What it asks for of every item in a phase."""
        raise NotImplementedError

    def phases(self, length: PretrainLength) -> tuple["PhasePlan", ...]:
        """How a pretraining of this length goes, one plan for each of ``PHASES``.

        By default one phase of all epochs.
        """
        epochs = length.initialisation + length.co_training
        return (PhasePlan("training", epochs, self, HANDED_ON),)

    def encoder(self, view: str, encoders: Encoders) -> EncoderSettings:
        """The encoder of a view; a method that brings an encoder of its own overrides it.

        Raises:
            ValueError: if the view has none.
        """
        return encoders.of(view)

    def encoded_clip(self, sample: Sample, clip: Clip) -> Clip:
        """Frames and size of what an encoder gets of a sample; by default of the whole sample.

        A method that cuts smaller pieces out of a sample overrides it, and says in ``extra`` how
        many pieces an item has.

        Args:
            sample: as the method asks for it.
            clip: of the pretraining.
        """
        return read_clip(sample, clip)

    def check_encoders(self, phase: str, encoders: Encoders) -> None:
        """Refuse encoders that do not fit the method or each other; by default all fit.

        Raises:
            ValueError: if they do not fit.
        """

    def extra(self, phase: str, encoded: Sequence["Encoded"]) -> "Extra":
        """What a phase costs beyond one encoding of each sample; by default nothing.

        Args:
            phase: one of ``PHASES``.
            encoded: those samples of the phase that have an encoder.
        """
        return Extra()

    def num_exchanged(self, phase: str, encoded: Sequence["Encoded"]) -> int:
        """How many numbers the encoders give for one item, which the ranks of a run exchange.

        By default one feature vector for each encoding of a sample, with or without a gradient.
        """
        extra = self.extra(phase, encoded)
        return sum(
            (extra.encodings.get(e.sample.name, 1) + extra.forward_only.get(e.sample.name, 0))
            * e.encoder.feature_dim
            for e in encoded
        )


class Encoded(NamedTuple):
    """A sample that goes through an encoder.

    Attributes:
        sample: as the method asks for it.
        encoder: sizes of its view's encoder.
        clip: with the frames and size of what the encoder gets of it at a time.
    """

    sample: Sample
    encoder: EncoderSettings
    clip: Clip


@dataclass(frozen=True)
class Extra:
    """What a phase of a method costs beyond one encoding of each sample in a step.

    Attributes:
        parameters: numbers that are trained outside the encoders.
        parameters_per_class: more of them for each class of the corpus. How many classes there are
            is known only when the corpus is prepared.
        buffer_bytes: size of the buffers outside the encoders, such as queues.
        buffer_bytes_per_item: more of it for each item that is trained on, such as a bank.
        exported_bytes_per_item: the part of it that the exported weights hold, too, as the next
            phase goes on with it.
        frozen_bytes: size of the parameters that require no gradient, such as a momentum encoder's.
        encodings: name of a sample -> how often a step encodes it, or how many pieces of it; 1 if
            it is not named.
        forward_only: name of a sample -> how often a step encodes it without a gradient, beside
            ``encodings``; 0 if it is not named. A sample that only a momentum encoder sees has 0 in
            ``encodings`` and 1 here.
        corpus_passes: number of times that ``before_epoch`` encodes all items before an epoch,
            without a backward pass.
        epochs_per_pass: the epochs before which it does so: the first, and then every so many.
        passes_at_start: number of further times before the first epoch.
    """

    parameters: int = 0
    parameters_per_class: int = 0
    buffer_bytes: int = 0
    buffer_bytes_per_item: int = 0
    exported_bytes_per_item: int = 0
    frozen_bytes: int = 0
    encodings: Mapping[str, int] = field(default_factory=dict)
    forward_only: Mapping[str, int] = field(default_factory=dict)
    corpus_passes: int = 0
    epochs_per_pass: int = 1
    passes_at_start: int = 0

    def passes(self, epochs: int) -> int:
        """How often a training of so many epochs encodes all items before epochs."""
        if not epochs:
            return 0
        return self.passes_at_start + self.corpus_passes * math.ceil(epochs / self.epochs_per_pass)


class PhasePlan(NamedTuple):
    """One phase of a pretraining.

    Attributes:
        phase: its name.
        epochs: passes over the corpus, times ``clips_per_item``; 0 trains nothing.
        method: settings in which what cannot change the phase has its default.
        idle: names of fields of :class:`iicl.pretraining.Pretrain` that cannot change the phase.
    """

    phase: str
    epochs: int
    method: MethodSettings
    idle: Set[str]


def read_clip(sample: Sample, clip: Clip) -> Clip:
    """The clip with the sample's own frames and size; its stride changes no shape."""
    own = {"num_frames": sample.num_frames, "size": sample.size}
    return clip.model_copy(update={k: v for k, v in own.items() if v is not None})


_Settings = TypeVar("_Settings", bound=Config)


def with_defaults(settings: _Settings, idle: Set[str], **update: object) -> _Settings:
    """Settings with the defaults of their idle fields, and with the updated ones."""
    defaults = {name: type(settings).model_fields[name].default for name in idle}
    return settings.model_copy(update={**defaults, **update})


def check_one_dimension(encoders: Mapping[str, EncoderSettings]) -> None:
    """Check that the encoders of some views give features of one dimension.

    Raises:
        ValueError: naming the dimension of each view.
    """
    dims = {view: encoder.feature_dim for view, encoder in encoders.items()}
    if len(set(dims.values())) > 1:
        words = " and ".join(f"{dim} ({view})" for view, dim in dims.items())
        raise ValueError(f"the encoders must give features of one dimension, got {words}")

"""What the settings of every method offer. Imports no torch."""

from collections.abc import Set
from typing import ClassVar, NamedTuple, TypeVar

from iicl.config import Config, PretrainLength
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
"""Its fields that cannot change encoders that are not trained and not there."""


class MethodSettings(Config):
    """Settings of a method; the class of one method is ``Settings`` in its ``settings.py``.

    A subclass has the field ``name``, a ``Literal`` of the name of its folder, and its
    hyperparameters; ``[n]`` is the number of the entry in :mod:`iicl.interpretations` that argues
    a default.
    """

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


_Settings = TypeVar("_Settings", bound=Config)


def with_defaults(settings: _Settings, idle: Set[str], **update: object) -> _Settings:
    """Settings with the defaults of their idle fields, and with the updated ones."""
    defaults = {name: type(settings).model_fields[name].default for name in idle}
    return settings.model_copy(update={**defaults, **update})

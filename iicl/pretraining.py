"""The stage ``pretrain``: its settings, and the phases it consists of. Imports no torch.

``[n]`` is the number of the entry in :mod:`iicl.interpretations` that argues a default.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from iicl import methods
from iicl.config import Augmentation, Clip, Config, Count, Optimisation, Precision, PretrainLength
from iicl.encoders.choice import Encoders, default_names
from iicl.methods.settings import MethodSettings, with_defaults


def _read_method(settings: Any) -> Any:
    return settings if isinstance(settings, MethodSettings) else methods.read_settings(settings)


Method = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(_read_method)]


class PretrainSettings(Config):
    """What all phases of a pretraining share."""

    method: Method
    corpus: str
    clips_per_item: Count = 1  # [22]
    silent_items: Literal["drop", "zero"] = "drop"  # [19]
    pairing: Literal["own", "shuffled"] = "own"  # shuffled: the sound of another item, a control
    keep_instance_head: bool = True  # [8]
    keep_optimiser: bool = False  # [8]
    clip: Clip = Clip()
    augmentation: Augmentation = Augmentation()
    encoders: Encoders = Encoders.model_validate({})
    optimisation: Optimisation = Optimisation()
    precision: Precision = "bf16"
    seed: Annotated[int, Field(ge=0)]


class Pretrain(PretrainSettings):
    """One phase of a pretraining; phases of one pretraining follow each other as runs."""

    stage: Literal["pretrain"] = "pretrain"
    phase: str
    epochs: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _has_phase(self) -> "Pretrain":
        if self.phase not in (legal := self.method.PHASES):
            raise ValueError(
                f"{self.method.name} has no phase {self.phase!r}; legal: {', '.join(legal)}"
            )
        return self

    @property
    def follows(self) -> bool:
        """Whether the phase starts from the one before."""
        first, *_ = self.method.PHASES
        return self.phase != first

    def views(self) -> tuple[str, ...]:
        """Names of the views that it reads, sorted."""
        return tuple(sorted({sample.view for sample in self.method.samples(self.phase)}))

    def encoder_names(self) -> tuple[str, ...]:
        """Names of the encoders that it may train, sorted."""
        encoded = set(self.views()) & default_names().keys()
        return tuple(sorted({self.encoders.of(view).NAME for view in encoded}))


def pretrain_phases(length: PretrainLength, **settings: object) -> list[Pretrain]:
    """The phases that a pretraining consists of, in order; each starts from the one before.

    Settings that cannot change a phase are reset to their defaults in it, so that equal phases of
    different rows are equal configurations.

    Args:
        length: epochs of the pretraining.
        settings: fields of :class:`PretrainSettings`.

    Raises:
        pydantic.ValidationError: if a setting is unknown or out of range.
    """
    whole = PretrainSettings.model_validate(settings)
    phases = []
    for plan in whole.method.phases(length):
        settings_of_phase = with_defaults(whole, plan.idle, method=plan.method)
        read = [sample.view for sample in plan.method.samples(plan.phase)]
        shared = {**dict(settings_of_phase), "encoders": settings_of_phase.encoders.for_views(read)}
        phases.append(Pretrain(**shared, phase=plan.phase, epochs=plan.epochs))
    return phases

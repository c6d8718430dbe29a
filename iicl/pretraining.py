"""The stage ``pretrain``: its settings, and the phases it consists of. Imports no torch.

``[n]`` is the number of the entry in :mod:`iicl.interpretations` that argues a default.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from iicl import methods
from iicl.config import Augmentation, Clip, Config, Count, Optimisation, Precision, PretrainLength
from iicl.encoders.choice import Encoders, default_names
from iicl.methods.settings import MethodSettings, with_defaults
from iicl.samples import Sample, check_samples, drawn_views, shuffled


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
        """Names of the views that it reads or that say where in an item it reads, sorted."""
        return drawn_views(self.method.samples(self.phase))

    def encoder_names(self) -> tuple[str, ...]:
        """Names of the encoders that it may train, sorted; without one that is the method's own."""
        read = {sample.view for sample in self.method.samples(self.phase)}
        settings = [
            self.method.encoder(view, self.encoders) for view in read & default_names().keys()
        ]
        return tuple(sorted({one.NAME for one in settings if one.NAME is not None}))


def pretrain_phases(length: PretrainLength, **settings: object) -> list[Pretrain]:
    """The phases that a pretraining consists of, in order; each starts from the one before.

    Settings that cannot change a phase are reset to their defaults in it, so that equal phases of
    different rows are equal configurations.

    Args:
        length: epochs of the pretraining.
        settings: fields of :class:`PretrainSettings`.

    Raises:
        pydantic.ValidationError: if a setting is unknown or out of range, or the samples of a phase
            cannot be drawn together, or not with shuffled pairs, or its encoders do not fit.
    """
    whole = PretrainSettings.model_validate(settings)
    phases = []
    for plan in whole.method.phases(length):
        settings_of_phase = with_defaults(whole, plan.idle, method=plan.method)
        samples = plan.method.samples(plan.phase)
        _check_phase(plan.phase, samples, settings_of_phase)
        read = [sample.view for sample in samples]
        shared = {**dict(settings_of_phase), "encoders": settings_of_phase.encoders.for_views(read)}
        phases.append(Pretrain(**shared, phase=plan.phase, epochs=plan.epochs))
    return phases


def _check_phase(phase: str, samples: Sequence[Sample], settings: PretrainSettings) -> None:
    """Check that a phase can draw its samples, and encode and join them as the settings ask."""
    setting: str = "method"
    value: object = settings.method.name
    try:
        check_samples(samples)
        if settings.pairing == "shuffled":
            setting, value = "pairing", settings.pairing
            shuffled(samples)
        setting, value = "encoders", settings.encoders.model_dump()
        method, clip = settings.method, settings.clip
        method.check_encoders(phase, settings.encoders)
        for sample in samples:
            if sample.view in default_names():
                encoder = method.encoder(sample.view, settings.encoders)
                encoder.input_shape(method.encoded_clip(sample, clip))
    except ValueError as problem:
        kind = PydanticCustomError("samples", "{message}", {"message": str(problem)})
        error = InitErrorDetails(type=kind, loc=(setting,), input=value)
        raise ValidationError.from_exception_data(type(settings).__name__, [error]) from None

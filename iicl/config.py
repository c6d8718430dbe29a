"""Settings that all stages share, validated, with the paper's values as defaults.

Imports no torch. A method's and an encoder's own settings are in its folder, those of a pretraining
in :mod:`iicl.pretraining`, those of what measures it in :mod:`iicl.protocols`.

Where the paper is silent or contradicts itself, the comment ``[n]`` beside a field is the number of
the entry in :mod:`iicl.interpretations` that argues the default and names the alternatives.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import wrap_serializer_function_ser_schema

Precision = Literal["float32", "tf32", "bf16"]
GradientExchange = Literal["float64", "float32"]
Framing = Literal["crop", "squash"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Config(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error that lists the legal ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Fields that are written only if they have not their default, so that runs without them keep
    the names that they had before there were these fields."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Drop the defaults of ``LATER`` in what is written, of classes that have some alone."""
        schema = handler(source)
        if cls.LATER:
            later = {name: cls.model_fields[name].default for name in cls.LATER}

            def write_without(config: Any, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
                written: dict[str, Any] = write(config)
                for name, default in later.items():
                    if getattr(config, name) == default:
                        del written[name]
                return written

            whole = cast(dict[str, Any], handler.resolve_ref_schema(schema))
            whole["serialization"] = wrap_serializer_function_ser_schema(write_without)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, settings: Any) -> Any:
        legal = cls.model_fields
        if isinstance(settings, BaseModel):
            return settings
        if not isinstance(settings, Mapping):
            raise PydanticCustomError("no_settings", "keys with values are expected")
        if settings.keys() <= legal.keys():
            return settings
        kind = PydanticCustomError(
            "unknown_setting", "unknown setting; legal: {legal}", {"legal": ", ".join(legal)}
        )
        unknown = [
            InitErrorDetails(type=kind, loc=(key,), input=value)
            for key, value in settings.items()
            if key not in legal
        ]
        raise ValidationError.from_exception_data(cls.__name__, unknown)


class Clip(Config):
    """What one sample of an item is: a video clip and the sound around it (paper IV-B)."""

    num_frames: Count = 32
    fps: Positive = 30.0
    size: Annotated[int, Field(ge=8, multiple_of=2)] = 128
    audio_seconds: Positive = 2.0
    sample_rate: Count = 16_000
    mel_bins: Count = 40
    spectrogram_frames: Count = 100
    window_seconds: Positive = 0.025  # [33]
    mel_scale: Literal["htk", "slaney"] = "htk"  # slaney: with filters of equal area [33]
    log_offset: Positive = 1e-6  # added to mel power before the logarithm [33]
    framing: Framing = "crop"  # how a frame becomes square [42]
    alignment: Literal["centred", "start"] = "centred"  # [21]

    LATER: ClassVar[frozenset[str]] = frozenset({"mel_scale", "log_offset", "framing"})

    @property
    def seconds(self) -> float:
        """Duration of the video clip in seconds."""
        return self.num_frames / self.fps


class Augmentation(Config):
    """Random transformations of a training sample; consistent over the frames of a clip [22]."""

    crop_fraction: tuple[Fraction, Fraction] = (0.8, 1.0)  # crop side / short side, uniform
    flip_probability: Fraction = 0.5
    colour_jitter: Fraction = 0.4  # strength of brightness, contrast and saturation
    colour_jitter_probability: Fraction = 0.8
    volume: Fraction = 0.1  # gain drawn from 1 - volume to 1 + volume

    @model_validator(mode="after")
    def _ordered(self) -> "Augmentation":
        low, high = self.crop_fraction
        if not 0 < low <= high:
            raise ValueError(f"crop_fraction must satisfy 0 < low <= high <= 1, got {low}, {high}")
        return self


NO_AUGMENTATION = Augmentation(
    crop_fraction=(1.0, 1.0),
    flip_probability=0.0,
    colour_jitter=0.0,
    colour_jitter_probability=0.0,
    volume=0.0,
)


class Optimisation(Config):
    """How a pretraining descends (paper IV-B)."""

    batch_size: Annotated[int, Field(ge=2)] = 256
    chunk_size: Annotated[int, Field(ge=2)] = 32  # items encoded, and normalised, together [30]
    learning_rate: Positive = 5e-4
    # adam couples the weight decay (L2); sgd has a momentum of 0.9
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"  # [44] [59]
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6  # of all parameters [44]
    schedule: Literal["constant", "cosine"] = "constant"  # [22]
    # float32 halves the bytes between ranks; the result then depends on the number of ranks.
    gradient_exchange: GradientExchange = "float64"

    LATER: ClassVar[frozenset[str]] = frozenset({"gradient_exchange", "optimiser"})


class Preparation(Config):
    """What ``prepare`` keeps of a source file."""

    short_side: Annotated[int, Field(ge=8, multiple_of=2)] = 128
    max_fps: Positive = 30.0  # a faster source is thinned out; a slower one keeps its own rate
    sample_rate: Count = 16_000
    max_seconds: Positive = 100.0  # a longer source is cut to its middle, with a note


class Execution(Config):
    """How a stage is carried out here; nothing in it may change a result on the CPU."""

    device: str = "cpu"
    num_workers: Annotated[int, Field(ge=0)] = 0  # processes that decode; 0 decodes in line
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    # Graphs of chunks that wait for their backward pass; one is held even if it is larger. None:
    # 2 GiB on a CPU, half of the memory of a CUDA device.
    graph_memory_gib: Annotated[float, Field(ge=0)] | None = None


class PretrainLength(Config):
    """Epochs of a pretraining (paper IV-B); a method of one phase trains for their sum."""

    initialisation: Annotated[int, Field(ge=0)] = 300  # [40]
    co_training: Annotated[int, Field(ge=0)] = 300  # [40]


class CorpusFacts(Config):
    """What a method may know of the corpus that it is pretrained on.

    Attributes:
        corpus: its name.
        num_items: train items that the pretraining reads.
        classes: names of the corpus's classes, in the order of the view ``label``.
        num_groups: groups among these items; items of a group come from one recording.
        log_mel_mean: mean of the corpus's log-mel values; None if no item has sound.
        log_mel_std: their standard deviation.
    """

    corpus: str
    num_items: int
    classes: tuple[str, ...]
    num_groups: int
    log_mel_mean: float | None
    log_mel_std: float | None

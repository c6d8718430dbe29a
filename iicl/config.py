"""Every setting of data and pretraining, validated, with the paper's values as defaults.

Imports no torch; the settings of what follows a pretraining are in :mod:`iicl.protocols`.

Where the paper is silent or contradicts itself, the comment ``[n]`` beside a field is the number of
the entry in :mod:`iicl.interpretations` that argues the default and names the alternatives.
"""

from collections.abc import Set
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Precision = Literal["float32", "bf16"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Phase = Literal["initialisation", "co_training", "training"]


class Config(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(Config):
    """What one sample of an item is: a video clip and the sound around it (paper IV-B)."""

    num_frames: Count = 32
    fps: Positive = 30.0
    size: Annotated[int, Field(ge=8, multiple_of=2)] = 128
    audio_seconds: Positive = 2.0
    sample_rate: Count = 16_000
    mel_bins: Count = 40
    spectrogram_frames: Count = 100
    window_seconds: Positive = 0.025
    alignment: Literal["centred", "start"] = "centred"  # [21]

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


class Encoders(Config):
    """R(2+1)D and ResNet: residual blocks per stage, and an eighth of the features' dimension."""

    video_width: Count = 64
    video_depth: Count = 2
    audio_width: Count = 64
    audio_depth: Count = 2


class IICL(Config):
    """The paper's method, sections III-B to III-E."""

    name: Literal["iicl"] = "iicl"
    objective: Literal["both", "instance", "cluster"] = "both"  # eq. 7, and Table II's ablations
    cluster_start: Literal["cluster", "instance"] = "cluster"  # loss before L_clu alone [20]
    clusters: Annotated[int, Field(ge=2)] = 400
    cluster_weight: Annotated[float, Field(ge=0)] = 0.5  # lambda of eq. 7
    instance_dim: Count = 1024
    instance_temperature: Positive = 0.5
    cluster_temperature: Positive = 0.5  # [6]
    similarity: Literal["l2", "l1"] = "l2"  # [1]
    instance_space: Literal["z", "h"] = "z"  # [2]
    instance_margin: Annotated[float, Field(ge=0)] = 0.0  # [3]
    assignment_norm: Literal["entrywise", "induced"] = "entrywise"  # [4]
    entropy_weight: Annotated[float, Field(ge=0)] = 1.0  # [5]
    detach_keys: bool = False  # [7]
    co_attention: Literal["batch", "token", "none"] = "batch"  # [9]
    co_attention_depth: Count = 1
    co_attention_in_initialisation: bool = False  # [8]
    co_attention_projections: bool = False  # [10]
    co_attention_residual: Literal["none", "query"] = "none"  # [10]
    co_attention_norm: Literal["none", "layer"] = "none"  # [10]
    co_attention_feed_forward: bool = False  # [10]
    heads: Literal["shared", "separate"] = "shared"  # [12]
    head_input: Literal["h", "f"] = "h"  # [13]

    def losses(self, phase: Phase) -> frozenset[Literal["instance", "cluster"]]:
        """The losses that a phase descends; before L_clu alone, ``cluster_start`` says which."""
        if phase == "initialisation":
            return frozenset([self.cluster_start if self.objective == "cluster" else "instance"])
        return frozenset(["instance", "cluster"] if self.objective == "both" else [self.objective])

    def attends(self, phase: Phase) -> bool:
        """Whether the losses of a phase see co-attended features [8] [13]."""
        if self.co_attention == "none" or self.head_input == "f":
            return False
        return phase != "initialisation" or self.co_attention_in_initialisation


class Supervised(Config):
    """Cross-entropy on the corpus's own labels, one classifier for all views: the upper control."""

    name: Literal["supervised"] = "supervised"
    modalities: Literal["both", "video"] = "both"


class RandomInit(Config):
    """Untrained encoders: the lower control."""

    name: Literal["random_init"] = "random_init"


class MFCC(Config):
    """Mean and deviation over time of cepstral coefficients: an audio baseline without learning."""

    name: Literal["mfcc"] = "mfcc"
    num_coefficients: Count = 20


Method = Annotated[IICL | Supervised | RandomInit | MFCC, Field(discriminator="name")]


class Optimisation(Config):
    """How a pretraining descends (paper IV-B)."""

    batch_size: Annotated[int, Field(ge=2)] = 256
    chunk_size: Annotated[int, Field(ge=2)] = 32  # items encoded, and normalised, together [30]
    learning_rate: Positive = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-6  # coupled L2, as torch.optim.Adam
    schedule: Literal["constant", "cosine"] = "constant"  # [22]


class Pretrain(Config):
    """One phase of a pretraining; phases of one pretraining follow each other as runs."""

    stage: Literal["pretrain"] = "pretrain"
    method: Method
    corpus: str
    phase: Phase
    epochs: Annotated[int, Field(ge=0)]
    clips_per_item: Count = 1  # [22]
    silent_items: Literal["drop", "zero"] = "drop"  # [19]
    pairing: Literal["own", "shuffled"] = "own"  # shuffled: the sound of another item, a control
    keep_instance_head: bool = True  # [8]
    keep_optimiser: bool = False  # [8]
    clip: Clip = Clip()
    augmentation: Augmentation = Augmentation()
    encoders: Encoders = Encoders()
    optimisation: Optimisation = Optimisation()
    precision: Precision = "bf16"
    seed: Annotated[int, Field(ge=0)]


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


class PretrainLength(Config):
    """Epochs of the two phases of a pretraining (paper IV-B)."""

    initialisation: Annotated[int, Field(ge=0)] = 300
    co_training: Annotated[int, Field(ge=0)] = 300


def pretrain_phases(length: PretrainLength, **settings: object) -> list[Pretrain]:
    """The phases that a pretraining consists of, in order; each starts from the one before.

    Settings that cannot change a phase are reset to their defaults in it, so that equal phases of
    different rows are equal configurations: the initialisation knows neither C nor lambda.

    Args:
        length: epochs of the two phases; a method of one phase trains for their sum, one without
            an objective not at all.
        settings: fields of :class:`Pretrain` other than ``phase`` and ``epochs``.

    Raises:
        pydantic.ValidationError: if a setting is unknown or out of range.
    """
    whole = Pretrain.model_validate({**settings, "phase": "training", "epochs": 0})
    method = whole.method
    if isinstance(method, RandomInit | MFCC):
        kept = {"stage", "method", "corpus", "phase", "epochs", "seed"}  # corpus: its statistics
        if isinstance(method, RandomInit):
            kept.add("encoders")
        return [_reset(whole, Pretrain.model_fields.keys() - kept)]
    if isinstance(method, Supervised):
        idle = {"keep_instance_head", "keep_optimiser"}
        if method.modalities == "video":
            idle |= {"silent_items", "pairing"}
        epochs = length.initialisation + length.co_training
        return [_reset(whole, idle, epochs=epochs)]
    first = _reset(
        whole,
        {"keep_instance_head", "keep_optimiser"},
        phase="initialisation",
        epochs=length.initialisation,
        method=_seen_by("initialisation", method),
    )
    hands_on_head = method.instance_space == "z" and "instance" in (
        method.losses("initialisation") & method.losses("co_training")
    )
    second = _reset(
        whole,
        set() if hands_on_head else {"keep_instance_head"},
        phase="co_training",
        epochs=length.co_training,
        method=_seen_by("co_training", method),
    )
    return [first, second]


_CLUSTER_FIELDS = {"clusters", "cluster_temperature", "assignment_norm", "entropy_weight"}
_INSTANCE_FIELDS = {
    "instance_dim",
    "instance_temperature",
    "instance_space",
    "instance_margin",
    "detach_keys",
}
_CO_ATTENTION_FIELDS = {n for n in IICL.model_fields if n.startswith("co_attention")}
_Reset = TypeVar("_Reset", bound=Config)


def _reset(config: _Reset, idle: Set[str], **update: object) -> _Reset:
    """A configuration with the defaults of its idle fields, and the updated ones."""
    defaults = {name: type(config).model_fields[name].default for name in idle}
    return config.model_copy(update={**defaults, **update})


def _seen_by(phase: Phase, method: IICL) -> IICL:
    """A method with the defaults of whatever cannot change a phase."""
    losses = method.losses(phase)
    idle = set() if len(losses) == 2 else {"cluster_weight"}
    if "cluster" not in losses:
        idle |= _CLUSTER_FIELDS
    elif method.entropy_weight == 0:
        idle.add("assignment_norm")
    if "instance" not in losses:
        idle |= _INSTANCE_FIELDS
    elif method.instance_space == "h":
        idle.add("instance_dim")
        if "cluster" not in losses:
            idle.add("heads")
    update: dict[str, object] = {"objective": "both" if len(losses) == 2 else next(iter(losses))}
    if not method.attends(phase):
        idle |= _CO_ATTENTION_FIELDS | {"head_input"}
        update["co_attention"] = "none"
    elif phase == "co_training":
        idle.add("co_attention_in_initialisation")
    if phase == "initialisation" or method.objective != "cluster":
        idle.add("cluster_start")  # else it says what the co-training is handed
    return _reset(method, idle, **update)

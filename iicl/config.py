"""Every setting of data and pretraining, validated, with the paper's values as defaults.

Imports no torch; the settings of what follows a pretraining are in :mod:`iicl.protocols`.

Where the paper is silent or contradicts itself, the comment ``[n]`` beside a field is the number of
the entry in :mod:`iicl.interpretations` that argues the default and names the alternatives.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Precision = Literal["float32", "bf16"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


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


Phase = Literal["initialisation", "co_training", "training"]


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
        length: epochs of the two phases.
        settings: fields of :class:`Pretrain` other than ``phase`` and ``epochs``.

    Raises:
        pydantic.ValidationError: if a setting is unknown or out of range.
    """
    whole = Pretrain.model_validate({**settings, "phase": "training", "epochs": 0})
    total = length.initialisation + length.co_training
    if isinstance(whole.method, RandomInit | MFCC):
        return [whole]
    method = whole.method
    if not isinstance(method, IICL) or method.objective == "cluster":  # [20]
        return [whole.model_copy(update={"epochs": total})]
    first = whole.model_copy(
        update={
            "phase": "initialisation",
            "epochs": length.initialisation,
            "method": _initialisation_method(method),
            "keep_instance_head": True,
            "keep_optimiser": False,
        }
    )
    second = whole.model_copy(update={"phase": "co_training", "epochs": length.co_training})
    if method.objective == "instance":
        second = second.model_copy(update={"method": _without_clusters(method)})
    return [first, second]


_CLUSTER_FIELDS = (
    "clusters",
    "cluster_weight",
    "cluster_temperature",
    "assignment_norm",
    "entropy_weight",
)


def _defaults(*names: str) -> dict[str, object]:
    return {name: IICL.model_fields[name].default for name in names}


def _without_clusters(method: IICL) -> IICL:
    return method.model_copy(update={**_defaults(*_CLUSTER_FIELDS), "objective": "instance"})


def _initialisation_method(method: IICL) -> IICL:
    """What of a method the initialisation sees: the instance loss, co-attention only if asked."""
    method = _without_clusters(method)
    if method.co_attention_in_initialisation:
        return method
    attention = [n for n in IICL.model_fields if n.startswith("co_attention")]
    return method.model_copy(
        update={**_defaults(*attention), "co_attention": "none", "head_input": "h"}
    )

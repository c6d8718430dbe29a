"""Scale files as validated objects; every error names file and line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from benchmarks.spec.base import Name, Spec
from benchmarks.spec.table import Settings
from slurm.strict_yaml import KeyPath, SpecError, YamlFile, load, unknown

Positive = Annotated[float, Field(gt=0)]

Precision = Literal["float32", "tf32", "bf16"]
"""Legal precisions of the encoders; the same as those of ``iicl``."""


def _check_seed(seed: object) -> object:
    is_number = isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0
    if seed != "run" and not is_number:
        raise ValueError("the word run is expected, or a whole number of 0 or more")
    return seed


CorpusSeed = Annotated[int | Literal["run"], BeforeValidator(_check_seed)]


class Device(Spec):
    """The device that a scale is meant for, and its assumed speed until it is measured."""

    unit: Literal["CPU core", "GPU"]
    sustained_gflops: Positive
    origin: str


class PreparedSize(Spec):
    """The measured size and cost of prepared clips, for estimates before a corpus is prepared.

    Attributes:
        video_bytes_per_second: of a prepared corpus.
        prepare_seconds_per_second: of one core, to prepare a second of video.
        decode_seconds_per_clip: of one core, to read a clip and its sound for training.
        origin: what was measured, and where.
    """

    video_bytes_per_second: Positive
    prepare_seconds_per_second: Positive
    decode_seconds_per_clip: Positive
    origin: str


class Generation(Spec):
    """How a corpus is generated, and what that costs.

    Attributes:
        num_items: items of all splits.
        seed: ``run``: a run reads the corpus that is generated with the run's own seed, so that
            each seed of a table has its own corpora. A number: all runs read this one corpus.
        core_seconds_per_item: of one core, to generate and prepare an item; the assumption until a
            launch has measured it.
        bytes_per_item: of an item on disk, its generated clip and what is prepared from it.
    """

    num_items: Annotated[int, Field(ge=1)]
    seed: CorpusSeed
    core_seconds_per_item: Positive
    bytes_per_item: Positive


class Corpus(Spec):
    """The origin of a corpus, unless the command line names a real copy.

    Attributes:
        generate: how it is generated.
        same_as: another corpus of this scale serves as this one.
        counts: usable items, for the cost before the corpus is prepared. Of a generated corpus they
            are those of seed 0: with another one, other items of Kinetics-400 lack sound.
        seconds_per_item: of each view, the mean over all items.
    """

    generate: Generation | None = None
    same_as: Name | None = None
    counts: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    seconds_per_item: dict[Literal["video", "audio"], Positive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> "Corpus":
        if self.generate is not None and self.same_as is not None:
            raise ValueError("a corpus is generated or the same as another, not both")
        return self


class MethodAtScale(Spec):
    """What a scale changes for one method.

    Attributes:
        says: the changes in words, for the readers of tables that use the method.
        settings: of its pretraining and of the method itself, flat, as a row writes them.
    """

    says: Annotated[list[str], Field(min_length=1)]
    settings: Annotated[Settings, Field(min_length=1)]


class Scale(Spec):
    """An overlay over the paper's settings that says what it changes and why.

    Attributes:
        scale: its name.
        says: the changes in words.
        device: what it is meant to run on.
        precision: of every stage that runs an encoder, unless the command line names another one;
            part of a run's identity.
        execution: how runs are carried out; never part of a run's identity.
        preparation: of every corpus.
        store: size and cost of prepared clips; ``capacity.py`` refuses a scale without it.
        corpora: those that tables may ask for.
        clip: of every stage that runs an encoder.
        stages: settings of stages, by name.
        encoders: sizes of encoders, by name. They hold for each view that has the encoder; one that
            is not named has its own sizes.
        pretrain_on: further settings of a pretraining, by its corpus.
        methods: further settings of a pretraining, by its method. A table's settings go over these,
            these over those of ``pretrain_on``, those over ``stages``, mappings merged key by key.
        replace: setting -> the paper's value -> this scale's.
    """

    scale: str
    says: Annotated[list[str], Field(min_length=1)]
    device: Device
    precision: Precision
    execution: Settings = Field(default_factory=dict)
    preparation: Settings = Field(default_factory=dict)
    store: PreparedSize | None = None
    corpora: Annotated[dict[Name, Corpus], Field(min_length=1)]
    clip: Settings = Field(default_factory=dict)
    stages: dict[Name, Settings] = Field(default_factory=dict)
    encoders: dict[Name, Settings] = Field(default_factory=dict)
    pretrain_on: dict[Name, Settings] = Field(default_factory=dict)
    methods: dict[Name, MethodAtScale] = Field(default_factory=dict)
    replace: dict[str, dict[int, int]] = Field(default_factory=dict)
    _file: YamlFile = PrivateAttr()

    @property
    def compares(self) -> bool:
        """Whether absolute numbers may be compared with the paper's."""
        return self.scale == "paper"

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at a key of the scale's file."""
        return self._file.error(where, message)


def load_scale(path: Path) -> Scale:
    """Read and check a scale file.

    Raises:
        SpecError: with file and line, at the first mistake.
    """
    file = load(path)
    scale = file.validate(Scale)
    scale._file = file
    if path.stem != scale.scale:
        raise file.error(("scale",), f"scale is {scale.scale!r}, but the file is {path.name}")
    for section, mapping in (("stages", scale.stages), ("pretrain_on", scale.pretrain_on)):
        for name, settings in mapping.items():
            if "clip" in settings:
                message = "clip holds for all stages alike: it is a key of the scale itself"
                raise file.error((section, name, "clip"), message)
    _check_methods(scale)
    for name, corpus in scale.corpora.items():
        if corpus.same_as is not None and corpus.same_as not in scale.corpora:
            where = ("corpora", name, "same_as")
            raise unknown(file, where, corpus.same_as, dict(scale.corpora))
        if scale.store is not None and corpus.same_as is None and not corpus.seconds_per_item:
            raise file.error(("corpora", name), "seconds_per_item is missing, for the store")
    for name in scale.corpora:
        seen, at = {name}, name
        while (other := scale.corpora[at].same_as) is not None:
            if other in seen:
                raise file.error(("corpora", at, "same_as"), f"{other!r} leads back to itself")
            seen.add(other)
            at = other
    return scale


def _check_methods(scale: Scale) -> None:
    for name, method in scale.methods.items():
        for key, why in NOT_OF_A_METHOD.items():
            if key in method.settings:
                raise scale.error(("methods", name, "settings", key), f"{key} {why}")


NOT_OF_A_METHOD = {
    "clip": "holds for all stages alike: it is a key of the scale itself",
    "method": "is the key above these settings",
    "corpus": "is what a table asks for",
}
"""Keys that a scale's settings of a method may not have, and why."""

"""The stages that measure a pretraining: their settings, and what each needs. Imports no torch.

The paper's values are the defaults. Where it is silent, ``[n]`` is the number of the entry in
:mod:`iicl.interpretations` that argues the default and names the alternatives.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from iicl.config import Augmentation, Clip, Config, Count, Positive, Precision
from iicl.encoders.choice import default_names
from iicl.pretraining import Pretrain
from iicl.samples import drawn_views, plain

Space = Literal["f", "z", "y"]
"""f: features of the encoder; z: g_ins(f); y: g_clu(f). The heads are applied to stored f."""


def _with_encoder(view: str) -> str:
    if view not in (legal := default_names()):
        raise ValueError(f"no view named {view!r} has an encoder; legal: {', '.join(legal)}")
    return view


View = Annotated[str, AfterValidator(_with_encoder)]
"""Name of a view that has an encoder."""

Needs = Mapping[str, Mapping[str, Any] | None]
"""Role -> settings of the ``features`` run it needs, or None for the pretraining's own folder."""

ENCODER: Needs = {"encoder": None}
PAIRS: Needs = {view: {"view": view, "items": "test"} for view in ("video", "audio")}


def _with_head(space: Space, features: Needs) -> Needs:
    """The features; and the encoder's run, where the space is that of one of its heads."""
    return features if space == "f" else {**features, **ENCODER}


class Features(Config):
    """Encoder features f of uniformly spaced clips of the items of a corpus."""

    stage: Literal["features"] = "features"
    corpus: str
    view: View = "video"
    items: Literal["all", "train", "test"] = "all"  # train and test: those of fold 1
    num_clips: Count = 10
    clip: Clip = Clip()
    precision: Precision = "bf16"
    seed: Annotated[int, Field(ge=0)]

    def views(self) -> tuple[str, ...]:
        """Names of the views that it reads, and of those that say where in an item it reads."""
        return drawn_views([plain(self.view)])


class Protocol(Config):
    """A stage that yields metrics on a corpus."""

    corpus: str
    fold: Count = 1
    seed: Annotated[int, Field(ge=0)]

    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics in its result; each has a chance level there."""
        raise NotImplementedError

    def needs(self) -> Needs:
        """Roles of its upstream runs."""
        raise NotImplementedError

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """Splits of the fold that it reads."""
        return ("train", "test")

    def views(self) -> tuple[str, ...]:
        """Names of the views that it reads by itself; most read stored features instead."""
        return ()


class Fitted(Protocol):
    """A stage that learns from train items, or looks among them, and is evaluated on others."""

    # held_out: on train items that :func:`iicl.data.held_out.held_out` names; no test item is read
    evaluate_on: Literal["test", "held_out"] = "test"

    LATER: ClassVar[frozenset[str]] = frozenset({"evaluate_on"})

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """Both splits; the train split alone where a part of it is held out."""
        return ("train", "test") if self.evaluate_on == "test" else ("train",)

    def features(self, view: str) -> Mapping[str, Any]:
        """Settings of the features that it reads."""
        only_train = self.evaluate_on == "held_out" and self.fold == 1
        return {"view": view, **({"items": "train"} if only_train else {})}


class Retrieval(Fitted):
    """Nearest neighbours of test items among train items, R@k (paper IV-C.1).

    ``_sound`` and ``_silent`` count the test items of classes with and without sound; a corpus
    that lacks one of them has None there.
    """

    stage: Literal["retrieval"] = "retrieval"
    space: Literal["f", "z"] = "f"  # [18]
    ranks: tuple[Count, ...] = (1, 5, 10, 20)
    centred: bool = False  # the mean of the train items is taken from all embeddings [39]

    LATER: ClassVar[frozenset[str]] = Fitted.LATER | {"centred"}

    def metrics(self) -> tuple[str, ...]:
        """``recall_at_<k>``, ``recall_at_<k>_sound``, ``recall_at_<k>_silent``."""
        return tuple(
            f"recall_at_{k}{part}" for part in ("", "_sound", "_silent") for k in self.ranks
        )

    def needs(self) -> Needs:
        """Features of the items; the encoder's run where a head is asked for."""
        return _with_head(self.space, {"features": self.features("video")})


class Linear(Fitted):
    """Linear classifier on frozen features: fc-only (paper IV-C.2), audio events (IV-C.3)."""

    stage: Literal["linear"] = "linear"
    view: View = "video"
    # svm: squared hinge, one against the rest
    classifier: Literal["logistic", "svm"] = "logistic"  # [37] [38]
    penalties: tuple[Positive, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)  # inverse L2 strengths tried
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1  # part of train that chooses the penalty

    def metrics(self) -> tuple[str, ...]:
        """``top1`` over items (mean scores of their clips), ``top1_clip`` over clips."""
        return ("top1", "top1_clip")

    def needs(self) -> Needs:
        """Features of the items."""
        return {"features": self.features(self.view)}


class Finetune(Fitted):
    """The whole encoder trained on a labelled corpus; the last epoch is the one reported."""

    stage: Literal["finetune"] = "finetune"
    epochs: Count = 12
    clips_per_item: Count = 10
    batch_size: Count = 32
    optimiser: Literal["sgd", "adam"] = "sgd"  # [36]
    head_learning_rate: Positive = 2e-2  # [36]
    encoder_learning_rate: Positive = 2e-3  # [36]
    weight_decay: Annotated[float, Field(ge=0)] = 5e-3  # [36]
    warmup_epochs: Annotated[float, Field(ge=0)] = 2.0  # linear, from an eighth of the rate
    milestones: tuple[Count, ...] = (6, 10)  # epochs after which decay multiplies the rate [36]
    decay: Positive = 0.05
    num_clips: Count = 10
    num_crops: Literal[1, 3] = 3  # along the longer side, at test
    clip: Clip = Clip()
    augmentation: Augmentation = Augmentation(crop_fraction=(0.37, 1.0))  # area 0.14 to 1
    precision: Precision = "bf16"

    def metrics(self) -> tuple[str, ...]:
        """``top1`` over items."""
        return ("top1",)

    def needs(self) -> Needs:
        """The encoder alone."""
        return ENCODER

    def views(self) -> tuple[str, ...]:
        """Video and labels."""
        return ("label", "video")


class Clustering(Protocol):
    """Agreement of clusters with classes (paper IV-D.2), from the video alone [14].

    ``argmax`` takes the largest entry of y as the cluster [29]; ``kmeans`` clusters item
    embeddings into ``num_clusters``, or as many clusters as there are classes.
    """

    stage: Literal["clustering"] = "clustering"
    items: Literal["test", "all"] = "test"  # [31]
    space: Space = "y"
    assign: Literal["argmax", "kmeans"] = "argmax"  # [31]
    num_clusters: Count | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Clustering":
        if self.assign == "argmax" and (self.space != "y" or self.num_clusters is not None):
            raise ValueError(
                "argmax needs space y and no num_clusters, got space"
                f" {self.space} and num_clusters {self.num_clusters}"
            )
        return self

    def metrics(self) -> tuple[str, ...]:
        """See :mod:`iicl.evaluation.clustering`."""
        return ("nmi", "accuracy", "purity", "ami", "ari", "same_alone")

    def needs(self) -> Needs:
        """Features of all items; the encoder's run where a head is asked for."""
        return _with_head(self.space, {"features": {"view": "video"}})

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """The test split; the train split as well where all items are clustered."""
        return ("test",) if self.items == "test" else ("train", "test")


class CrossModal(Protocol):
    """Retrieval of sounds by videos and of videos by sounds among test items (paper IV-D.3) [15].

    Each modality is embedded on its own: co-attention would let a query see its own answer.
    """

    stage: Literal["crossmodal"] = "crossmodal"
    space: Literal["f", "z"] = "z"
    galleries: tuple[Count, ...] = (256, 1000)  # sizes beside that of all test items

    def metrics(self) -> tuple[str, ...]:
        """``<v2a|a2v>_mrr_<size|all>`` (instance level), ``<v2a|a2v>_map`` (class level)."""
        sizes = [*map(str, self.galleries), "all"]
        names = [f"mrr_{size}" for size in sizes] + ["map"]
        return tuple(f"{way}_{name}" for way in ("v2a", "a2v") for name in names)

    def needs(self) -> Needs:
        """Features of the test items in both views; the encoder's run where a head is asked for."""
        return _with_head(self.space, PAIRS)

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """The test split."""
        return ("test",)


class Neighbours(Protocol):
    """Nearest neighbours within and across modalities, with pictures (paper IV-D.3, Fig. 3)."""

    stage: Literal["neighbours"] = "neighbours"
    space: Literal["f", "z"] = "z"
    anchors: tuple[str, ...] = ()  # ids of items; none: num_anchors are drawn
    num_anchors: Count = 4
    num_neighbours: Count = 5
    clip: Clip = Clip()

    def metrics(self) -> tuple[str, ...]:
        """``<way>_precision``: neighbours of the item's class, over all test items.

        ``within_precision``, ``across_precision``: the same within a modality and across the two.
        ``confusion``, ``across_confusion``: items whose nearest by sound, or in the other modality,
        is of another class.
        """
        ways = ("v2v", "a2a", "v2a", "a2v", "within", "across")
        return (*(f"{way}_precision" for way in ways), "confusion", "across_confusion")

    def needs(self) -> Needs:
        """As :class:`CrossModal`."""
        return _with_head(self.space, PAIRS)

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """The test split."""
        return ("test",)

    def views(self) -> tuple[str, ...]:
        """Video and sound, for the pictures."""
        return ("audio", "video")


class Pretext(Protocol):
    """The question that a method asks, about test items of the corpus it was trained on or another.

    A method that pairs two views asks which of the ``batch_size`` sounds of a batch belongs to a
    video, so that results of different batch sizes are no equals. What it reads of an item is what
    the last phase of the pretraining draws; the code of these views is that of the pretraining.
    """

    stage: Literal["pretext"] = "pretext"
    fold: Annotated[int, Field(ge=1, le=1)] = 1  # the one whose train items a pretraining reads
    batch_size: Annotated[int, Field(ge=2)] = 32  # items that a question is about
    clip: Clip = Clip()
    precision: Precision = "bf16"

    def metrics(self) -> tuple[str, ...]:
        """``accuracy`` over all questions; None for a method that asks none."""
        return ("accuracy",)

    def needs(self) -> Needs:
        """The whole method."""
        return ENCODER

    def splits(self) -> tuple[Literal["train", "test"], ...]:
        """The test split."""
        return ("test",)


AnyProtocol = Retrieval | Linear | Finetune | Clustering | CrossModal | Neighbours | Pretext
Stage = Annotated[Pretrain | Features | AnyProtocol, Field(discriminator="stage")]

"""How much the runs of a stage compute, from their settings alone. Imports no torch."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from iicl import encoders
from iicl.config import Clip
from iicl.constants import FEATURE_BATCH_SIZE, HELD_OUT_SHARE
from iicl.encoders.choice import default_names
from iicl.encoders.settings import EncoderSettings
from iicl.methods.settings import Encoded
from iicl.pretraining import Pretrain
from iicl.protocols import AnyProtocol, Features, Finetune, Pretext
from iicl.samples import required_views

Counts = Mapping[str, int]
"""Usable items: ``all``, ``<fold>/train``, ``<fold>/train/with_sound``, ``<fold>/test``."""

AnyStage = Pretrain | Features | AnyProtocol
BACKWARD = 2  # a backward pass costs about two forward passes


@dataclass(frozen=True)
class StageWork:
    """How much a run computes.

    Attributes:
        clips: number of clips that pass through an encoder, in training or in evaluation.
        flops: floating-point operations of the encoders; heads and losses are below one percent.
        num_ranks: number of ranks that can share the run: at most one for each chunk of its batch,
            for each item of its batch (fine-tuning), or for each of its batches (features).
    """

    clips: int
    flops: float
    num_ranks: int


NO_WORK = StageWork(clips=0, flops=0.0, num_ranks=1)


def work(stage: AnyStage, counts: Counts, pretrained: Pretrain | None) -> StageWork:
    """The work of a run on a corpus.

    Only the encoders count, so that a stage that reads stored features has none.

    Args:
        stage: settings of the run.
        counts: numbers of usable items of its corpus.
        pretrained: the pretraining whose encoder the run uses; None if it uses none.

    Raises:
        ValueError: if the run needs an encoder that ``pretrained`` doesn't have.
    """
    if isinstance(stage, Pretrain):
        return _pretrain_work(stage, counts)
    if isinstance(stage, Features):
        assert pretrained is not None
        return _features_work(stage, counts, encoder_of(pretrained, stage.view))
    if isinstance(stage, Finetune):
        assert pretrained is not None
        return _finetune_work(stage, counts, finetuned_encoder(stage, pretrained))
    if isinstance(stage, Pretext):
        assert pretrained is not None
        return _pretext_work(stage, counts, pretrained)
    return NO_WORK


def _pretrain_work(stage: Pretrain, counts: Counts) -> StageWork:
    """Steps of whole batches, and the passes over all items before each epoch."""
    if not stage.epochs:
        return NO_WORK
    with_gradient, macs_of_forward = _macs_of_item(stage)
    extra = stage.method.extra(stage.phase, encoded_samples(stage))
    items = counts[items_trained_on(stage)]
    batch, chunk = stage.optimisation.batch_size, stage.optimisation.chunk_size
    trained = items // batch * stage.clips_per_item * stage.epochs * batch
    passed = items * extra.passes(stage.epochs)
    macs_of_step = macs_of_forward + BACKWARD * with_gradient
    return StageWork(
        clips=trained + passed,
        flops=trained * 2.0 * macs_of_step + passed * 2.0 * macs_of_forward,
        num_ranks=math.ceil(batch / chunk),
    )


def _macs_of_item(stage: Pretrain) -> tuple[int, int]:
    """Multiply-accumulates of all encodings of an item in a step: of those with a gradient, of all.

    Without their backward passes.
    """
    encoded = encoded_samples(stage)
    extra = stage.method.extra(stage.phase, encoded)
    macs = {e.sample.name: _macs(e.encoder, e.clip) for e in encoded}
    unknown = (extra.encodings.keys() | extra.forward_only.keys()) - macs.keys()
    assert not unknown, f"{stage.method.name} prices samples without an encoder: {unknown}"
    with_gradient = sum(extra.encodings.get(name, 1) * cost for name, cost in macs.items())
    without_gradient = sum(extra.forward_only.get(name, 0) * cost for name, cost in macs.items())
    return with_gradient, with_gradient + without_gradient


@functools.cache
def _macs(encoder: EncoderSettings, clip: Clip) -> int:
    """The price of one encoding, which a plan asks for each of its runs."""
    return encoder.macs(clip)


def _features_work(stage: Features, counts: Counts, encoder: EncoderSettings) -> StageWork:
    clips = counts["all" if stage.items == "all" else f"1/{stage.items}"] * stage.num_clips
    flops = clips * 2.0 * _macs(encoder, stage.clip)
    num_ranks = math.ceil(clips / FEATURE_BATCH_SIZE) if flops else 1
    return StageWork(clips, flops, num_ranks)


def _finetune_work(stage: Finetune, counts: Counts, encoder: EncoderSettings) -> StageWork:
    """A batch is shared item by item. How many items are held out depends on their groups."""
    train_items = counts[f"{stage.fold}/train"]
    if stage.evaluate_on == "test":
        test_items = counts[f"{stage.fold}/test"]
    else:
        test_items = round(HELD_OUT_SHARE * train_items)
        train_items -= test_items
    train = train_items * stage.clips_per_item * stage.epochs
    test = test_items * stage.num_clips * stage.num_crops
    flops = 2.0 * _macs(encoder, stage.clip) * (train * (1 + BACKWARD) + test)
    return StageWork(train + test, flops, stage.batch_size)


def _pretext_work(stage: Pretext, counts: Counts, pretrained: Pretrain) -> StageWork:
    """A forward pass of all that a step encodes of an item, at the clip of the question.

    For a method that asks no question this is too much: it ends after the first batch.
    """
    items = counts[f"{stage.fold}/test"] // stage.batch_size * stage.batch_size
    _, macs = _macs_of_item(pretrained.model_copy(update={"clip": stage.clip}))
    return StageWork(items, items * 2.0 * macs, num_ranks=1)


def items_trained_on(stage: Pretrain) -> str:
    """Key in the counts of the items that a pretraining reads.

    Items that are too short for the samples may be among them: the counts don't tell.
    """
    needed = required_views(stage.method.samples(stage.phase), stage.silent_items)
    return "1/train/with_sound" if "audio" in needed else "1/train"


def encoded_samples(stage: Pretrain) -> list[Encoded]:
    """The samples of a pretraining that have an encoder; any other is read and not encoded."""
    with_encoder = default_names()
    return [
        Encoded(
            sample,
            stage.method.encoder(sample.view, stage.encoders),
            stage.method.encoded_clip(sample, stage.clip),
        )
        for sample in stage.method.samples(stage.phase)
        if sample.view in with_encoder
    ]


def encoder_of(pretrained: Pretrain, view: str) -> EncoderSettings:
    """The encoder that a pretraining leaves for a view.

    Raises:
        ValueError: if it has none.
    """
    by_view = {e.sample.view: e.encoder for e in encoded_samples(pretrained)}
    if view not in by_view:
        legal = ", ".join(by_view) or "none"
        raise ValueError(f"{pretrained.method.name} trains no {view} encoder; it has: {legal}")
    return by_view[view]


def finetuned_encoder(stage: Finetune, pretrained: Pretrain) -> EncoderSettings:
    """The encoder that a fine-tuning trains on: that of the one view it reads that has one.

    Raises:
        ValueError: if the pretraining has none, or one that only its method can build.
    """
    (view,) = set(stage.views()) & default_names().keys()
    encoder = encoder_of(pretrained, view)
    if encoder.NAME is None:
        raise ValueError(
            f"the {view} encoder of {pretrained.method.name} is its own; fine-tuning takes one of:"
            f" {', '.join(encoders.names())}"
        )
    return encoder

"""How many bytes a run leaves on disk and exchanges between its ranks. Imports no torch."""

from dataclasses import dataclass

from iicl.config import Execution
from iicl.constants import NUM_KEPT_CHECKPOINTS
from iicl.pretraining import Pretrain
from iicl.protocols import Features, Finetune
from iicl.work import (
    AnyStage,
    Counts,
    encoded_samples,
    encoder_of,
    finetuned_encoder,
    items_trained_on,
    work,
)

WEIGHT = 4  # bytes, of a float32 parameter, of one of its moments or of a feature
GRADIENT = {"float64": 8, "float32": 4}  # bytes of a number of a gradient that ranks add up
MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1}  # numbers that an optimiser keeps for each parameter


@dataclass(frozen=True)
class StageFootprint:
    """What a run trains, leaves and exchanges.

    A classifier's parameters are counted for each class, as the number of classes is known only
    when the corpus is prepared; they are in none of the other numbers, of which they are below one
    percent. Nor are the encoders' buffers.

    Attributes:
        parameters: number of trained parameters.
        parameters_per_class: more of them for each class of the corpus.
        weight_bytes: size of the weights.
        checkpoint_bytes: size of one checkpoint: weights, moments of the optimiser, and the
            method's own buffers and frozen parameters.
        checkpoint_seconds: time from one checkpoint to the next.
        disk_bytes: size of what the finished run leaves. While it runs it takes no more than that,
            except for one checkpoint that is being written.
        gradient_bytes: size of the gradient that ranks add up in each step.
        exchanged_bytes: size of the features of one item, which every rank needs for the loss. The
            statistics of batch norm, which the ranks of a fine-tuning add up, are not counted: they
            are below one percent of its gradient.
    """

    parameters: int = 0
    parameters_per_class: int = 0
    weight_bytes: int = 0
    checkpoint_bytes: int = 0
    checkpoint_seconds: float = Execution().checkpoint_seconds
    disk_bytes: int = 0
    gradient_bytes: int = 0
    exchanged_bytes: int = 0


def footprint(stage: AnyStage, counts: Counts, pretrained: Pretrain | None) -> StageFootprint:
    """The footprint of a run on a corpus; nothing for a stage that leaves only metrics.

    Args:
        stage: settings of the run.
        counts: numbers of usable items of its corpus.
        pretrained: the pretraining whose encoder the run uses; None if it uses none.

    Raises:
        ValueError: if the run needs an encoder that ``pretrained`` doesn't have.
    """
    if isinstance(stage, Pretrain):
        return _of_pretraining(stage, counts)
    if isinstance(stage, Finetune):
        assert pretrained is not None
        encoder = finetuned_encoder(stage, pretrained)
        return _of_training(
            parameters=encoder.num_parameters(),
            parameters_per_class=encoder.feature_dim + 1,
            moments=MOMENTS[stage.optimiser],
            gradient_bytes=GRADIENT["float64"] * encoder.num_parameters(),
            exchanged_bytes=WEIGHT * encoder.feature_dim,
        )
    if isinstance(stage, Features):
        assert pretrained is not None
        dim = encoder_of(pretrained, stage.view).feature_dim
        return StageFootprint(disk_bytes=WEIGHT * dim * work(stage, counts, pretrained).clips)
    return StageFootprint()


def _of_pretraining(stage: Pretrain, counts: Counts) -> StageFootprint:
    encoded = encoded_samples(stage)
    extra = stage.method.extra(stage.phase, encoded)
    by_view = {e.sample.view: e.encoder for e in encoded}  # samples of a view share its encoder
    parameters = sum(e.num_parameters() for e in by_view.values()) + extra.parameters
    buffers = extra.buffer_bytes + extra.frozen_bytes
    if extra.buffer_bytes_per_item:
        buffers += extra.buffer_bytes_per_item * counts[items_trained_on(stage)]
    exported = 0
    if extra.exported_bytes_per_item:
        exported = extra.exported_bytes_per_item * counts[items_trained_on(stage)]
    if not stage.epochs:  # a control that is never trained: one checkpoint, without moments
        return StageFootprint(
            parameters=parameters,
            parameters_per_class=extra.parameters_per_class,
            weight_bytes=WEIGHT * parameters + exported,
            checkpoint_bytes=WEIGHT * parameters + buffers,
            disk_bytes=2 * WEIGHT * parameters + exported + buffers,
        )
    return _of_training(
        parameters=parameters,
        parameters_per_class=extra.parameters_per_class,
        moments=MOMENTS[stage.optimisation.optimiser],
        buffer_bytes=buffers,
        exported_bytes=exported,
        gradient_bytes=GRADIENT[stage.optimisation.gradient_exchange] * parameters,
        exchanged_bytes=WEIGHT * stage.method.num_exchanged(stage.phase, encoded),
    )


def _of_training(
    parameters: int,
    parameters_per_class: int,
    moments: int,
    buffer_bytes: int = 0,
    exported_bytes: int = 0,
    gradient_bytes: int = 0,
    exchanged_bytes: int = 0,
) -> StageFootprint:
    checkpoint = WEIGHT * parameters * (1 + moments) + buffer_bytes
    weights = WEIGHT * parameters + exported_bytes
    return StageFootprint(
        parameters=parameters,
        parameters_per_class=parameters_per_class,
        weight_bytes=weights,
        checkpoint_bytes=checkpoint,
        disk_bytes=weights + NUM_KEPT_CHECKPOINTS * checkpoint,
        gradient_bytes=gradient_bytes,
        exchanged_bytes=exchanged_bytes,
    )

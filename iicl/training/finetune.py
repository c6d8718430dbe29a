"""The stage ``finetune``: the whole video encoder trained on labels, the last epoch tested."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iicl.data.draws import Contents
from iicl.data.held_out import held_out
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.item_errors import item_errors
from iicl.methods.supervised.method import Supervised
from iicl.methods.supervised.settings import Settings
from iicl.protocols import Finetune
from iicl.samples import VIDEO
from iicl.seeding import derive_seed
from iicl.training import schedule
from iicl.training.context import Context, Report
from iicl.training.distributed import Ranks, connect
from iicl.training.loop import train
from iicl.training.outcome import training_cost
from iicl.training.precision import encode
from iicl.training.recipe import Training, TrainItems
from iicl.training.synchronised_norm import synchronise
from iicl.training.weights import load_config, load_method, save_weights

SETTINGS = Settings(modalities="video")
MOMENTUM = 0.9
TRAIN_SHARE = 0.9  # of the progress reported; the rest is the test


def run(config: Finetune, context: Context) -> dict[str, Any]:
    """Train encoder and classifier on a fold's train items, then score its test items.

    Where train items are held out, train on the others, and score those that are held out.
    The classifier starts orthogonal with zero bias, and is otherwise that of the supervised method.
    A batch is normalised as a whole (:mod:`iicl.training.synchronised_norm`) and not cut into
    chunks: the backward pass needs the graph of all its items at once, so that chunks would save no
    memory. The ranks of the run (:mod:`iicl.training.distributed`) share the items of each batch,
    and the batches of the test; rank 0 alone writes. Their number changes a step by rounding only.

    Args:
        config: recipe, corpus and fold.
        context: its ``upstream`` holds the pretraining as ``"encoder"``.

    Returns:
        Metric ``top1`` over items (mean logits of all test clips and crops, last epoch), its chance
        level and standard errors, counts and cost.

    Raises:
        ValueError: if the train items cannot fill one batch, a split is empty, the pretraining has
            no video encoder, a batch has fewer items than there are ranks, or several ranks meet
            a batch norm that cannot be synchronised.
        loop.NonFiniteStepError: if the loss or its gradient stops being finite.
        Interrupted: if asked to stop; the last step is saved.
        LostRankError: if another rank is gone.
    """
    with connect(context.execution.device) as ranks:
        corpus = PreparedCorpus.open(context.corpora[config.corpus])
        items, test_items = _items(config, corpus, context, ranks)
        method = _method(config, items, context)
        synchronise(method, ranks)
        rate = partial(_rate, config, items)
        training = Training(method, _optimiser(config, method), rate, items, config.precision)
        trained = train(
            training,
            context.out,
            context.execution,
            lambda fraction, text: context.report(TRAIN_SHARE * fraction, text),
            ranks,
        )
        if ranks.rank == 0:  # the test ends on no rank before this is done
            save_weights(method, context.out, config)
        started = time.monotonic()
        scores = _test_scores(config, method, items, test_items, context.report, ranks)
        official = corpus.manifest.num_official if config.evaluate_on == "test" else {}
        hits = _hits(scores, corpus, test_items)
        groups = [corpus.manifest.items[position].group for position in test_items]
        return {
            "metrics": {"top1": float(hits.mean())},
            "chance": {"top1": 1 / len(corpus.manifest.classes)},
            "item_errors": item_errors({"top1": hits}, groups),
            "num_evaluated": len(test_items),
            "num_expected": official.get(f"{config.fold}/test", len(test_items)),
            "num_steps": items.num_steps,
            "num_left_out_per_epoch": items.num_left_out_per_epoch,
            "selection": "last",
            **training_cost(trained, ranks),
            "test_seconds": time.monotonic() - started,
        }


def _items(
    config: Finetune, corpus: PreparedCorpus, context: Context, ranks: Ranks
) -> tuple[TrainItems, list[int]]:
    """What is trained on, and the positions of the test items, or of those held out.

    Raises:
        ValueError: if the train items cannot fill one batch, or there is no test item.
    """
    train_items, *other = (
        corpus.select(["video", "label"], split=split, fold=config.fold)
        for split in config.splits()
    )
    if config.evaluate_on == "held_out":
        of_train = [corpus.manifest.items[position] for position in train_items]
        mask = held_out([i.labels for i in of_train], [i.group for i in of_train], config.fold)
        train_items, *other = (list(compress(train_items, part)) for part in (~mask, mask))
    (test_items,) = other
    batching = Batching(
        sampling="random",
        batch_size=config.batch_size,
        num_clips=config.clips_per_item,
        epochs=range(config.epochs),
        share=ranks.share,
        seed=derive_seed(config.seed, "finetune", config.fold),
        drop_last=True,
    )
    contents = Contents(config.clip, SETTINGS.samples("training"), config.augmentation)
    items = TrainItems(
        corpus, train_items, contents, batching, context.execution.num_workers, ranks.device
    )
    if not items.steps_per_epoch or not test_items:
        raise ValueError(
            f"corpus {config.corpus} has {len(train_items) * config.clips_per_item} train clips"
            f" and {len(test_items)} test items in fold {config.fold};"
            f" one batch of {config.batch_size} and one item are needed"
        )
    return items, test_items


def _method(config: Finetune, items: TrainItems, context: Context) -> Supervised:
    """A fresh classifier on the pretrained encoder."""
    torch.manual_seed(derive_seed(items.batching.seed, "init"))
    pretrained = load_config(context.upstream["encoder"])
    own = {"video": pretrained.method.encoder("video", pretrained.encoders)}
    encoders = pretrained.encoders.model_copy(update={"by_view": own})
    method = Supervised(SETTINGS, encoders, items.corpus.facts(items.positions))
    torch.nn.init.orthogonal_(method.classifier.weight)  # as in GDT's recipe
    torch.nn.init.zeros_(method.classifier.bias)
    method.video_encoder = load_method(context.upstream["encoder"]).encoder("video")
    method.video_encoder.requires_grad_(True)  # the pretraining may have left parts of it frozen
    return method.to(items.device)


def _rate(config: Finetune, items: TrainItems, step: int) -> float:
    return schedule.steps_with_warmup(
        step / items.steps_per_epoch,
        warmup_epochs=config.warmup_epochs,
        milestones=config.milestones,
        decay=config.decay,
    )


def _optimiser(config: Finetune, method: Supervised) -> torch.optim.Optimizer:
    groups = [
        {"params": [*method.classifier.named_parameters()], "lr": config.head_learning_rate},
        {"params": [*method.video_encoder.named_parameters()], "lr": config.encoder_learning_rate},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(
            groups, momentum=MOMENTUM, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.Adam(groups, weight_decay=config.weight_decay, fused=True)


def _test_scores(
    config: Finetune,
    method: Supervised,
    items: TrainItems,
    test_items: Sequence[int],
    report: Report,
    ranks: Ranks,
) -> Tensor:
    """Mean logits of each test item over its clips and crops, (items, classes), on all ranks."""
    views_per_item = config.num_clips * config.num_crops
    batching = Batching(
        sampling="uniform",
        batch_size=config.batch_size,
        num_clips=config.num_clips,
        num_crops=config.num_crops,
        share=ranks.share,
    )
    contents = Contents(config.clip, (VIDEO,))
    loader = make_loader(
        items.corpus,
        test_items,
        contents,
        batching,
        num_workers=items.num_workers,
        device=items.device,
    )

    def pooled(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"video": method.video_encoder(batch["video"])}

    # A rank may have no batch.
    logits = [torch.zeros(0, method.classifier.out_features, device=items.device)]
    method.eval()
    with torch.inference_mode():
        for num_done, raw in enumerate(loader, start=1):
            batch = make_views(raw, config.clip, items.device)
            features = encode(pooled, batch, config.precision)["video"]
            logits.append(method.classifier(features))
            share = num_done / len(loader)
            report(TRAIN_SHARE + (1 - TRAIN_SHARE) * share, f"test batch {num_done}/{len(loader)}")
    # Ranks in order have the batches in order, and a batch its items' clips and their crops.
    whole = ranks.concatenate(torch.cat(logits)).cpu()
    assert len(whole) == len(test_items) * views_per_item
    scores = torch.zeros(len(test_items), method.classifier.out_features)
    rows = torch.arange(len(test_items)).repeat_interleave(views_per_item)
    return scores.index_add_(0, rows, whole / views_per_item)


def _hits(scores: Tensor, corpus: PreparedCorpus, test_items: Sequence[int]) -> NDArray[np.bool_]:
    """Whether each item has the class with its highest score among its labels."""
    classes, items = corpus.manifest.classes, corpus.manifest.items
    predicted = [classes[index] for index in scores.argmax(1).tolist()]
    pairs = zip(predicted, test_items, strict=True)
    return np.array([label in items[position].labels for label, position in pairs])

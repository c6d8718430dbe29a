"""The stage ``finetune``: the whole video encoder trained on labels, the last epoch tested."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iicl.config import Execution
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching, num_steps
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.methods.supervised.method import Supervised
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from iicl.protocols import Finetune
from iicl.samples import LABEL, VIDEO
from iicl.seeding import derive_seed
from iicl.training import schedule
from iicl.training.distributed import Ranks, connect
from iicl.training.loop import Report, Training, train
from iicl.training.outcome import training_cost
from iicl.training.precision import encode
from iicl.training.weights import load_config, load_method, save_weights

MOMENTUM = 0.9
TRAIN_SHARE = 0.9  # of the progress reported; the rest is the test


def run(
    config: Finetune,
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
) -> dict[str, Any]:
    """Train encoder and classifier on a fold's train items, then score its test items.

    The classifier starts orthogonal with zero bias, and is otherwise that of the supervised method.
    A batch is normalised as a whole, in one chunk, so that this is work for one rank.

    Args:
        config: recipe, corpus and fold.
        corpora: prepared corpora by name.
        upstream: the pretraining as ``"encoder"``.
        out: the run's own folder; an interrupted attempt in it is continued.
        execution: device, workers and saving interval.
        report: progress.

    Returns:
        Metric ``top1`` over items (mean logits of all test clips and crops, last epoch), its chance
        level, counts and cost.

    Raises:
        ValueError: if the train items cannot fill one batch, a split is empty, the pretraining has
            no video encoder, or there is more than one rank.
        loop.NonFiniteStepError: if the loss or its gradient stops being finite.
        Interrupted: if asked to stop; the last step is saved.
    """
    with connect(execution.device) as ranks:
        return _run(config, corpora, upstream, out, execution, report, ranks)


def _run(
    config: Finetune,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
    ranks: Ranks,
) -> dict[str, Any]:
    ranks.share.of_batch(config.batch_size, chunk_size=config.batch_size)  # or is refused
    corpus = PreparedCorpus.open(corpora[config.corpus])
    train_items, test_items = (
        corpus.select(["video", "label"], split=split, fold=config.fold)
        for split in ("train", "test")
    )
    num_clips = len(train_items) * config.clips_per_item
    steps_per_epoch = num_steps(len(train_items), config.clips_per_item, config.batch_size, True)
    if not steps_per_epoch or not test_items:
        raise ValueError(
            f"corpus {config.corpus} has {num_clips} train clips and {len(test_items)} test items"
            f" in fold {config.fold}; one batch of {config.batch_size} and one item are needed"
        )
    classes = corpus.manifest.classes
    seed = derive_seed(config.seed, "finetune", config.fold)
    torch.manual_seed(derive_seed(seed, "init"))
    encoders = load_config(upstream["encoder"]).encoders
    method = Supervised(SupervisedSettings(modalities="video"), encoders, corpus.facts(train_items))
    torch.nn.init.orthogonal_(method.classifier.weight)  # as in GDT's recipe
    torch.nn.init.zeros_(method.classifier.bias)
    method.video_encoder = load_method(upstream["encoder"]).encoder("video")
    method.to(ranks.device)

    trained = train(
        Training(
            method=method,
            optimiser=_optimiser(config, method),
            rate=lambda step: schedule.steps_with_warmup(
                step / steps_per_epoch,
                warmup_epochs=config.warmup_epochs,
                milestones=config.milestones,
                decay=config.decay,
            ),
            num_steps=config.epochs * steps_per_epoch,
            batches=lambda first_step: iter(
                make_loader(
                    corpus,
                    train_items,
                    Contents(config.clip, (VIDEO, LABEL), config.augmentation),
                    Batching(
                        sampling="random",
                        batch_size=config.batch_size,
                        num_clips=config.clips_per_item,
                        epochs=range(config.epochs),
                        start_step=first_step,
                        seed=seed,
                        drop_last=True,
                    ),
                    num_workers=execution.num_workers,
                )
            ),
            views=partial(make_views, clip=config.clip, device=ranks.device),
            batch_size=config.batch_size,
            chunk_size=config.batch_size,
            precision=config.precision,
            seed=seed,
        ),
        out,
        execution,
        lambda fraction, text: report(TRAIN_SHARE * fraction, text),
        ranks,
    )
    save_weights(method, out, config)
    started = time.monotonic()
    scores = _test_scores(config, method, corpus, test_items, ranks.device, execution, report)
    predicted = [classes[index] for index in scores.argmax(1).tolist()]
    hits = [
        label in corpus.manifest.items[position].labels
        for label, position in zip(predicted, test_items, strict=True)
    ]
    return {
        "metrics": {"top1": sum(hits) / len(hits)},
        "chance": {"top1": 1 / len(classes)},
        "num_evaluated": len(test_items),
        "num_expected": corpus.manifest.num_official.get(f"{config.fold}/test", len(test_items)),
        "num_steps": config.epochs * steps_per_epoch,
        "num_left_out_per_epoch": num_clips - steps_per_epoch * config.batch_size,
        "selection": "last",
        **training_cost(trained, ranks),
        "test_seconds": time.monotonic() - started,
    }


def _optimiser(config: Finetune, method: Supervised) -> torch.optim.Optimizer:
    groups = [
        {"params": [*method.classifier.named_parameters()], "lr": config.head_learning_rate},
        {"params": [*method.video_encoder.named_parameters()], "lr": config.encoder_learning_rate},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=config.weight_decay)
    return torch.optim.Adam(groups, weight_decay=config.weight_decay)


def _test_scores(
    config: Finetune,
    method: Supervised,
    corpus: PreparedCorpus,
    items: Sequence[int],
    device: torch.device,
    execution: Execution,
    report: Report,
) -> Tensor:
    """Mean logits of each item over its clips and crops, (items, classes)."""
    row = {position: index for index, position in enumerate(items)}
    views_per_item = config.num_clips * config.num_crops
    scores = torch.zeros(len(items), method.classifier.out_features)
    num_done = 0
    loader = make_loader(
        corpus,
        items,
        Contents(config.clip, (VIDEO,)),
        Batching(
            sampling="uniform",
            batch_size=config.batch_size,
            num_clips=config.num_clips,
            num_crops=config.num_crops,
        ),
        num_workers=execution.num_workers,
    )

    def pooled(views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"video": method.video_encoder(views["video"])}

    method.eval()
    with torch.inference_mode():
        for batch in loader:
            views = make_views(batch, config.clip, device)
            features = encode(pooled, views, config.precision)["video"]
            rows = torch.tensor([row[position] for position in batch.positions.tolist()])
            rows = rows.repeat_interleave(config.num_crops)
            scores.index_add_(0, rows, method.classifier(features).cpu() / views_per_item)
            num_done += len(rows)
            share = num_done / (len(items) * views_per_item)
            report(TRAIN_SHARE + (1 - TRAIN_SHARE) * share, f"test {num_done} clips")
    assert num_done == len(items) * views_per_item
    return scores

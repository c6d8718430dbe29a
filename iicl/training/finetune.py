"""The stage ``finetune``: the whole video encoder trained on labels, the last epoch tested."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iicl import methods
from iicl.config import Execution, Finetune, Supervised
from iicl.data.loader import evaluation_batches, training_batches
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.methods.supervised import SupervisedMethod
from iicl.seeding import derive_seed
from iicl.training import schedule
from iicl.training.large_batch import autocast
from iicl.training.loop import Report, Training, train
from iicl.training.outcome import cost, training_cost
from iicl.training.targets import fold_targets
from iicl.training.weights import load_encoder, save_weights

MOMENTUM = 0.9


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
        ValueError: if the train items cannot fill one batch.
        large_batch.NonFiniteError: if the loss or its gradient stops being finite.
    """
    corpus = PreparedCorpus.open(corpora[config.corpus])
    device = torch.device(execution.device)
    train_items = corpus.select(views=["video"], split="train", fold=config.fold)
    test_items = corpus.select(views=["video"], split="test", fold=config.fold)
    classes, targets = fold_targets(corpus, train_items + test_items)
    steps_per_epoch = len(train_items) * config.clips_per_item // config.batch_size
    if not steps_per_epoch:
        raise ValueError(
            f"corpus {config.corpus} has {len(train_items)} train items for {config.clips_per_item}"
            f" clips each in fold {config.fold}, fewer than one batch of {config.batch_size}"
        )
    seed = derive_seed(config.seed, "finetune", config.fold)
    torch.manual_seed(derive_seed(seed, "init"))
    method = methods.build(Supervised(), "training", config.encoders, len(classes))
    assert isinstance(method, SupervisedMethod)
    loaded = load_encoder(upstream["encoder"], "video", config.encoders)
    method.video_encoder.load_state_dict(loaded.state_dict())
    method.to(device)

    def views(batch: Any) -> dict[str, Tensor]:
        made = make_views(batch, config.clip, device)
        return {**made, "label": targets[batch.positions].to(device)}

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
            batches=partial(
                training_batches,
                corpus,
                train_items,
                config.clip,
                views=["video"],
                augmentation=config.augmentation,
                batch_size=config.batch_size,
                clips_per_item=config.clips_per_item,
                seed=seed,
                num_epochs=config.epochs,
                num_workers=execution.num_workers,
            ),
            views=views,
            chunk_size=config.batch_size,
            precision=config.precision,
            seed=seed,
        ),
        out,
        execution,
        lambda fraction, text: report(0.9 * fraction, text),
    )
    save_weights(method, out, config)

    started = time.monotonic()
    scores = torch.zeros(len(corpus.manifest.items), len(classes))
    num_clips = torch.zeros(len(corpus.manifest.items), dtype=torch.long)
    method.eval()
    with torch.inference_mode():
        for batch in evaluation_batches(
            corpus,
            test_items,
            config.clip,
            view="video",
            num_clips=config.num_clips,
            num_crops=config.num_crops,
            batch_size=config.batch_size,
            num_workers=execution.num_workers,
        ):
            made = make_views(batch, config.clip, device)
            with autocast(device, config.precision):
                features = method.encode(made)
            logits = method.classifier(features["video"].float()).cpu()
            scores.index_add_(0, batch.positions, logits)
            num_clips.index_add_(0, batch.positions, torch.ones_like(batch.positions))
            report(0.9 + 0.1 * float(num_clips.sum()) / _num_test_clips(config, test_items), "test")
    assert (num_clips[test_items] == config.num_clips * config.num_crops).all()
    hits = scores[test_items].argmax(1) == targets[test_items].argmax(1)
    expected = corpus.manifest.num_official.get(f"{config.fold}/test", len(test_items))
    test_cost = cost(seconds=time.monotonic() - started, num_clips=int(num_clips.sum()))
    return {
        "metrics": {"top1": float(hits.float().mean())},
        "chance": {"top1": 1 / len(classes)},
        "num_evaluated": len(test_items),
        "num_expected": expected,
        "num_steps": config.epochs * steps_per_epoch,
        "selection": "last",
        "cost": training_cost(trained),
        "test_seconds": test_cost["device_seconds"],
    }

"""The stage ``pretrain``: one phase of a self-supervised or supervised pretraining (paper III-E)."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from iicl import methods
from iicl.config import NO_AUGMENTATION, Execution, Pretrain
from iicl.data.loader import training_batches
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.seeding import derive_seed
from iicl.training import checkpoint, schedule
from iicl.training.loop import Report, Training, train
from iicl.training.outcome import training_cost

WEIGHTS = "weights.safetensors"


def run(
    config: Pretrain,
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
) -> dict[str, Any]:
    """Train one phase and write ``weights.safetensors``, ``checkpoints/`` and ``metrics.jsonl``.

    Args:
        config: the phase.
        corpora: prepared corpora by name.
        upstream: the finished phase before this one as ``"previous"``, if there is one.
        out: the run's own folder; an interrupted attempt in it is continued.
        execution: device, workers and saving interval.
        report: progress.

    Returns:
        Metrics (final loss terms), counts and cost.

    Raises:
        ValueError: if the corpus cannot fill one batch.
        large_batch.NonFiniteError: if the loss or its gradient stops being finite.
    """
    corpus = PreparedCorpus.open(corpora[config.corpus])
    device = torch.device(execution.device)
    method = build(config, corpus, upstream.get("previous")).to(device)
    inputs = [view for view in method.views if view != "label"]
    required = inputs if config.silent_items == "drop" else [v for v in inputs if v != "audio"]
    positions = corpus.select(views=required or ["video"], split="train", fold=1)
    steps_per_epoch = len(positions) * config.clips_per_item // config.optimisation.batch_size
    if config.epochs and not steps_per_epoch:
        raise ValueError(
            f"corpus {config.corpus} has {len(positions)} usable items for {config.clips_per_item}"
            f" clips each, fewer than one batch of {config.optimisation.batch_size}"
        )
    num_steps = config.epochs * steps_per_epoch
    optimiser = torch.optim.Adam(
        [*method.named_parameters()],
        lr=config.optimisation.learning_rate,
        weight_decay=config.optimisation.weight_decay,
    )
    if config.keep_optimiser and "previous" in upstream:
        _continue_optimiser(optimiser, upstream["previous"] / "checkpoints")

    def rate(step: int) -> float:
        if config.optimisation.schedule == "cosine":
            return schedule.cosine(step, num_steps)
        return 1.0

    trained = train(
        Training(
            method=method,
            optimiser=optimiser,
            rate=rate,
            num_steps=num_steps,
            batches=partial(
                training_batches,
                corpus,
                positions,
                config.clip,
                views=inputs,
                augmentation=config.augmentation,
                batch_size=config.optimisation.batch_size,
                clips_per_item=config.clips_per_item,
                silent=config.silent_items,
                seed=derive_seed(config.seed, "pretrain", config.phase),
                num_epochs=config.epochs,
                num_workers=execution.num_workers,
            ),
            views=lambda batch: label_views(method, make_views(batch, config.clip, device), batch, corpus),
            chunk_size=config.optimisation.chunk_size,
            precision=config.precision,
            seed=derive_seed(config.seed, "pretrain", config.phase),
        ),
        out,
        execution,
        report,
    )
    save_weights(method, out / WEIGHTS, config)
    last = trained.curve[-1] if trained.curve else {}
    return {
        "metrics": {f"loss_{k}": v for k, v in last.items() if k not in ("step", "gradient")},
        "chance": {},
        "num_evaluated": len(positions),
        "num_expected": len(corpus.manifest.items),
        "num_steps": num_steps,
        "selection": "last",
        "cost": training_cost(trained),
    }

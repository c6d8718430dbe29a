"""The stage ``pretrain``: one phase of a pretraining (paper III-E)."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from iicl import methods
from iicl.config import Execution, Optimisation, Pretrain
from iicl.data import sampling
from iicl.data.draws import Contents, has_room
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.methods.base import Method
from iicl.methods.iicl import IICL, load_initialisation
from iicl.models.audio import AudioEncoder
from iicl.samples import AUDIO, LABEL, VIDEO, required_views
from iicl.seeding import derive_seed
from iicl.training import checkpoint, schedule
from iicl.training.distributed import Ranks, connect
from iicl.training.loop import Report, Training, train
from iicl.training.outcome import training_cost
from iicl.training.weights import load_weights, save_weights

_SAMPLES = {sample.name: sample for sample in (VIDEO, AUDIO, LABEL)}


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

    The ranks of the run (:mod:`iicl.training.distributed`) share each batch; rank 0 alone writes,
    and the result is the same on all of them.

    Args:
        config: the phase.
        corpora: prepared corpora by name.
        upstream: the finished initialisation as ``"previous"`` for a co-training, else nothing.
        out: the run's own folder; an interrupted attempt in it is continued.
        execution: device, workers and saving interval.
        report: progress.

    Returns:
        The last step's loss terms, items used and on the official train list, cost. The items that
        fill no whole batch are left out of a pass, others in each, and counted.

    Raises:
        ValueError: if the corpus cannot fill one batch, a batch has fewer chunks than there are
            ranks, or ``upstream`` does not fit the phase.
        loop.NonFiniteStepError: if the loss or its gradient stops being finite.
        Interrupted: if asked to stop; the last step is saved.
        LostRankError: if another rank is gone.
    """
    with connect(execution.device) as ranks:
        return _run(config, corpora, upstream, out, execution, report, ranks)


def _run(
    config: Pretrain,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
    ranks: Ranks,
) -> dict[str, Any]:
    if ("previous" in upstream) != (config.phase == "co_training"):
        raise ValueError(
            f"a co-training starts from a finished phase, any other phase from none; "
            f"got phase {config.phase!r} and upstream {sorted(upstream)}"
        )
    corpus = PreparedCorpus.open(corpora[config.corpus])
    seed = derive_seed(config.seed, "pretrain", config.phase)
    torch.manual_seed(derive_seed(seed, "init"))
    num_classes = len(corpus.manifest.classes)
    method = methods.build(config.method, config.phase, config.encoders, num_classes)
    contents = Contents(
        clip=config.clip,
        samples=tuple(_SAMPLES[view] for view in method.views),
        augmentation=config.augmentation,
        pairing=config.pairing,
        silent="zero" if config.silent_items == "zero" else "error",
    )
    positions = _positions(contents, corpus)
    _set_input_statistics(method, corpus)
    if "previous" in upstream:
        assert isinstance(method, IICL)
        state = load_weights(upstream["previous"])
        load_initialisation(method, state, keep_instance_head=config.keep_instance_head)
    method.to(ranks.device)

    batch_size, chunk_size = config.optimisation.batch_size, config.optimisation.chunk_size
    steps_per_epoch = sampling.num_steps(len(positions), config.clips_per_item, batch_size, True)
    if config.epochs and not steps_per_epoch:
        raise ValueError(
            f"corpus {config.corpus} has {len(positions)} usable train items,"
            f" fewer than one batch of {batch_size}"
        )
    num_steps = config.epochs * steps_per_epoch
    optimiser = torch.optim.Adam(
        [{"params": list(method.named_parameters())}],  # which may be none
        lr=config.optimisation.learning_rate,
        weight_decay=config.optimisation.weight_decay,
    )
    if config.keep_optimiser and "previous" in upstream:
        _continue_optimiser(optimiser, config, upstream["previous"])
    trained = train(
        Training(
            method=method,
            optimiser=optimiser,
            rate=partial(_rate, config.optimisation, num_steps),
            num_steps=num_steps,
            batches=lambda first_step: iter(
                make_loader(
                    corpus,
                    positions,
                    contents,
                    Batching(
                        sampling="random",
                        batch_size=batch_size,
                        chunk_size=chunk_size,
                        num_clips=config.clips_per_item,
                        epochs=range(config.epochs),
                        start_step=first_step,
                        share=ranks.share,
                        seed=seed,
                        drop_last=True,
                    ),
                    num_workers=execution.num_workers,
                )
            ),
            views=partial(make_views, clip=config.clip, device=ranks.device, chunk_size=chunk_size),
            batch_size=batch_size,
            chunk_size=chunk_size,
            precision=config.precision,
            seed=seed,
        ),
        out,
        execution,
        report,
        ranks,
    )
    if ranks.rank == 0:
        save_weights(method, out, config)
    ranks.wait()  # who is done may count on what rank 0 has written
    return {
        "metrics": {},
        "losses": trained.last_losses,
        "chance": {},
        "num_evaluated": len(positions),
        "num_expected": corpus.manifest.num_official.get("1/train", len(positions)),
        "num_steps": num_steps,
        "num_left_out_per_epoch": len(positions) * config.clips_per_item
        - steps_per_epoch * batch_size,
        "selection": "last",
        **training_cost(trained, ranks),
    }


def _positions(contents: Contents, corpus: PreparedCorpus) -> list[int]:
    """Train items with the views the method sees; silent ones only if asked for [19]."""
    needed = required_views(contents.samples, contents.silent)
    items = corpus.manifest.items
    return [
        position
        for position in corpus.select(needed, split="train", fold=1)
        if has_room(items[position], contents.samples, contents.clip)
    ]


def _set_input_statistics(method: Method, corpus: PreparedCorpus) -> None:
    """Give a learned audio encoder the corpus's log-mel statistics, which travel with it."""
    encoder = getattr(method, "audio_encoder", None)
    if not isinstance(encoder, AudioEncoder):
        return
    mean, std = corpus.manifest.log_mel_mean, corpus.manifest.log_mel_std
    if mean is None or std is None:
        raise ValueError(f"corpus {corpus.manifest.corpus} has no item with sound")
    encoder.input_mean.fill_(mean)
    encoder.input_std.fill_(std)


def _rate(optimisation: Optimisation, num_steps: int, step: int) -> float:
    return schedule.cosine(step, num_steps) if optimisation.schedule == "cosine" else 1.0


def _continue_optimiser(optimiser: torch.optim.Optimizer, config: Pretrain, previous: Path) -> None:
    """Take over the moments of the parameters that the previous phase trained [8].

    Raises:
        ValueError: if the previous phase left no checkpoint.
    """
    latest = checkpoint.load_latest(previous / "checkpoints")
    if latest is None:
        raise ValueError(f"keep_optimiser needs the previous phase's checkpoint in {previous}")
    before = latest[1]["optimiser"]
    names = before["param_groups"][0]["param_names"]
    moments = {names[index]: state for index, state in before["state"].items()}
    if not config.keep_instance_head:
        moments = {n: m for n, m in moments.items() if not n.startswith("instance_head.")}
    own = optimiser.state_dict()
    (group,) = own["param_groups"]
    own["state"] = {
        index: moments[name]
        for index, name in zip(group["params"], group["param_names"], strict=True)
        if name in moments
    }
    optimiser.load_state_dict(own)  # which brings them to the parameters' device

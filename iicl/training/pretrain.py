"""The stage ``pretrain``: one phase of a pretraining (paper III-E)."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from iicl import methods
from iicl.config import CorpusFacts, Optimisation
from iicl.data.draws import Contents, has_room
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.pretraining import Pretrain
from iicl.samples import required_views
from iicl.seeding import derive_seed
from iicl.training import checkpoint, schedule
from iicl.training.context import Context
from iicl.training.distributed import Ranks, connect
from iicl.training.loop import train
from iicl.training.outcome import training_cost
from iicl.training.recipe import Training, TrainItems
from iicl.training.weights import load_weights, save_weights

SGD_MOMENTUM = 0.9


def run(config: Pretrain, context: Context) -> dict[str, Any]:
    """Train one phase and write ``weights.safetensors``, ``checkpoints/`` and ``metrics.jsonl``.

    The ranks of the run (:mod:`iicl.training.distributed`) share each batch; rank 0 alone writes,
    and the result is the same on all of them.

    Args:
        config: the phase.
        context: its ``upstream`` holds the finished phase before as ``"previous"``, or nothing for
            the first phase.

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
    with connect(context.execution.device) as ranks:
        if ("previous" in context.upstream) != config.follows:
            raise ValueError(
                f"phase {config.phase!r} of {config.method.name} starts from"
                f" {'a finished phase' if config.follows else 'no other phase'},"
                f" got upstream {sorted(context.upstream)}"
            )
        corpus = PreparedCorpus.open(context.corpora[config.corpus])
        seed = derive_seed(config.seed, "pretrain", config.phase)
        items = _items(config, corpus, seed, context, ranks)
        facts = corpus.facts(items.positions)
        training = _training(config, items, facts, context)
        trained = train(training, context.out, context.execution, context.report, ranks)
        if ranks.rank == 0:
            save_weights(training.method, context.out, config, facts)
        ranks.wait()  # the files of rank 0 are there when any rank returns
        num_items = len(items.positions)
        return {
            "metrics": {},
            "losses": trained.last_losses,
            "chance": {},
            "num_evaluated": num_items,
            "num_expected": corpus.manifest.num_official.get("1/train", num_items),
            "num_steps": items.num_steps,
            "num_left_out_per_epoch": items.num_left_out_per_epoch,
            "selection": "last",
            **training_cost(trained, ranks),
        }


def _items(
    config: Pretrain, corpus: PreparedCorpus, seed: int, context: Context, ranks: Ranks
) -> TrainItems:
    """What the phase reads.

    Raises:
        ValueError: if there are epochs and the items cannot fill one batch.
    """
    contents = Contents(
        clip=config.clip,
        samples=config.method.samples(config.phase),
        augmentation=config.augmentation,
        pairing=config.pairing,
        silent="zero" if config.silent_items == "zero" else "error",
    )
    batching = Batching(
        sampling="random",
        batch_size=config.optimisation.batch_size,
        chunk_size=config.optimisation.chunk_size,
        num_clips=config.clips_per_item,
        epochs=range(config.epochs),
        share=ranks.share,
        seed=seed,
        drop_last=True,
    )
    positions = _positions(contents, corpus)
    items = TrainItems(
        corpus, positions, contents, batching, context.execution.num_workers, ranks.device
    )
    if config.epochs and not items.steps_per_epoch:
        raise ValueError(
            f"corpus {config.corpus} has {len(positions)} usable train items,"
            f" fewer than one batch of {batching.batch_size}"
        )
    return items


def _training(
    config: Pretrain, items: TrainItems, facts: CorpusFacts, context: Context
) -> Training:
    """The method, fresh or as the previous phase left it, and how it is trained."""
    torch.manual_seed(derive_seed(items.batching.seed, "init"))
    method = methods.build(config.method, config.phase, config.encoders, facts)
    previous = context.upstream.get("previous")
    taken: list[str] = []
    if previous is not None:
        state = load_weights(previous)
        taken = method.load_previous(state, keep_instance_head=config.keep_instance_head)
    method.to(items.device)
    trained = [(n, p) for n, p in method.named_parameters() if p.requires_grad]
    optimiser = _optimiser(config.optimisation, trained)
    if config.keep_optimiser and previous is not None:
        _continue_optimiser(optimiser, previous, taken)
    rate = partial(_rate, config.optimisation, items.num_steps)
    exchange = config.optimisation.gradient_exchange
    return Training(method, optimiser, rate, items, config.precision, exchange)


def _optimiser(
    optimisation: Optimisation, trained: Sequence[tuple[str, torch.nn.Parameter]]
) -> torch.optim.Optimizer:
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, momentum=SGD_MOMENTUM),
    }
    return kinds[optimisation.optimiser](
        # A control may have no parameters; torch takes none only in a group.
        [{"params": trained}],
        lr=optimisation.learning_rate,
        weight_decay=optimisation.weight_decay,
        fused=True,
    )


def _positions(contents: Contents, corpus: PreparedCorpus) -> list[int]:
    """Train items that have what the method sees; silent ones only if asked for [19]."""
    needed = required_views(contents.samples, contents.silent)
    items = corpus.manifest.items
    return [
        position
        for position in corpus.select(needed, split="train", fold=1)
        if has_room(items[position], contents.samples, contents.clip)
    ]


def _rate(optimisation: Optimisation, num_steps: int, step: int) -> float:
    return schedule.cosine(step, num_steps) if optimisation.schedule == "cosine" else 1.0


def _continue_optimiser(
    optimiser: torch.optim.Optimizer, previous: Path, taken: Sequence[str]
) -> None:
    """Go on from the moments of the parameters that were taken over from the previous phase [8].

    Raises:
        ValueError: if the previous phase left no checkpoint.
    """
    latest = checkpoint.load_latest(previous / "checkpoints")
    if latest is None:
        raise ValueError(f"keep_optimiser needs the previous phase's checkpoint in {previous}")
    before = latest[1]["optimiser"]
    names = before["param_groups"][0]["param_names"]
    moments = {
        names[index]: state for index, state in before["state"].items() if names[index] in taken
    }
    own = optimiser.state_dict()
    (group,) = own["param_groups"]
    own["state"] = {
        index: moments[name]
        for index, name in zip(group["params"], group["param_names"], strict=True)
        if name in moments
    }
    optimiser.load_state_dict(own)  # which brings them to the parameters' device

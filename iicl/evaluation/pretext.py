"""The stage ``pretext``: how often a pretraining answers the question right that it asks."""

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iicl.data.draws import Contents, has_room
from iicl.data.loader import Loader, make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation.features import num_in_split
from iicl.item_errors import item_errors
from iicl.pretraining import Pretrain
from iicl.protocols import Pretext
from iicl.samples import required_views
from iicl.seeding import derive_seed
from iicl.training.context import Context
from iicl.training.distributed import connect
from iicl.training.outcome import cost
from iicl.training.precision import encode
from iicl.training.weights import load_config, load_method


def run(config: Pretext, context: Context) -> dict[str, Any]:
    """Ask the question of the last phase about test items, a whole batch at a time.

    Each item gives the middle clips that the phase draws, without augmentation, and with its own
    sound, also where the training shuffled the pairs. The items come in an order that the seed
    draws. The method is in evaluation mode. Items of a batch are one another's wrong answers where
    the question is about pairs: their errors depend on each other, which the standard error does
    not count.

    Args:
        config: corpus, clip, and number of items in a batch.
        context: its ``upstream`` holds the pretraining as ``"encoder"``.

    Returns:
        Metric ``accuracy`` over all questions and its chance level, both None where the method asks
        no question; the standard error over items, counts and cost. ``num_expected`` counts the
        items of the split; ``num_unfit`` those that are missing, lack a view or are too short for
        the samples, and ``num_left_out`` those that fill no batch.

    Raises:
        ValueError: if the items fill no batch, or the question is about labels and the corpus is
            not the one that the pretraining read.
    """
    with connect(context.execution.device) as ranks:
        corpus = PreparedCorpus.open(context.corpora[config.corpus])
        contents = _contents(config, load_config(context.upstream["encoder"]))
        usable = _usable(config, corpus, contents)
        seed = derive_seed(config.seed, "pretext", config.fold)
        shuffled = np.random.default_rng(derive_seed(seed, "order")).permutation(usable)
        positions = shuffled[: len(usable) // config.batch_size * config.batch_size].tolist()
        batches = make_loader(
            corpus,
            positions,
            contents,
            Batching("uniform", batch_size=config.batch_size, seed=seed),
            num_workers=context.execution.num_workers,
            device=ranks.device,
        )
        started = time.monotonic()
        hits, chance = _ask(config, context, batches, seed, ranks.device)
        groups = [corpus.manifest.items[position].group for position in positions]
        num_expected = num_in_split(corpus, config.fold, "test")
        return {
            "metrics": {"accuracy": None if hits is None else float(hits.mean())},
            "chance": {"accuracy": chance},
            "item_errors": {} if hits is None else item_errors({"accuracy": hits}, groups),
            "num_questions": 0 if hits is None else hits.size,
            "num_evaluated": len(positions),
            "num_expected": num_expected,
            "num_unfit": num_expected - len(usable),
            "num_left_out": len(usable) - len(positions),
            "selection": "last",
            **cost(seconds=time.monotonic() - started, num_clips=len(positions), ranks=ranks),
        }


def _contents(config: Pretext, pretrained: Pretrain) -> Contents:
    """What the last phase draws of an item.

    Raises:
        ValueError: if it draws labels, and the corpus is not the one that the pretraining read.
    """
    samples = pretrained.method.samples(pretrained.phase)
    reads_labels = any(sample.view == "label" for sample in samples)
    if reads_labels and config.corpus != pretrained.corpus:
        raise ValueError(
            f"{pretrained.method.name} knows the classes of {pretrained.corpus},"
            f" not those of {config.corpus}"
        )
    return Contents(config.clip, samples)


def _usable(config: Pretext, corpus: PreparedCorpus, contents: Contents) -> list[int]:
    """Positions of the test items that have what the samples need.

    Raises:
        ValueError: if they are fewer than a batch.
    """
    needed = required_views(contents.samples, contents.silent)
    items = corpus.manifest.items
    usable = [
        position
        for position in corpus.select(needed, split="test", fold=config.fold)
        if has_room(items[position], contents.samples, contents.clip)
    ]
    if len(usable) < config.batch_size:
        raise ValueError(
            f"corpus {config.corpus} has {len(usable)} usable test items in fold {config.fold},"
            f" fewer than one batch of {config.batch_size}"
        )
    return usable


def _ask(
    config: Pretext, context: Context, batches: Loader, seed: int, device: torch.device
) -> tuple[NDArray[np.bool_] | None, float | None]:
    """Whether each of the K questions about each item is answered right, (N, K), and the chance.

    Both are None if the method asks no question; the batches after the first are then not read.
    """
    method = load_method(context.upstream["encoder"]).to(device).eval()
    hits: list[NDArray[np.bool_]] = []
    chances: list[float] = []
    num_batches = len(batches)
    with torch.inference_mode():
        for number, raw in enumerate(batches):
            batch = make_views(raw, config.clip, device)
            torch.manual_seed(derive_seed(seed, "batch", number))
            answers = method.answers(encode(method.encode, batch, config.precision))
            if answers is None:
                return None, None
            hits.append(answers[0].view(-1, config.batch_size).T.cpu().numpy())
            chances.append(answers[1])
            context.report((number + 1) / num_batches, f"batch {number + 1}/{num_batches}")
    return np.concatenate(hits), float(np.mean(chances))

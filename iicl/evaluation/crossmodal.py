"""The stage ``crossmodal``: sounds found by videos and videos by sounds (paper IV-D.3) [15].

Each modality is embedded by its own encoder and head. Co-attention has no place here: it reads the
very pair that is to be found, so that embeddings that have gone through it find each other without
having anything in common.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iicl.data.store import PreparedCorpus
from iicl.evaluation.pairs import LabelTable, embed_pairs
from iicl.evaluation.search import cosine_blocks
from iicl.item_errors import item_errors
from iicl.protocols import CrossModal
from iicl.seeding import derive_seed
from iicl.training.context import Context


def run(config: CrossModal, context: Context) -> dict[str, Any]:
    """Retrieve the partner, and items of the query's class, in both directions.

    Returns:
        Metrics ``<way>_mrr_<size>`` (instance level: the one relevant item is the query's partner,
        so that average precision is the reciprocal rank; None where the gallery is larger than the
        split) and ``<way>_map`` (class level: every item that shares a label with the query, its
        partner included), their chance levels, the standard errors over queries, and the items
        evaluated and expected.

    Raises:
        ValueError: if fewer than two test items have both views, or the pretraining lacks the
            space.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    pairs = embed_pairs(config, corpus, context.upstream)
    num_pairs = len(pairs.positions)
    sizes = {**{str(size): size for size in config.galleries}, "all": num_pairs}
    classes = LabelTable.of(pairs.labels)
    num_relevant = classes.num_sharing()
    ways = {"v2a": (pairs.video, pairs.audio), "a2v": (pairs.audio, pairs.video)}
    seed = derive_seed(config.seed, "crossmodal", config.fold)
    metrics: dict[str, float | None] = {}
    chance: dict[str, float | None] = {}
    values = {}
    for number, (way, (queries, gallery)) in enumerate(ways.items(), start=1):
        better, tied = partner_ranks(queries, gallery)
        for name, size in sizes.items():
            metrics[f"{way}_mrr_{name}"] = chance[f"{way}_mrr_{name}"] = None
            if size <= num_pairs:
                reciprocal = expected_reciprocal_rank(better, tied, num_pairs, size)
                values[f"{way}_mrr_{name}"] = reciprocal
                metrics[f"{way}_mrr_{name}"] = float(reciprocal.mean())
                chance[f"{way}_mrr_{name}"] = float(_harmonic(size) / size)
        values[f"{way}_map"] = average_precision(queries, gallery, classes, seed)
        metrics[f"{way}_map"] = float(values[f"{way}_map"].mean())
        chance[f"{way}_map"] = float(chance_average_precision(num_relevant, num_pairs).mean())
        context.report(number / len(ways), way)
    return {
        "metrics": metrics,
        "chance": chance,
        "item_errors": item_errors(values, pairs.groups),
        "num_evaluated": num_pairs,
        "num_expected": pairs.num_expected,
        "selection": "last",
    }


def partner_ranks(
    queries: NDArray[np.float32], gallery: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each query, how many others are nearer than its partner, and how many just as near.

    Args:
        queries: (N, D) unit vectors.
        gallery: (N, D); row i is the partner of query i.

    Returns:
        Two arrays (N,).
    """
    better, tied = [], []
    for part, near in cosine_blocks(queries, gallery):
        own = near[np.arange(len(near)), np.arange(len(queries))[part]][:, None]
        better.append((near > own).sum(axis=1))
        tied.append((near == own).sum(axis=1) - 1)
    return np.concatenate(better), np.concatenate(tied)


def expected_reciprocal_rank(
    better: NDArray[np.int64], tied: NDArray[np.int64], num_items: int, size: int
) -> NDArray[np.float64]:
    """Expected 1/rank of a query's partner in a random gallery that holds it.

    The gallery is the partner and ``size - 1`` of the ``num_items - 1`` others, drawn without
    replacement; ties stand in random order, so that equal embeddings give chance. With x others
    before the partner, X of them drawn is hypergeometric, and by Vandermonde's identity

        E[1 / (1 + X)] = n / (g (x + 1)) (1 - C(n - 1 - x, g) / C(n, g)).

    This is exact: nothing is sampled, and every query counts.

    Args:
        better: (N,) others nearer than the partner.
        tied: (N,) others as near.
        num_items: n, at least 1.
        size: g, 1 to n.

    Returns:
        (N,).
    """
    before = np.arange(num_items)
    none_drawn = np.cumprod((num_items - size - before).clip(0) / (num_items - before))
    of_rank = num_items / (size * (before + 1)) * (1 - none_drawn)
    sums = np.concatenate([[0.0], np.cumsum(of_rank)])
    return (sums[better + tied + 1] - sums[better]) / (tied + 1)


def average_precision(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], classes: LabelTable, seed: int
) -> NDArray[np.float64]:
    """Average precision of each query over the whole gallery; ties stand in a random order.

    An item is relevant if it shares a label with the query. Memory is that of one block of
    queries: there is no N x N array.

    Args:
        queries: (N, D) unit vectors.
        gallery: (N, D) unit vectors of the same items.
        classes: of the N items.
        seed: of the order of ties.

    Returns:
        (N,).
    """
    num_items = len(gallery)
    order = np.random.default_rng(seed).permutation(num_items)
    place = np.empty(num_items, np.int64)
    place[order] = np.arange(num_items)
    values = []
    for part, near in cosine_blocks(queries, gallery):
        # One integer an item, sorted as it is: cosine descending, place, whether it is relevant.
        keys = near.astype(np.int64)
        keys *= -2 * num_items
        keys += 2 * place
        keys += classes.shared_by(part)
        keys.sort(axis=1)
        rows, ranks = np.divmod(np.flatnonzero(keys & 1), num_items)
        num_relevant = np.bincount(rows, minlength=len(keys))
        before = np.cumsum(num_relevant) - num_relevant  # relevant items of earlier queries
        precision = (np.arange(1, len(rows) + 1) - before[rows]) / (ranks + 1)
        values.append(np.bincount(rows, precision, minlength=len(keys)) / num_relevant)
    return np.concatenate(values)


def chance_average_precision(
    num_relevant: NDArray[np.integer], num_items: int
) -> NDArray[np.float64]:
    """Expected average precision of a random order with R relevant among n items.

    The item at rank k is relevant with probability R/n, and then the k - 1 before it are with
    (R - 1)/(n - 1) each: (H_n + (R - 1) (n - H_n) / (n - 1)) / n.

    Args:
        num_relevant: R of each query, 1 to n.
        num_items: n, at least 2.
    """
    harmonic = _harmonic(num_items)
    others = (num_relevant - 1) / (num_items - 1)
    return (harmonic + others * (num_items - harmonic)) / num_items


def _harmonic(number: int) -> float:
    return float((1 / np.arange(1, number + 1)).sum())

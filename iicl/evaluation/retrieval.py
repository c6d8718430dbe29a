"""The stage ``retrieval``: nearest neighbours of test items among train items (paper IV-C.1)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import evaluated_and_learnt, load_space
from iicl.evaluation.search import nearest
from iicl.item_errors import ItemError, item_errors
from iicl.protocols import Retrieval
from iicl.training.context import Context


def run(config: Retrieval, context: Context) -> dict[str, Any]:
    """R@k of the test items of a fold, queried in its train items.

    Or of the held-out part of the train items, queried in the rest of them. A class has sound if at
    least one item of the corpus has that label and sound; of its train items, if some are held out.

    Returns:
        Metrics ``recall_at_<k>`` over all test items, ``_sound`` and ``_silent`` over those of
        classes with and without sound (None if there are none), the chance levels of each over
        the same gallery, the standard errors over test items, and the items evaluated and expected.

    Raises:
        ValueError: if a rank exceeds the gallery, or the pretraining lacks the space.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    stored = load_space(context.upstream, "features", "video", config.space)
    test, train = evaluated_and_learnt(config, corpus, stored)
    queries, gallery = (item_embeddings(stored.features[split.rows]) for split in (test, train))
    if config.centred:
        middle = gallery.mean(axis=0)
        queries, gallery = queries - middle, gallery - middle
    hits = hits_at(queries, test.labels, gallery, train.labels, config.ranks)
    items = corpus.manifest.items
    if config.evaluate_on == "held_out":
        items = [items[position] for position in corpus.select([], "train", config.fold)]
    sounding = {label for item in items if "audio" in item.views for label in item.labels}
    has_sound = np.array([label in sounding for label in test.labels])
    parts = {"": np.ones_like(has_sound), "_sound": has_sound, "_silent": ~has_sound}
    metrics: dict[str, float | None] = {}
    chance: dict[str, float | None] = {}
    errors: dict[str, ItemError] = {}
    for part, rows in parts.items():
        labels = [label for label, taken in zip(test.labels, rows, strict=True) if taken]
        groups = [group for group, taken in zip(test.groups, rows, strict=True) if taken]
        if groups:
            own = {f"recall_at_{k}{part}": hits[k][rows] for k in config.ranks}
            errors |= item_errors(own, groups)
        for k in config.ranks:
            name = f"recall_at_{k}{part}"
            metrics[name] = float(hits[k][rows].mean()) if labels else None
            chance[name] = chance_recall_at(labels, train.labels, k) if labels else None
    return {
        "metrics": metrics,
        "chance": chance,
        "item_errors": errors,
        "num_evaluated": len(test.rows),
        "num_expected": test.num_expected,
        "num_sound": int(has_sound.sum()),
        "num_gallery": len(train.rows),
        "selection": "last",
    }


def item_embeddings(clip_features: NDArray[np.float32]) -> NDArray[np.float32]:
    """One unit vector for each item: clips to unit length, their mean, to unit length again.

    Args:
        clip_features: (N, K, D), K clips an item.

    Returns:
        (N, D).
    """
    return _unit(_unit(clip_features).mean(axis=1))


def hits_at(
    queries: NDArray[np.float32],
    query_labels: Sequence[str],
    gallery: NDArray[np.float32],
    gallery_labels: Sequence[str],
    ranks: Sequence[int],
) -> dict[int, NDArray[np.bool_]]:
    """Whether each query has an item of its class among its k nearest by cosine.

    Of gallery items that are equally near, those that come first in the gallery count first; see
    :func:`iicl.evaluation.search.nearest`.

    Args:
        queries: (N, D).
        query_labels: N class names.
        gallery: (M, D).
        gallery_labels: M class names.
        ranks: the values of k, each at most M.

    Returns:
        k -> (N,).

    Raises:
        ValueError: if a rank exceeds M, or an entry is not finite.
    """
    if max(ranks) > len(gallery):
        raise ValueError(f"rank {max(ranks)} exceeds the gallery of {len(gallery)} items")
    unit_queries, unit_gallery = torch.from_numpy(_unit(queries)), torch.from_numpy(_unit(gallery))
    rows = nearest(unit_queries, unit_gallery, max(ranks))[0].numpy()
    hits = np.asarray(gallery_labels)[rows] == np.asarray(query_labels)[:, None]
    return {k: hits[:, :k].any(axis=1) for k in ranks}


def chance_recall_at(query_labels: Sequence[str], gallery_labels: Sequence[str], k: int) -> float:
    """Expected R@k of k gallery items drawn at random without replacement."""
    sizes, total = Counter(gallery_labels), len(gallery_labels)
    misses = []
    for label in query_labels:
        others = total - sizes[label]
        drawn = np.arange(k)
        misses.append(float(np.prod(np.clip(others - drawn, 0, None) / (total - drawn))))
    return 1.0 - float(np.mean(misses))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)

"""The stage ``clustering``: agreement of clusters with classes (paper IV-D.2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import load_features, load_space, project, split_rows
from iicl.evaluation.retrieval import item_embeddings
from iicl.item_errors import item_errors
from iicl.protocols import Clustering
from iicl.seeding import derive_seed
from iicl.training.context import Context
from iicl.training.weights import load_method

NUM_PERMUTATIONS = 100  # of the chance levels
NUM_STARTS = 10  # of k-means


def run(config: Clustering, context: Context) -> dict[str, Any]:
    """Cluster the items of a fold from their videos and compare the clusters with the classes.

    Returns:
        The metrics of :func:`agreement`, their chance levels (means over permutations of the very
        assignment, whose cluster sizes they keep), ``same_alone`` (items that ``argmax`` gives the
        same cluster if they come one at a time, its chance that of two random items to share a
        cluster; None for k-means, which needs all items), the standard errors of accuracy and
        purity over items (of the matching as it is), the clusters in use, and the items evaluated
        and expected.

    Raises:
        ValueError: if the pretraining lacks the space, or k-means has fewer items than clusters.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    stored = load_space(context.upstream, "features", "video", config.space)
    splits = [split_rows(corpus, stored, config.fold, split) for split in config.splits()]
    rows = np.concatenate([split.rows for split in splits])
    features = stored.features[rows]
    classes, labels = np.unique(
        [label for split in splits for label in split.labels], return_inverse=True
    )
    seed = derive_seed(config.seed, "clustering", config.fold)
    same_alone: float | None = None
    if config.assign == "argmax":
        clusters = largest_entry(features)
        alone = clusters_alone(load_features(context.upstream["features"]).features[rows], context)
        same_alone = float((alone == clusters).mean())
    else:
        means = KMeans(
            config.num_clusters or len(classes),
            n_init=NUM_STARTS,
            random_state=derive_seed(seed, "kmeans") % 2**32,
        )
        clusters = means.fit_predict(item_embeddings(features))
    sizes = np.unique(clusters, return_counts=True)[1]
    chance = chance_agreement(labels, clusters, derive_seed(seed, "chance"))
    shared = None if same_alone is None else float(((sizes / sizes.sum()) ** 2).sum())
    return {
        "metrics": {**agreement(labels, clusters), "same_alone": same_alone},
        "chance": {**chance, "same_alone": shared},
        "item_errors": item_errors(
            item_hits(labels, clusters), [group for split in splits for group in split.groups]
        ),
        "num_clusters_used": len(sizes),
        "num_classes": len(classes),
        "num_evaluated": len(labels),
        "num_expected": sum(split.num_expected for split in splits),
        "selection": "last",
    }


def largest_entry(assignments: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cluster of each item: the largest entry of the mean over its clips.

    Args:
        assignments: (N, K, C) y of K clips an item.

    Returns:
        (N,).
    """
    return assignments.mean(axis=1).argmax(axis=1)


def clusters_alone(features: NDArray[np.float32], context: Context) -> NDArray[np.int64]:
    """The clusters of items that come one at a time: g_clu sees the clips of one item only.

    Args:
        features: (N, K, D) encoder features f.
        context: its ``upstream`` holds the pretraining as ``"encoder"``.

    Returns:
        (N,).
    """
    method = load_method(context.upstream["encoder"])
    alone = [largest_entry(project(method, "video", "y", item[None])) for item in features]
    return np.concatenate(alone)


def agreement(
    labels: Sequence[int] | NDArray[np.integer], clusters: Sequence[int] | NDArray[np.integer]
) -> dict[str, float]:
    """How well clusters and classes agree; every value is 1 if they are the same partition.

    Args:
        labels: N classes.
        clusters: N clusters.

    Returns:
        ``nmi``: mutual information over the arithmetic mean of the entropies; ``accuracy``: items
        that the best one-to-one matching of clusters with classes gets right, those of clusters
        left over being wrong; ``purity``: items that are of the commonest class of their cluster;
        ``ami`` and ``ari``: mutual information and Rand index, adjusted for chance.
    """
    hits = item_hits(labels, clusters)
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        **{name: float(of_items.mean()) for name, of_items in hits.items()},
        "ami": float(adjusted_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
    }


def item_hits(
    labels: Sequence[int] | NDArray[np.integer], clusters: Sequence[int] | NDArray[np.integer]
) -> dict[str, NDArray[np.bool_]]:
    """Whether each item is right for ``accuracy`` and ``purity`` of :func:`agreement`: (N,) each.

    Arguments as of :func:`agreement`.
    """
    label_rows, cluster_columns = (
        np.unique(names, return_inverse=True)[1] for names in (labels, clusters)
    )
    table = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched = np.full(table.shape[1], -1)
    matched[columns] = rows
    return {
        "accuracy": matched[cluster_columns] == label_rows,
        "purity": table.argmax(axis=0)[cluster_columns] == label_rows,
    }


def chance_agreement(
    labels: Sequence[int] | NDArray[np.integer],
    clusters: Sequence[int] | NDArray[np.integer],
    seed: int,
) -> dict[str, float]:
    """Mean :func:`agreement` over random permutations of the clusters among the items."""
    generator = np.random.default_rng(seed)
    drawn = [agreement(labels, generator.permutation(clusters)) for _ in range(NUM_PERMUTATIONS)]
    return {name: float(np.mean([values[name] for values in drawn])) for name in drawn[0]}

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
from iicl.evaluation.features import load_space, split_rows
from iicl.evaluation.retrieval import item_embeddings
from iicl.protocols import Clustering
from iicl.seeding import derive_seed
from iicl.training.context import Context

NUM_PERMUTATIONS = 100  # of the chance levels
NUM_STARTS = 10  # of k-means


def run(config: Clustering, context: Context) -> dict[str, Any]:
    """Cluster the items of a fold from their videos and compare the clusters with the classes.

    Returns:
        The metrics of :func:`agreement`, their chance levels (means over permutations of the very
        assignment, whose cluster sizes they keep), the clusters in use, and the items evaluated
        and expected.

    Raises:
        ValueError: if the pretraining lacks the space, or k-means has fewer items than clusters.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    stored = load_space(context.upstream, "features", "video", config.space)
    splits = [split_rows(corpus, stored, config.fold, split) for split in config.splits()]
    features = stored.features[np.concatenate([split.rows for split in splits])]
    classes, labels = np.unique(
        [label for split in splits for label in split.labels], return_inverse=True
    )
    seed = derive_seed(config.seed, "clustering", config.fold)
    if config.assign == "argmax":
        clusters = features.mean(axis=1).argmax(axis=1)
    else:
        means = KMeans(
            config.num_clusters or len(classes),
            n_init=NUM_STARTS,
            random_state=derive_seed(seed, "kmeans") % 2**32,
        )
        clusters = means.fit_predict(item_embeddings(features))
    return {
        "metrics": agreement(labels, clusters),
        "chance": chance_agreement(labels, clusters, derive_seed(seed, "chance")),
        "num_clusters_used": len(np.unique(clusters)),
        "num_classes": len(classes),
        "num_evaluated": len(labels),
        "num_expected": sum(split.num_expected for split in splits),
        "selection": "last",
    }


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
    table = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "accuracy": float(table[rows, columns].sum() / table.sum()),
        "purity": float(table.max(axis=0).sum() / table.sum()),
        "ami": float(adjusted_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
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

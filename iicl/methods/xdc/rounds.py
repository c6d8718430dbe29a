"""A round of clusters: k-means over the features of all items, on the host."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits
from torch import Tensor

NUM_STARTS = 1
MAX_ROUNDS = 50  # of Lloyd's algorithm


class Round(NamedTuple):
    """Clusters of N items.

    Attributes:
        labels: (N,) int64, number of each item's cluster.
        mean: (D,) of the features of all views, side by side.
        centres: (k, D) of the clusters, of features that :func:`prepared` gives.
        largest: share of the items that are in the largest cluster, 0 to 1.
        agreement: normalised mutual information with the labels before, 0 to 1.
    """

    labels: Tensor
    mean: Tensor
    centres: Tensor
    largest: Tensor
    agreement: Tensor


def make_round(features: Sequence[Tensor], before: Tensor, clusters: int) -> Round:
    """Cluster the features of N items; draws its seed from torch's global generator.

    The arithmetic is that of one thread, in float64, so that equal features give equal clusters
    however often, and on every rank whose processor is of the same kind.

    Args:
        features: (N, D_v) of each view that is clustered, N not below ``clusters``.
        before: (N,) labels of the round before.
        clusters: k.
    """
    mean = torch.cat([of_view.double().mean(0) for of_view in features])
    rows = prepared(features, mean).cpu().numpy()
    seed = int(torch.randint(2**31 - 1, ()))
    with threadpool_limits(limits=1):
        means = KMeans(clusters, n_init=NUM_STARTS, max_iter=MAX_ROUNDS, random_state=seed)
        labels = means.fit_predict(rows)
    agreement = normalized_mutual_info_score(before.cpu().numpy(), labels)
    counts = torch.bincount(torch.from_numpy(labels), minlength=clusters)
    device = mean.device
    return Round(
        labels=torch.from_numpy(labels).long().to(device),
        mean=mean,
        centres=torch.from_numpy(means.cluster_centers_).to(device),
        largest=(counts.max() / len(labels)).to(device),
        agreement=torch.tensor(float(agreement), device=device),
    )


def prepared(features: Sequence[Tensor], mean: Tensor) -> Tensor:
    """Features without their mean, those of each view of length 1, side by side.

    Untrained features nearly point one way: without the mean they differ. With equal lengths each
    view counts as much as another, however much its features vary.

    Args:
        features: (N, D_v) of each view.
        mean: (D,) of all of them, side by side.

    Returns:
        (N, D) float64.
    """
    means = mean.double().split([of_view.shape[1] for of_view in features])
    views = zip(features, means, strict=True)
    return torch.cat([F.normalize(x.double() - centre, dim=1) for x, centre in views], dim=1)

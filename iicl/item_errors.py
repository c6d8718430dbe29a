"""Standard errors of means over test items: items of one recording are alike. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ItemError = dict[str, int | float | None]


def item_errors(values: Mapping[str, NDArray[Any]], groups: Sequence[str]) -> dict[str, ItemError]:
    """Standard errors of the means of several metrics over the same test items.

    Args:
        values: metric -> (N,) or (N, K) what each item, or each of its K clips, adds to the mean.
        groups: N names of recordings, as the manifest has them.

    Returns:
        Metric -> ``num_items``; ``num_groups``; ``standard_error``, over groups;
        ``standard_error_items``, as if items were independent. In the unit of the values; None
        with fewer than two groups, or items.
    """
    errors: dict[str, ItemError] = {}
    for metric, of_items in values.items():
        means = np.asarray(of_items, np.float64).reshape(len(groups), -1).mean(axis=1)
        errors[metric] = {
            "num_items": len(groups),
            "num_groups": len(set(groups)),
            "standard_error": standard_error(means, groups),
            "standard_error_items": standard_error(means, range(len(groups))),
        }
    return errors


def standard_error(
    values: NDArray[np.float64], groups: Sequence[str] | Sequence[int]
) -> float | None:
    """Standard error of the mean of N items in G groups that are drawn as a whole.

    A group brings as many items as it has, so that the mean m is a ratio of two sums over groups.
    The variance of this ratio, linearised (Cochran, Sampling Techniques, 3rd ed., 1977, 9A.1), is

        G / (G - 1) sum_g (sum_{i in g} (x_i - m))^2 / N^2,

    which is the cluster-robust variance of Liang and Zeger (1986, Biometrika 73) for a regression
    on a constant, with the usual correction for few groups. With one item in each group it is the
    variance of the sample over N.

    Args:
        values: (N,) x.
        groups: the group of each item.

    Returns:
        In the unit of the values; None if G is less than 2.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(numbers, values - values.mean()) if len(values) else np.zeros(0)
    if len(sums) < 2:
        return None
    return float(np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / len(values))

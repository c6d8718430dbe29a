"""Cosines of many queries with a gallery, and the exact nearest items, a block at a time.

Cosines are compared in whole millionths: float32 carries no more, and two machines add the terms
of a product in different orders. Two cosines that round to the same millionth are a tie. So every
order here is the same on every machine, as long as no cosine lies within float32's error of the
middle between two millionths.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MILLION = 1e6
BLOCK_SCORES = 2**21  # cosines of one block of `cosine_blocks`, 8 MiB in float32
BLOCK_QUERIES, BLOCK_GALLERY = 256, 2**14  # of `nearest`: 16 MiB of cosines
BELOW_ALL = -2.0  # less than any cosine


def cosine_blocks(
    queries: NDArray[np.float32], gallery: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Cosines of some queries at a time with the whole gallery, in whole millionths.

    Args:
        queries: (N, D) unit vectors.
        gallery: (M, D) unit vectors.

    Yields:
        Which queries, and their rounded cosines times a million, (queries, M).
    """
    size = max(1, BLOCK_SCORES // len(gallery))
    for start in range(0, len(queries), size):
        part = slice(start, min(start + size, len(queries)))
        scores = queries[part] @ gallery.T
        scores *= MILLION
        yield part, np.rint(scores, out=scores)


def nearest(
    queries: Tensor, gallery: Tensor, num_nearest: int, *, without_own: bool = False
) -> tuple[Tensor, Tensor]:
    """The nearest gallery items of each query by cosine, nearest first; ties by ascending index.

    This is the order of a stable sort of all cosines, rounded to six decimals, from the largest
    to the smallest. It is exact: no item is left out by an approximation, and equal cosines keep
    the order of the gallery within a block and across blocks. Memory beyond the inputs and the
    result is that of one block, whatever N and M. The products are taken in the inputs' dtype;
    on CUDA, a float32 product in TF32 would not carry the six decimals.

    Args:
        queries: (N, D) unit vectors, on any device.
        gallery: (M, D) unit vectors, on the same device.
        num_nearest: K, at least 1 and at most M, or M - 1 without the query's own row.
        without_own: whether row i of the gallery is left out for query i; then N is at most M.

    Returns:
        Rows of the gallery (N, K), int64, and the rounded cosines (N, K), in the inputs' dtype.

    Raises:
        ValueError: if a vector has an entry that is not finite, or K is not within its limits.
    """
    limit = len(gallery) - without_own
    if not 1 <= num_nearest <= limit:
        raise ValueError(f"num_nearest must be 1 to {limit}, not {num_nearest}")
    for name, vectors in (("queries", queries), ("gallery", gallery)):
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError(f"{name} must be finite, but have an entry that is NaN or infinite")
    rows = torch.empty((len(queries), num_nearest), dtype=torch.int64, device=queries.device)
    millionths = torch.empty_like(rows)
    for first in range(0, len(queries), BLOCK_QUERIES):
        part = slice(first, first + BLOCK_QUERIES)
        best = rows[part, :0], millionths[part, :0]
        for start in range(0, len(gallery), BLOCK_GALLERY):
            scores = queries[part] @ gallery[start : start + BLOCK_GALLERY].T
            if without_own:
                scores.diagonal(first - start).fill_(BELOW_ALL)
            columns, values = _nearest_in_block(scores, min(num_nearest, scores.shape[1]))
            best = _merge(best, (columns + start, values), num_nearest)
        rows[part], millionths[part] = best
    return rows, millionths.to(queries.dtype) / MILLION


def _merge(
    best: tuple[Tensor, Tensor], block: tuple[Tensor, Tensor], num_nearest: int
) -> tuple[Tensor, Tensor]:
    """The nearest of two sorted lists; all rows of the first come before those of the second."""
    rows, values = (torch.cat(pair, dim=1) for pair in zip(best, block, strict=True))
    values, order = values.sort(dim=1, descending=True, stable=True)
    return rows.gather(1, order)[:, :num_nearest], values[:, :num_nearest]


def _nearest_in_block(scores: Tensor, num_nearest: int) -> tuple[Tensor, Tensor]:
    """Columns (n, K) of the K nearest in a block, in order, and their cosines in millionths.

    The columns are dealt into groups. Each of the K groups with the largest maxima holds an item
    that is as near as the least of these maxima, so no item of another group is among the K
    nearest if all of its items are farther. Where another group reaches that maximum, the index
    decides, and the whole row is looked at.

    Args:
        scores: (n, m) cosines.
        num_nearest: K, at most m.
    """
    num_columns = scores.shape[1]
    group_size = int(math.sqrt(num_columns / num_nearest))  # least work: as many groups as items
    num_groups = num_columns // group_size
    every = torch.arange(num_columns, device=scores.device)
    if num_groups <= num_nearest:
        return _first(scores, every.expand_as(scores), num_nearest)
    grouped = scores[:, : group_size * num_groups].unflatten(1, (group_size, num_groups))
    maxima = (grouped.amax(dim=1) * MILLION).round_()
    values, groups = maxima.topk(num_nearest + 1, dim=1)
    in_groups = every[: group_size * num_groups : num_groups] + groups[:, :num_nearest, None]
    left_over = every[group_size * num_groups :].expand(len(scores), -1)
    columns = torch.cat([in_groups.flatten(1), left_over], dim=1)
    result = _first(scores.gather(1, columns), columns, num_nearest)
    tied = (values[:, -1] == values[:, -2]).nonzero().squeeze(1)
    if len(tied):
        whole = _first(scores[tied], every.expand(len(tied), -1), num_nearest)
        for of_all, of_tied in zip(result, whole, strict=True):
            of_all[tied] = of_tied
    return result


def _first(scores: Tensor, columns: Tensor, num_nearest: int) -> tuple[Tensor, Tensor]:
    """The nearest by (cosine in millionths descending, column ascending), as one integer each."""
    keys = (scores * MILLION).round_().to(torch.int64)
    keys.mul_(BLOCK_GALLERY).add_(BLOCK_GALLERY - 1).sub_(columns)
    keys = keys.topk(num_nearest, dim=1).values
    values = keys.div(BLOCK_GALLERY, rounding_mode="floor")
    return BLOCK_GALLERY - 1 - (keys - values * BLOCK_GALLERY), values

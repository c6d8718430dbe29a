"""What the methods share that cut pieces out of a video and ask for their order."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def choose(numbers: Tensor, count: int) -> Tensor:
    """One of ``count`` values for each number.

    Args:
        numbers: any shape, evenly distributed from 0 to at most 1 - 2^-24, so that no product is
            rounded up to ``count``.
        count: 1 or more.

    Returns:
        The same shape, int64, from 0 to ``count`` - 1, each equally likely.
    """
    return (numbers * count).long()


def rank(orders: Tensor) -> Tensor:
    """The place of each order among all orders of its length, sorted as tuples, from 0.

    Args:
        orders: (B, K) int64; each row holds 0 to K - 1.

    Returns:
        (B,) int64 from 0 to K! - 1: the sum over places i of (K - 1 - i)! times the number of later
        entries that are smaller.
    """
    last = orders.shape[1] - 1
    places = torch.zeros_like(orders[:, 0])
    for i in range(last):
        smaller = orders[:, i + 1 :] < orders[:, i : i + 1]
        places = places + math.factorial(last - i) * smaller.sum(1)
    return places


def cut(video: Tensor, begins: Tensor, size: Sequence[int]) -> Tensor:
    """Pieces of one size from places of their own.

    Args:
        video: (B, C, T, H, W).
        begins: (B, K, 3) int64: the first frame, row and column of each piece.
        size: frames, rows and columns of a piece; each piece lies within the video.

    Returns:
        (B, K, C, frames, rows, columns).
    """
    device = video.device
    items = torch.arange(len(video), device=device)[:, None, None, None, None]
    frames, rows, columns = (
        begins[:, :, i, None] + torch.arange(size[i], device=device) for i in range(3)
    )
    # Indices on both sides of a slice: the pieces' dimensions come first, the channels last.
    pieces = video[
        items,
        :,
        frames[:, :, :, None, None],
        rows[:, :, None, :, None],
        columns[:, :, None, None, :],
    ]
    return pieces.permute(0, 1, 5, 2, 3, 4)

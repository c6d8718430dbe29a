"""Banks of embeddings, and noise-contrastive estimation against their rows."""

import torch
import torch.nn.functional as F
from torch import Tensor

BITS = 24  # of a number from the view ``draws``


def nce(positive: Tensor, negative: Tensor, mean_score: Tensor) -> Tensor:
    """Binary noise-contrastive estimation: is a row of the bank the item's, or one of K others?

    Of one item the mean over its positives s of -log [ e^s / (e^s + K Z) ], plus the sum over its
    negatives s_k of -log [ K Z / (e^s_k + K Z) ]; then the mean over items.

    Args:
        positive: (B, P) scores over the temperature.
        negative: (B, K) scores over the temperature.
        mean_score: Z, the mean of e^s_k that is expected of noise; a scalar above 0.

    Returns:
        A scalar, 0 or more.
    """
    noise = torch.log(negative.shape[1] * mean_score)
    return (F.softplus(noise - positive).mean(1) + F.softplus(negative - noise).sum(1)).mean()


def scores(embeddings: Tensor, bank: Tensor, rows: Tensor, temperature: float) -> Tensor:
    """(B, K) products of embeddings (B, D) with rows (B, K) of a bank (N, D), over T."""
    return torch.einsum("bd,bkd->bk", embeddings, bank[rows]) / temperature


def moved(bank: Tensor, index: Tensor, embeddings: Tensor, momentum: float) -> Tensor:
    """Rows ``index`` of a bank after they moved towards new embeddings, of length 1."""
    return F.normalize(momentum * bank[index] + (1 - momentum) * embeddings, dim=1)


def draw_rows(draws: Tensor, num_rows: int, num_items: int, excluded: Tensor) -> Tensor:
    """Rows of a bank at random, none of those excluded.

    Each item draws for itself, whatever else is in its batch, and without asking the device.

    Args:
        draws: (B, 2 or more) from 0 to 1, of the view ``draws``: the seed of each item.
        num_rows: K, rows for each item; a row may come twice.
        num_items: N, rows of the bank.
        excluded: (B, E) int64, rows that an item must not draw, each named once.

    Returns:
        (B, K) int64, evenly distributed.

    Raises:
        ValueError: if no row is left.
    """
    left = num_items - excluded.shape[1]
    if left < 1:
        raise ValueError(
            f"a bank of {num_items} rows has none but the {excluded.shape[1]} excluded"
        )
    numbers = (draws[:, :2].double() * 2**BITS).long()
    seeds = numbers[:, :1] * 2**BITS + numbers[:, 1:]
    counter = torch.arange(1, num_rows + 1, device=draws.device)
    rows = (_mixed(seeds + counter * _signed(0x9E3779B97F4A7C15)) >> 33 & (2**31 - 1)) * left >> 31
    for row in excluded.sort(1).values.T[:, :, None]:  # ascending, so that each shift is seen
        rows = rows + (rows >= row)
    return rows


def _mixed(x: Tensor) -> Tensor:
    """The finaliser of splitmix64 (Steele et al., 2014), in wrapping int64 arithmetic."""
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """A shift to the right that fills up with zeros."""
    return (x >> bits) & (2 ** (64 - bits) - 1)


def _signed(number: int) -> int:
    """An unsigned 64-bit number as the signed one of the same bits."""
    return number - 2**64 if number >= 2**63 else number

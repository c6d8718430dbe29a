"""The objectives of the paper, eqs. 3 to 6, as pure functions.

Everything is computed in float32, or in float64 for float64 inputs. Loss functions return their
additive terms by name; the loss is the sum of the terms. Values and gradients are finite for all
finite inputs: a row or an assignment column whose largest entry is below ``EMPTY`` (an empty
cluster) has similarity 0 to everything and passes no gradient on.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Similarity = Literal["l2", "l1"]
AssignmentNorm = Literal["entrywise", "induced"]

EMPTY = 1e-12


def contrastive_loss(
    anchors: Tensor,
    keys: Tensor,
    *,
    temperature: float,
    similarity: Similarity = "l2",
    margin: float = 0.0,
) -> Tensor:
    """One direction of eq. 3 (rows) or eq. 5 (columns, transposed by the caller).

    -1/M sum_i log [ exp((sim(a_i, k_i) - margin) / tau) / sum_j exp(sim(a_i, k_j) / tau) ]. The
    margin is subtracted from the positive in the denominator, too (eq. 2's constraint as
    AM-softmax).

    Args:
        anchors: (M, D); row i belongs to row i of ``keys``.
        keys: (M, D); all M rows are candidates.
        temperature: tau > 0.
        similarity: product over the L2 norms (cosine), or over the L1 norms (as printed).
        margin: eps of eq. 2, 0 or more.

    Returns:
        A scalar, 0 or more.

    Raises:
        ValueError: if the shapes differ, or if there are fewer than two rows, because a single row
            has no negatives.
    """
    if anchors.ndim != 2 or anchors.shape != keys.shape:
        raise ValueError(
            f"anchors and keys must be matrices of one shape, "
            f"got {tuple(anchors.shape)} and {tuple(keys.shape)}"
        )
    if len(anchors) < 2:
        raise ValueError(f"a contrastive loss needs 2 rows or more, got {len(anchors)}")
    order = 2 if similarity == "l2" else 1
    similarities = _unit(_precise(anchors), order) @ _unit(_precise(keys), order).T
    if margin:
        similarities = similarities - margin * torch.eye(
            len(anchors), dtype=similarities.dtype, device=similarities.device
        )
    targets = torch.arange(len(anchors), device=anchors.device)
    return F.cross_entropy(similarities / temperature, targets)


def instance_loss(
    first: Tensor,
    second: Tensor,
    *,
    names: tuple[str, str] = ("first", "second"),
    temperature: float,
    similarity: Similarity = "l2",
    margin: float = 0.0,
    detach_keys: bool = False,
) -> dict[str, Tensor]:
    """L_ins of eq. 4: each stream's eq. 3 against the rows of the other stream.

    Args:
        first: z of one stream, (N, D); in the paper z_v.
        second: z of the other stream, (N, D); in the paper z_a.
        names: of the streams.
        temperature: tau_ins.
        similarity: see :func:`contrastive_loss`.
        margin: see :func:`contrastive_loss`.
        detach_keys: whether the gradient of each direction reaches only its anchors.

    Returns:
        ``instance_<name>`` of both streams; L_ins is their sum.

    Raises:
        ValueError: if the shapes differ or N < 2.
    """
    streams = dict(zip(names, (first, second), strict=True))
    keys = dict(zip(names, (second, first), strict=True))
    if detach_keys:
        keys = {name: key.detach() for name, key in keys.items()}
    return {
        f"instance_{name}": contrastive_loss(
            anchors, keys[name], temperature=temperature, similarity=similarity, margin=margin
        )
        for name, anchors in streams.items()
    }


def cluster_loss(
    first: Tensor,
    second: Tensor,
    *,
    names: tuple[str, str] = ("first", "second"),
    temperature: float,
    similarity: Similarity = "l2",
    assignment_norm: AssignmentNorm = "entrywise",
    entropy_weight: float = 1.0,
) -> dict[str, Tensor]:
    """L_clu of eq. 6: eq. 5 of both streams over assignment columns, minus the entropy H(Y).

    C may be larger than N. With N = 1 all columns have the same direction: both contrastive terms
    are log C without gradient, and only the entropy has an effect.

    Args:
        first: Y of one stream, (N, C), rows are probabilities; in the paper Y_v.
        second: Y of the other stream, (N, C); in the paper Y_a.
        names: of the streams.
        temperature: tau_clu.
        similarity: see :func:`contrastive_loss`.
        assignment_norm: see :func:`assignment_entropy`.
        entropy_weight: factor of H(Y); the paper's is 1.

    Returns:
        ``cluster_<name>`` of both streams and ``negative_entropy`` (weighted); L_clu is their sum.

    Raises:
        ValueError: if the shapes differ, N < 1 or C < 2.
    """
    if first.ndim != 2 or len(first) < 1:
        raise ValueError(f"assignments must be (N, C) with N >= 1, got {tuple(first.shape)}")
    columns = (first.T, second.T)
    terms = {
        f"cluster_{name}": contrastive_loss(
            anchors, keys, temperature=temperature, similarity=similarity
        )
        for name, anchors, keys in zip(names, columns, columns[::-1], strict=True)
    }
    entropy = assignment_entropy(first, assignment_norm) + assignment_entropy(
        second, assignment_norm
    )
    return {**terms, "negative_entropy": -entropy_weight * entropy}


def assignment_entropy(assignments: Tensor, norm: AssignmentNorm = "entrywise") -> Tensor:
    """One stream's share of H(Y) in eq. 6: -sum_i P_i log P_i with P_i = sum_j Y_ji / ||Y||_1.

    Args:
        assignments: Y, (N, C), non-negative.
        norm: "entrywise" takes ||Y||_1 as the sum of all entries, which makes P the mean
            assignment of the batch; "induced" as the matrix norm, the largest column sum.

    Returns:
        A scalar; from 0 to log C for "entrywise".
    """
    sums = _precise(assignments).sum(0)
    share = sums / (sums.sum() if norm == "entrywise" else sums.amax())
    # Only the logarithm of an empty cluster's share is bounded, not the share: 0 log 0 is then 0,
    # with a finite slope.
    return -(share * share.clamp_min(torch.finfo(share.dtype).tiny).log()).sum()


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _unit(rows: Tensor, order: int) -> Tensor:
    """Rows divided by their norm.

    They are first divided by their largest entry, to keep squares within range. Autograd may treat
    that divisor as a constant, because the result does not depend on the scale of a row.
    """
    largest = rows.detach().abs().amax(dim=1, keepdim=True)
    rows = rows / largest.masked_fill(largest < EMPTY, torch.inf)
    norm = torch.linalg.vector_norm(rows, order, dim=1, keepdim=True)
    return rows / norm.masked_fill(norm == 0, 1)

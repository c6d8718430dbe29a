"""Labels of a corpus as training targets."""

from collections.abc import Sequence

import torch
from torch import Tensor

from iicl.data.store import PreparedCorpus


def targets(corpus: PreparedCorpus, positions: Sequence[int]) -> tuple[list[str], Tensor]:
    """The classes of some items, and a target distribution for each item of the corpus.

    Args:
        corpus: the corpus.
        positions: the items whose labels are the classes.

    Returns:
        The sorted classes, K of them, and a float tensor (items of the corpus, K) in which the row
        of each named position is uniform over the item's labels; other rows are zero.

    Raises:
        ValueError: if there are fewer than two classes, or a named item has no label.
    """
    items = [corpus.manifest.items[position] for position in positions]
    unlabelled = [item.id for item in items if not item.labels]
    if unlabelled:
        raise ValueError(f"{len(unlabelled)} items have no label, the first is {unlabelled[0]}")
    classes = sorted({label for item in items for label in item.labels})
    if len(classes) < 2:
        raise ValueError(
            f"corpus {corpus.manifest.corpus} has {len(classes)} classes among {len(items)} items;"
            " at least two are needed"
        )
    column = {label: index for index, label in enumerate(classes)}
    rows = torch.zeros(len(corpus.manifest.items), len(classes))
    for position, item in zip(positions, items, strict=True):
        for label in item.labels:
            rows[position, column[label]] = 1 / len(item.labels)
    return classes, rows

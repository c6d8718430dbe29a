"""A part of a train split that stands in for the test split, for choosing settings. No torch."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iicl.constants import HELD_OUT_SHARE
from iicl.seeding import derive_seed


def held_out(
    labels: Sequence[Sequence[str]], groups: Sequence[str], fold: int
) -> NDArray[np.bool_]:
    """Which train items of a fold are held out, whole groups of them.

    Of each class with two groups or more, ``HELD_OUT_SHARE`` of its groups, rounded, but one at
    least. They are drawn by their names and the fold alone, so that all seeds and all settings of a
    run hold out the same. Each class keeps a group that is not held out. Where a group has items of
    several classes, it goes as a whole, and a class may then have more or fewer groups held out.

    Args:
        labels: the classes of each of N items.
        groups: the group of each item.
        fold: number of the fold.

    Returns:
        (N,).
    """
    groups_of: defaultdict[str, set[str]] = defaultdict(set)
    classes_of: defaultdict[str, set[str]] = defaultdict(set)
    for own, group in zip(labels, groups, strict=True):
        classes_of[group].update(own)
        for label in own:
            groups_of[label].add(group)
    held: set[str] = set()
    for label in sorted(groups_of):
        candidates = sorted(
            groups_of[label] - held, key=lambda g: derive_seed(0, "held_out", fold, g)
        )
        wanted = max(1, round(HELD_OUT_SHARE * len(groups_of[label])))
        for group in candidates:
            if len(groups_of[label] & held) >= wanted:
                break
            if all(len(groups_of[other] - held) > 1 for other in classes_of[group]):
                held.add(group)
    return np.array([group in held for group in groups])

"""Finds clips that are in train and in test of the same fold."""

from collections.abc import Iterable

from iicl.data.manifest import ManifestItem


def across_splits(items: Iterable[ManifestItem]) -> list[tuple[str, str, str]]:
    """Finds test items with the same payload, byte for byte, as a train item of the same fold.

    Args:
        items: the rows of a manifest; rows without payload are ignored.

    Returns:
        (fold, id of the first train item, id of the test item), in the order of ``items`` and,
        within an item, by fold.
    """
    usable = [item for item in items if item.views]
    trained: dict[tuple[str, str], str] = {}
    for item in usable:
        for fold, split in item.splits.items():
            if split == "train":
                trained.setdefault((fold, item.digest), item.id)
    return [
        (fold, trained[fold, item.digest], item.id)
        for item in usable
        for fold, split in sorted(item.splits.items())
        if split == "test" and (fold, item.digest) in trained
    ]

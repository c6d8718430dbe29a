"""Finds clips that stand in train and in test of one fold."""

from collections.abc import Iterable

from iicl.data.manifest import ManifestItem


def across_splits(items: Iterable[ManifestItem]) -> list[tuple[str, str, str]]:
    """Test items whose payload is, byte for byte, also that of an item to train on.

    Args:
        items: the rows of a manifest; those without payload count nowhere.

    Returns:
        (fold, id of the first such item of train, id of the item of test), in the order of
        ``items`` and, within an item, by fold.
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

"""What there is to prepare: the listing of a source, divided into shards."""

from dataclasses import dataclass
from pathlib import Path

from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.manifest import Listing
from iicl.data.shard_folders import check_apart, check_apart_from_items
from iicl.data.writing import recipe
from iicl.data.writing.shards import Shard

ITEMS_PER_SHARD = 64


@dataclass(frozen=True)
class ShardPlan:
    """What there is to prepare from a source, and where.

    Attributes:
        reader: name of the dataset reader that listed the source.
        source: root of the official layout.
        out: folder of the prepared corpus.
        preparation: what to keep of each file.
        listing: the items of the source.
        fingerprint: hash of the listing and the preparation.
        folder: folder of the shards; the fingerprint names it.
        shards: the shards in order; together they hold all items of the listing.
    """

    reader: str
    source: Path
    out: Path
    preparation: Preparation
    listing: Listing
    fingerprint: str
    folder: Path
    shards: list[Shard]


def make_plan(reader: str, source: Path, out: Path, preparation: Preparation) -> ShardPlan:
    """Lists the source and divides it into shards; writes nothing.

    Raises:
        ValueError: if the source is not laid out as the reader expects, or if source and output
            are not apart, see :mod:`iicl.data.shard_folders`.
    """
    module = datasets.reader(reader)
    check_apart(source, out)
    listing = module.discover(source)
    check_apart_from_items(source, out, listing.items)
    fingerprint = recipe.fingerprint(listing, source, preparation)
    folder = out / fingerprint[:16]
    shards = [
        Shard(number, listing.items[start : start + ITEMS_PER_SHARD], folder, preparation)
        for number, start in enumerate(range(0, len(listing.items), ITEMS_PER_SHARD))
    ]
    return ShardPlan(reader, source, out, preparation, listing, fingerprint, folder, shards)


def is_current(header: dict | None, plan: ShardPlan, corpus: str) -> bool:
    """Whether a manifest header belongs to this corpus, listing and preparation."""
    expected = (plan.fingerprint, corpus)
    return header is not None and (header.get("source"), header.get("corpus")) == expected

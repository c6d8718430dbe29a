"""The manifest of a corpus, made from the indexes of its shards."""

import logging

from iicl.data.manifest import Manifest, ManifestItem
from iicl.data.writing import leaks, recipe
from iicl.data.writing.plan import ShardPlan
from iicl.data.writing.statistics import log_mel_statistics

logger = logging.getLogger(__name__)


def read_rows(plan: ShardPlan, corpus: str) -> list[ManifestItem]:
    """Reads the index of every shard.

    Raises:
        ValueError: if a shard is missing or damaged.
    """
    items: list[ManifestItem] = []
    flaws: list[str] = []
    for shard in plan.shards:
        try:
            items += shard.rows()
        except ValueError as error:
            flaws.append(f"number {shard.number}: {error}")
    if flaws:
        raise ValueError(
            f"{len(flaws)} of {len(plan.shards)} shards of {corpus} are missing or damaged,"
            f" the first is {flaws[0]}; prepare the parts that hold them, then assemble again"
        )
    return items


def write_manifest(plan: ShardPlan, corpus: str, items: list[ManifestItem]) -> Manifest:
    """Writes the manifest over the rows of all shards.

    Logs a warning if items of the train split and of the test split hold the same bytes.

    Raises:
        ValueError: if no item has video or sound.
    """
    if not any(item.views for item in items):
        reasons = sorted({item.reason for item in items})
        raise ValueError(
            f"nothing usable among the {len(items)} items of {plan.source}:"
            f" {'; '.join(reasons[:3])}"
        )
    if repeats := leaks.across_splits(items):
        fold, train_id, test_id = repeats[0]
        logger.warning(
            "the same bytes are in train and in test of one fold, for %d clips of test; the first:"
            " fold %s, train %r, test %r",
            len(repeats),
            fold,
            train_id,
            test_id,
        )
    mean, std = log_mel_statistics(items, plan.folder, plan.preparation)
    manifest = Manifest(
        corpus=corpus,
        reader=plan.reader,
        preparation=recipe.settings(plan.preparation),
        items=items,
        num_official=plan.listing.num_official,
        log_mel_mean=mean,
        log_mel_std=std,
        versions=recipe.versions(),
        source=plan.fingerprint,
        data=plan.folder.name,
    )
    manifest.write(plan.out)
    return manifest

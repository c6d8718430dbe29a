"""The stage ``features``: encoder features f of uniformly spaced clips; and what reads them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch import Tensor

from iicl.constants import FEATURE_BATCH_SIZE
from iicl.data.draws import Contents
from iicl.data.held_out import held_out
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.protocols import Features, Fitted, Space, View
from iicl.samples import plain, required_views
from iicl.training.context import Context
from iicl.training.distributed import Ranks, connect
from iicl.training.outcome import cost
from iicl.training.precision import encode
from iicl.training.weights import load_method

FEATURES = "features.safetensors"
Split = Literal["train", "test"]


@dataclass(frozen=True)
class StoredFeatures:
    """Features of the items of a corpus.

    Attributes:
        features: (N, K, D) float32, K clips an item.
        positions: (N,) positions of the items in the corpus.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """Rows of stored features that belong to one split of a fold, or to a part of it.

    Attributes:
        rows: (M,) rows of the features.
        labels: M class names.
        groups: M group names; items of a group come from one recording.
        num_expected: items that the official list of the split names; of a part, its items.
    """

    rows: NDArray[np.int64]
    labels: list[str]
    groups: list[str]
    num_expected: int

    def part(self, mask: NDArray[np.bool_]) -> "SplitRows":
        """Those of the M rows for which ``mask``, (M,), is true."""
        labels, groups = (list(compress(names, mask)) for names in (self.labels, self.groups))
        return SplitRows(self.rows[mask], labels, groups, len(labels))


def run(config: Features, context: Context) -> dict[str, Any]:
    """Encode ``num_clips`` centre-cropped clips of every item with the upstream's encoder.

    Items without the view are left out, which the counts show. Batch norm uses its running
    statistics. Writes ``features.safetensors``. The ranks of the run
    (:mod:`iicl.training.distributed`) share the batches; rank 0 collects and writes them.

    Args:
        config: corpus, view and clips.
        context: its ``upstream`` holds the pretraining as ``"encoder"``.

    Returns:
        The items evaluated and expected, and the cost.

    Raises:
        ValueError: if the pretraining has no encoder for the view, or no item has it.
        LostRankError: if another rank is gone.
    """
    with connect(context.execution.device) as ranks:
        corpus = PreparedCorpus.open(context.corpora[config.corpus])
        needed = required_views([plain(config.view)], "error")
        if config.items == "all":
            positions = corpus.select(needed)
            num_expected = len(corpus.manifest.items)
        else:
            positions = corpus.select(needed, split=config.items, fold=1)
            num_expected = num_in_split(corpus, 1, config.items)
        started = time.monotonic()
        # Ranks in order have the batches in order, and a batch its items' clips.
        parts = ranks.gather(_encode(config, context, corpus, positions, ranks))
        if ranks.rank == 0:
            order = [position for own, _ in parts for position in own]
            assert order == [position for position in positions for _ in range(config.num_clips)]
            rows = np.concatenate([batch for _, own in parts for batch in own])
            arrays: dict[str, NDArray[Any]] = {
                "features": rows.reshape(len(positions), config.num_clips, -1),
                "positions": np.asarray(positions, np.int64),
            }
            write_atomically(context.out / FEATURES, save(arrays))
        ranks.wait()  # the files of rank 0 are there when any rank returns
        return {
            "metrics": {},
            "chance": {},
            "num_evaluated": len(positions),
            "num_expected": num_expected,
            "selection": "last",
            **cost(
                seconds=time.monotonic() - started,
                num_clips=len(positions) * config.num_clips,
                ranks=ranks,
            ),
        }


def _encode(
    config: Features,
    context: Context,
    corpus: PreparedCorpus,
    positions: list[int],
    ranks: Ranks,
) -> tuple[list[int], list[NDArray[np.float32]]]:
    """Positions and, by batches, features of the clips in this rank's share, in order."""
    encoder = load_method(context.upstream["encoder"]).encoder(config.view)
    encoder.to(ranks.device).eval()
    sample = plain(config.view)
    batching = Batching(
        sampling="uniform",
        batch_size=FEATURE_BATCH_SIZE,
        num_clips=config.num_clips,
        share=ranks.share,
    )
    loader = make_loader(
        corpus,
        positions,
        Contents(config.clip, (sample,)),
        batching,
        num_workers=context.execution.num_workers,
        device=ranks.device,
    )

    def pooled(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"pooled": encoder(batch[sample.name])}

    encoded: list[NDArray[np.float32]] = []
    seen: list[int] = []
    with torch.inference_mode():
        for raw in loader:
            batch = make_views(raw, config.clip, ranks.device)
            encoded.append(encode(pooled, batch, config.precision)["pooled"].cpu().numpy())
            seen += raw.positions.tolist()
            context.report(len(encoded) / len(loader), f"{len(seen)} clips")
    return seen, encoded


def load_features(folder: Path) -> StoredFeatures:
    """Read what a finished ``features`` run in ``folder`` wrote."""
    arrays = load_file(folder / FEATURES)
    return StoredFeatures(arrays["features"], arrays["positions"])


def load_space(upstream: Mapping[str, Path], role: str, view: View, space: Space) -> StoredFeatures:
    """The features of ``upstream[role]``, through the head of ``upstream["encoder"]`` if need be.

    Raises:
        ValueError: as :func:`project`.
    """
    stored = load_features(upstream[role])
    if space == "f":
        return stored
    projected = project(load_method(upstream["encoder"]), view, space, stored.features)
    return StoredFeatures(projected, stored.positions)


def project(
    method: Method, view: View, space: Space, features: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Features of each clip in a space: f, or what one of the method's heads makes of f [14].

    Args:
        method: whose heads are applied.
        view: whose head, where the views have their own.
        space: "f", or one of the method's heads.
        features: (N, K, D) encoder features f.

    Returns:
        (N, K, D').

    Raises:
        ValueError: if the method lacks the head.
    """
    if space == "f":
        return features
    heads = method.heads()
    if space not in heads:
        raise ValueError(
            f"the pretraining has no space {space!r}; it has: {', '.join(['f', *heads])}"
        )
    with torch.inference_mode():
        projected = heads[space](view, torch.from_numpy(features).flatten(0, 1))
    return projected.unflatten(0, features.shape[:2]).numpy()


def split_rows(
    corpus: PreparedCorpus, stored: StoredFeatures, fold: int, split: Split
) -> SplitRows:
    """The rows of one split, with their labels and groups.

    Raises:
        ValueError: if the split is empty or an item of it has not exactly one label.
    """
    items = corpus.manifest.items
    rows = [r for r, p in enumerate(stored.positions) if items[p].splits.get(str(fold)) == split]
    if not rows:
        raise ValueError(f"corpus {corpus.manifest.corpus} has no {split} items in fold {fold}")
    chosen = [items[stored.positions[r]] for r in rows]
    if several := [item for item in chosen if len(item.labels) != 1]:
        raise ValueError(f"single-label evaluation of {several[0].id}: labels {several[0].labels}")
    return SplitRows(
        np.asarray(rows, np.int64),
        [item.labels[0] for item in chosen],
        [item.group for item in chosen],
        num_in_split(corpus, fold, split),
    )


def evaluated_and_learnt(
    config: Fitted, corpus: PreparedCorpus, stored: StoredFeatures
) -> tuple[SplitRows, SplitRows]:
    """The rows that a stage is evaluated on, and those that it learns from or looks among.

    Raises:
        ValueError: as :func:`split_rows`; or if no class has a group that can be held out.
    """
    train = split_rows(corpus, stored, config.fold, "train")
    if config.evaluate_on == "test":
        return split_rows(corpus, stored, config.fold, "test"), train
    mask = held_out([[label] for label in train.labels], train.groups, config.fold)
    if not mask.any():
        raise ValueError(
            f"corpus {corpus.manifest.corpus} has no class with two groups among the train items of"
            f" fold {config.fold}, so that nothing can be held out"
        )
    return train.part(mask), train.part(~mask)


def num_in_split(corpus: PreparedCorpus, fold: int, split: Split) -> int:
    """Items of a split by its official list, or all in the manifest where there is no list."""
    listed = sum(item.splits.get(str(fold)) == split for item in corpus.manifest.items)
    return corpus.manifest.num_official.get(f"{fold}/{split}", listed)

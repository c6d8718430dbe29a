"""The stage ``features``: pooled encoder features of uniformly spaced clips of every item."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from iicl.config import Execution, Features
from iicl.data.loader import make_loader
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.files import write_atomically
from iicl.training.loop import Report
from iicl.training.outcome import cost
from iicl.training.precision import encode
from iicl.training.weights import load_encoder, load_instance_head

FEATURES = "features.safetensors"
BATCH_SIZE = 32


@dataclass(frozen=True)
class StoredFeatures:
    """Features of the items of a corpus.

    Attributes:
        features: (N, K, D) float32, K clips an item; D is the dimension of f or z.
        positions: (N,) positions of the items in the corpus.
    """

    features: NDArray[np.float32]
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """Rows of stored features that belong to one split of a fold.

    Attributes:
        rows: (M,) rows of the features.
        labels: M class names.
        groups: M group names; items of a group come from one recording.
        num_expected: items that the official list of the split names.
    """

    rows: NDArray[np.int64]
    labels: list[str]
    groups: list[str]
    num_expected: int


def run(
    config: Features,
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
) -> dict[str, Any]:
    """Encode ``num_clips`` centre-cropped clips of every item with the upstream's encoder.

    Writes ``features.safetensors``. Batch norm uses its running statistics.

    Returns:
        The items evaluated and expected, and the cost.
    """
    corpus = PreparedCorpus.open(corpora[config.corpus])
    positions = corpus.select([config.view])
    device = torch.device(execution.device)
    encoder = load_encoder(upstream["encoder"], config.view, config.encoders).to(device).eval()
    head, dim = nn.Sequential(), encoder.feature_dim
    if config.space == "z":
        head = load_instance_head(upstream["encoder"], config.view).to(device)
        dim = cast(nn.Linear, head[-1]).out_features
    features = np.empty((len(positions), config.num_clips, dim), np.float32)
    row_of = {position: row for row, position in enumerate(positions)}
    loader = make_loader(
        corpus,
        positions,
        config.clip,
        views=[config.view],
        sampling="uniform",
        num_clips=config.num_clips,
        batch_size=BATCH_SIZE,
        num_workers=execution.num_workers,
    )

    def pooled(views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {config.view: encoder(views[config.view])}

    started = time.monotonic()
    num_done = 0
    with torch.inference_mode():
        for batch in loader:
            views = make_views(batch, config.clip, device)
            encoded = head(encode(pooled, views, config.precision)[config.view])
            rows = [row_of[p] for p in batch.positions.tolist()]
            features[rows, batch.clip_index.numpy()] = encoded.cpu().numpy()
            num_done += len(rows)
            report(num_done / (len(positions) * config.num_clips), f"{num_done} clips")
    assert num_done == len(positions) * config.num_clips
    arrays: dict[str, NDArray[Any]] = {
        "features": features,
        "positions": np.asarray(positions, np.int64),
    }
    write_atomically(out / FEATURES, save(arrays))
    return {
        "metrics": {},
        "chance": {},
        "num_evaluated": len(positions),
        "num_expected": len(corpus.manifest.items),
        "selection": "last",
        **cost(seconds=time.monotonic() - started, num_clips=num_done),
    }


def load_features(folder: Path) -> StoredFeatures:
    """Read what a finished ``features`` run in ``folder`` wrote."""
    arrays = load_file(folder / FEATURES)
    return StoredFeatures(arrays["features"], arrays["positions"])


def split_rows(
    corpus: PreparedCorpus, stored: StoredFeatures, fold: int, split: Literal["train", "test"]
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
        corpus.manifest.num_official.get(f"{fold}/{split}", len(rows)),
    )

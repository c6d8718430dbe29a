"""The stage ``neighbours``: what lies near an item in both modalities (paper IV-D.3, Fig. 3)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save

from iicl.config import Clip, Execution
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.pictures import MEAN, STD
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation.pairs import LabelTable, Pairs, embed_pairs
from iicl.evaluation.search import nearest
from iicl.files import write_atomically
from iicl.item_errors import item_errors
from iicl.protocols import Neighbours
from iicl.samples import AUDIO, VIDEO
from iicl.seeding import derive_seed
from iicl.training.context import Context

NEIGHBOURS = "neighbours.safetensors"
WAYS = ("v2v", "a2a", "v2a", "a2v")  # query and gallery
NUM_FRAMES = 3  # shown of an item: first, middle and last of its middle clip
BATCH_SIZE = 8
MAX_NAMED = 5  # legal ids in a message


@dataclass(frozen=True)
class StoredNeighbours:
    """Anchors, their neighbours, and what all of them look and sound like.

    Attributes:
        ways: names of the four ways, in the order of ``neighbours``.
        ids: of the M items that appear.
        labels: their class names.
        anchors: (A,) rows of the anchors among the M items.
        neighbours: (A, 4, K) rows of the nearest items in the order of ``WAYS``, nearest first.
        similarities: (A, 4, K) their cosines with the anchor.
        frames: (M, 3, size, size, 3) uint8 RGB as the video encoder sees them.
        spectrograms: (M, mel, frames) float16 log-mel as the audio encoder sees them.
    """

    ways: ClassVar[Sequence[str]] = WAYS
    ids: list[str]
    labels: list[list[str]]
    anchors: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    similarities: NDArray[np.float32]
    frames: NDArray[np.uint8]
    spectrograms: NDArray[np.float16]


def run(config: Neighbours, context: Context) -> dict[str, Any]:
    """Score the neighbourhoods of all test items with both views, and store those of the anchors.

    An item is never its own neighbour, in its other modality neither. Items are of one class if
    they share a label. Writes ``neighbours.safetensors``.

    Returns:
        Metrics ``<way>_precision`` (fraction of the ``num_neighbours`` nearest that are of the
        query's class), ``within_precision`` and ``across_precision`` (their means over the two ways
        within a modality and the two across), ``confusion`` (fraction of items whose nearest by
        sound is of another class) and ``across_confusion`` (the same of the nearest item in the
        other modality, mean of both ways), their chance levels, the standard errors over items, the
        anchors' ids, and the items evaluated and expected.

    Raises:
        ValueError: if an anchor is no such item, the items are too few or of too few classes, or
            the pretraining lacks the space.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    pairs = embed_pairs(config, corpus, context.upstream)
    num_items = len(pairs.positions)
    if config.num_neighbours >= num_items:
        raise ValueError(
            f"num_neighbours {config.num_neighbours} must be less than the {num_items} test items"
            " with video and sound"
        )
    anchors = _anchors(config, corpus, pairs)
    classes = LabelTable.of(pairs.labels)
    views = {"v": torch.from_numpy(pairs.video), "a": torch.from_numpy(pairs.audio)}
    near = {}
    for way in WAYS:
        queries, gallery = views[way[0]], views[way[2]]
        rows, cosines = nearest(queries, gallery, config.num_neighbours, without_own=True)
        near[way] = (rows.numpy(), cosines.numpy())
    hits = _hits({way: classes.shared_with(near[way][0]) for way in WAYS})
    by_chance = float((classes.num_sharing() - 1).mean() / (num_items - 1))
    num_shown = _write(config, context, corpus, pairs, anchors, near)
    context.report(1.0, f"{num_shown} items shown")
    return {
        "metrics": {
            name: float(1 - of_items.mean() if _is_confusion(name) else of_items.mean())
            for name, of_items in hits.items()
        },
        "chance": {name: 1 - by_chance if _is_confusion(name) else by_chance for name in hits},
        "item_errors": item_errors(hits, pairs.groups),
        "anchors": [corpus.manifest.items[pairs.positions[row]].id for row in anchors],
        "num_evaluated": num_items,
        "num_expected": pairs.num_expected,
        "selection": "last",
    }


def _is_confusion(metric: str) -> bool:
    return metric.endswith("confusion")


def _hits(same_class: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    """Whether the neighbours that each metric of :func:`run` counts are of the item's class.

    Args:
        same_class: way -> (N, K) whether the K nearest of each item are of its class.

    Returns:
        Metric -> (N, neighbours that it counts).
    """
    within, across = (
        np.concatenate([same_class[way] for way in ways], axis=1)
        for ways in (("v2v", "a2a"), ("v2a", "a2v"))
    )
    return {
        **{f"{way}_precision": same_class[way] for way in WAYS},
        "within_precision": within,
        "across_precision": across,
        "confusion": same_class["a2a"][:, :1],
        "across_confusion": np.stack([same_class[way][:, 0] for way in ("v2a", "a2v")], axis=1),
    }


def _write(
    config: Neighbours,
    context: Context,
    corpus: PreparedCorpus,
    pairs: Pairs,
    anchors: NDArray[np.int64],
    near: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> int:
    """Store the neighbourhoods of the anchors.

    Args:
        config: number of neighbours, and the clip that is shown.
        context: where to write.
        corpus: of the items.
        pairs: the items.
        anchors: (A,) rows of ``pairs``.
        near: rows (N, K) of the nearest items and their cosines (N, K), for each way.

    Returns:
        How many items are shown.
    """
    rows, inverse = np.unique(
        np.concatenate([anchors, *(near[way][0][anchors].ravel() for way in WAYS)]),
        return_inverse=True,
    )
    shape = (len(WAYS), len(anchors), config.num_neighbours)
    stored: dict[str, NDArray[Any]] = {
        "anchors": inverse[: len(anchors)],
        "neighbours": inverse[len(anchors) :].reshape(shape).swapaxes(0, 1),
        "similarities": np.stack([near[way][1][anchors] for way in WAYS], axis=1),
    }
    positions = [pairs.positions[row] for row in rows]
    stored["frames"], stored["spectrograms"] = _views_of(
        corpus, positions, config.clip, context.execution
    )
    items = [corpus.manifest.items[p] for p in positions]
    metadata = {"items": json.dumps([[item.id, list(item.labels)] for item in items])}
    stored = {name: np.ascontiguousarray(array) for name, array in stored.items()}
    write_atomically(context.out / NEIGHBOURS, save(stored, metadata))
    return len(items)


def load_neighbours(folder: Path) -> StoredNeighbours:
    """Read what a finished ``neighbours`` run in ``folder`` wrote."""
    with safe_open(folder / NEIGHBOURS, "numpy") as file:
        items = json.loads(file.metadata()["items"])
    ids, labels = [id for id, _ in items], [names for _, names in items]
    return StoredNeighbours(ids, labels, **load_file(folder / NEIGHBOURS))


def _anchors(config: Neighbours, corpus: PreparedCorpus, pairs: Pairs) -> NDArray[np.int64]:
    """Rows of the anchors: those named, or drawn so that no two share a label."""
    ids = [corpus.manifest.items[p].id for p in pairs.positions]
    if config.anchors:
        if unknown := [name for name in config.anchors if name not in ids]:
            raise ValueError(
                f"no test item with video and sound is called {unknown[0]!r}; there are"
                f" {len(ids)}: {', '.join(ids[:MAX_NAMED])}, ..."
            )
        return np.array([ids.index(name) for name in config.anchors])
    chosen: list[int] = []
    seen: set[str] = set()
    generator = np.random.default_rng(derive_seed(config.seed, "anchors", config.fold))
    for row in generator.permutation(len(ids)).tolist():
        if len(chosen) < config.num_anchors and not pairs.labels[row] & seen:
            chosen.append(row)
            seen |= pairs.labels[row]
    if len(chosen) < config.num_anchors:
        raise ValueError(
            f"num_anchors {config.num_anchors} exceeds the {len(chosen)} test items of different"
            " classes that were found"
        )
    return np.array(chosen)


def _views_of(
    corpus: PreparedCorpus, positions: list[int], clip: Clip, execution: Execution
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Frames and log-mel of the items' middle clips, see :class:`StoredNeighbours`."""
    loader = make_loader(
        corpus,
        positions,
        Contents(clip, (VIDEO, AUDIO)),
        Batching(sampling="uniform", batch_size=BATCH_SIZE),
        num_workers=execution.num_workers,
    )
    times = np.linspace(0, clip.num_frames - 1, NUM_FRAMES).round().astype(int)
    frames, spectrograms = [], []
    for batch in loader:
        views = make_views(batch, clip, torch.device("cpu"))
        rgb = views["video"][:, :, times].permute(0, 2, 3, 4, 1) * STD + MEAN
        frames.append((rgb * 255).round().clamp(0, 255).to(torch.uint8).numpy())
        spectrograms.append(views["audio"].squeeze(1).to(torch.float16).numpy())
    return np.concatenate(frames), np.concatenate(spectrograms)

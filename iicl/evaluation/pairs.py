"""Test items with video and sound, embedded in both modalities, and what lies near what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import load_space, num_in_split
from iicl.evaluation.retrieval import item_embeddings
from iicl.protocols import CrossModal, Neighbours, View

TIE_DECIMALS = 6  # cosines that agree to these are ties; float32 carries no more
QUERIES_AT_A_TIME = 512


@dataclass(frozen=True)
class Pairs:
    """Embedded test items that have both views.

    Attributes:
        positions: of the N items in the corpus.
        labels: N sets of class names.
        video: (N, D) unit vectors.
        audio: (N, D) unit vectors.
        num_expected: items of the test split.
    """

    positions: list[int]
    labels: list[frozenset[str]]
    video: NDArray[np.float32]
    audio: NDArray[np.float32]
    num_expected: int


def embed_pairs(
    config: CrossModal | Neighbours, corpus: PreparedCorpus, upstream: Mapping[str, Path]
) -> Pairs:
    """Item embeddings of both views of the test items that have both.

    Raises:
        ValueError: if they are fewer than two, the features lack some of them, the pretraining
            lacks the space, or it is not one space.
    """
    positions = corpus.select(["video", "audio"], split="test", fold=config.fold)
    if len(positions) < 2:
        raise ValueError(
            f"{len(positions)} test items of {config.corpus}, fold {config.fold}, have video and"
            " sound; at least 2 are needed"
        )
    embedded: dict[View, NDArray[np.float32]] = {}
    for view in ("video", "audio"):
        stored = load_space(upstream, view, view, config.space)
        row_of = {position: row for row, position in enumerate(stored.positions.tolist())}
        if lacking := [p for p in positions if p not in row_of]:
            raise ValueError(
                f"the {view} features hold {len(positions) - len(lacking)} of the {len(positions)}"
                f" test items of fold {config.fold}; the first that they lack is"
                f" {corpus.manifest.items[lacking[0]].id}"
            )
        embedded[view] = item_embeddings(stored.features[[row_of[p] for p in positions]])
    dims = [embedded[view].shape[1] for view in ("video", "audio")]
    if dims[0] != dims[1]:
        raise ValueError(
            f"both views must be embedded in one space, space {config.space!r} has {dims[0]}"
            f" dimensions (video) and {dims[1]} (audio)"
        )
    return Pairs(
        positions,
        [frozenset(corpus.manifest.items[p].labels) for p in positions],
        embedded["video"],
        embedded["audio"],
        num_in_split(corpus, config.fold, "test"),
    )


def shared_labels(labels: Sequence[frozenset[str]]) -> NDArray[np.bool_]:
    """(N, N): whether two items have a label in common; every item has with itself."""
    names = {name: k for k, name in enumerate(sorted(frozenset().union(*labels)))}
    table = np.zeros((len(labels), len(names)), np.float32)
    for row, own in zip(table, labels, strict=True):
        row[[names[name] for name in own]] = 1
    return (table @ table.T > 0) | np.eye(len(labels), dtype=bool)


def cosines(
    queries: NDArray[np.float32], gallery: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Cosines of some queries at a time, rounded, so that ties are ties on any machine.

    Args:
        queries: (N, D) unit vectors.
        gallery: (M, D) unit vectors.

    Yields:
        Which queries, and their cosines with the whole gallery, (queries, M).
    """
    for start in range(0, len(queries), QUERIES_AT_A_TIME):
        part = slice(start, start + QUERIES_AT_A_TIME)
        yield part, np.round(queries[part] @ gallery.T, TIE_DECIMALS)

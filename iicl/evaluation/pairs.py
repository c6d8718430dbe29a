"""Test items with video and sound, embedded in both modalities, and which share a label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import load_space, num_in_split
from iicl.evaluation.retrieval import item_embeddings
from iicl.protocols import CrossModal, Neighbours, View

ITEMS_AT_A_TIME = 256  # whose row of N labels in common is held


@dataclass(frozen=True)
class Pairs:
    """Embedded test items that have both views.

    Attributes:
        positions: of the N items in the corpus.
        labels: N sets of class names.
        groups: N group names; items of a group come from one recording.
        video: (N, D) unit vectors.
        audio: (N, D) unit vectors.
        num_expected: items of the test split.
    """

    positions: list[int]
    labels: list[frozenset[str]]
    groups: list[str]
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
        [corpus.manifest.items[p].group for p in positions],
        embedded["video"],
        embedded["audio"],
        num_in_split(corpus, config.fold, "test"),
    )


@dataclass(frozen=True)
class LabelTable:
    """Which items have a label in common; every item has with itself, if it has no label too.

    Attributes:
        table: (N, L), 1 where an item has a label.
    """

    table: csr_array

    @classmethod
    def of(cls, labels: Sequence[frozenset[str]]) -> "LabelTable":
        """The table of N sets of class names."""
        names = {name: k for k, name in enumerate(sorted(frozenset().union(*labels)))}
        columns = [names[name] for own in labels for name in sorted(own)]
        ends = np.cumsum([0, *map(len, labels)])
        entries = (np.ones(len(columns), np.int32), columns, ends)
        return cls(csr_array(entries, shape=(len(labels), max(1, len(names)))))

    def shared_by(self, part: slice) -> NDArray[np.bool_]:
        """Of some items, whether they share a label with each of the N: (items, N)."""
        shared = (self.table[part] @ self.table.T).toarray() > 0
        rows = np.arange(len(shared))
        shared[rows, np.arange(self.table.shape[0])[part]] = True
        return shared

    def shared_with(self, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of the N items shares a label with K others: rows (N, K) to (N, K)."""
        own = np.repeat(np.arange(len(others)), others.shape[1])
        both = self.table[own].multiply(self.table[others.ravel()])
        shared = (both.sum(axis=1) > 0) | (own == others.ravel())
        return shared.reshape(others.shape)

    def num_sharing(self) -> NDArray[np.int64]:
        """Of each of the N items, how many share a label with it, itself included: (N,)."""
        size, num_items = self.table.shape[0], ITEMS_AT_A_TIME
        parts = [slice(start, min(start + num_items, size)) for start in range(0, size, num_items)]
        return np.concatenate([self.shared_by(part).sum(axis=1) for part in parts])

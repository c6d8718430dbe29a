import numpy as np
import pytest
from scipy.stats import hypergeom

from iicl.evaluation.retrieval import chance_recall_at, item_embeddings, recall_at


def test_recall_equals_a_loop_over_sorted_cosines():
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(40, 6)), rng.normal(size=(70, 6)) * 5
    query_labels = [str(x) for x in rng.integers(0, 8, 40)]
    gallery_labels = [str(x) for x in rng.integers(0, 8, 70)]
    expected = {}
    for k in (1, 5, 20):
        hits = 0
        for query, label in zip(queries, query_labels, strict=True):
            cosines = [query @ g / np.linalg.norm(query) / np.linalg.norm(g) for g in gallery]
            nearest = sorted(range(70), key=lambda i: -cosines[i])[:k]
            hits += any(gallery_labels[i] == label for i in nearest)
        expected[k] = hits / 40
    assert recall_at(queries, query_labels, gallery, gallery_labels, (1, 5, 20)) == expected


def test_a_rank_beyond_the_gallery_is_refused():
    with pytest.raises(ValueError, match="rank 5 exceeds the gallery of 3"):
        recall_at(np.eye(3), list("abc"), np.eye(3), list("abc"), (1, 5))


def test_clips_count_by_direction_and_not_by_length():
    clips = np.array([[[10.0, 0.0], [0.0, 0.1]]], np.float32)
    np.testing.assert_allclose(item_embeddings(clips), [[2**-0.5, 2**-0.5]], rtol=1e-6)


def test_chance_is_the_hypergeometric_one():
    gallery = ["a"] * 7 + ["b"] * 3 + ["c"]
    queries = ["a", "b", "c", "c"]
    for k in (1, 2, 5, 11):
        sizes = {"a": 7, "b": 3, "c": 1}
        expected = np.mean([1 - hypergeom(11, sizes[q], k).pmf(0) for q in queries])
        assert chance_recall_at(queries, gallery, k) == pytest.approx(expected)

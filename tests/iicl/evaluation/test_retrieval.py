import numpy as np
import pytest
from scipy.stats import hypergeom

from iicl import config
from iicl.evaluation import retrieval
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


def test_test_items_of_the_fold_are_looked_for_among_its_train_items(stored, tmp_path):
    """One query has its class among the train items; two more have it among the queries only."""
    items = [("a", "train", "0"), ("b", "train", "1"), ("c", "train", "2"), ("c", "train", "3")]
    items += [("a", "test", "4"), ("d", "test", "5"), ("d", "test", "6")]
    angles = np.radians([0, 30, 60, 80, 5, 61, 62])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]
    result = retrieval.run(
        config.Retrieval(corpus="ucf101", fold=2, ranks=(1, 4), seed=0),
        **stored(items, features),
        out=tmp_path,
        execution=config.Execution(),
        report=lambda fraction, text: None,
    )
    assert result["metrics"] == pytest.approx({"recall_at_1": 1 / 3, "recall_at_4": 1 / 3})
    assert result["chance"] == pytest.approx({"recall_at_1": 1 / 12, "recall_at_4": 1 / 3})
    assert (result["num_evaluated"], result["num_expected"]) == (3, 300)
    assert result["num_gallery"] == 4


def test_an_item_of_several_labels_is_named(stored, tmp_path):
    items = [("a", "train", "0"), ("a+b", "test", "1")]
    with pytest.raises(ValueError, match=r"001: labels \('a', 'b'\)"):
        retrieval.run(
            config.Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0),
            **stored(items, np.ones((2, 1, 2))),
            out=tmp_path,
            execution=config.Execution(),
            report=lambda fraction, text: None,
        )


def test_an_empty_split_is_refused(stored, tmp_path):
    with pytest.raises(ValueError, match="no test items in fold 2"):
        retrieval.run(
            config.Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0),
            **stored([("a", "train", "0")], np.ones((1, 1, 2))),
            out=tmp_path,
            execution=config.Execution(),
            report=lambda fraction, text: None,
        )

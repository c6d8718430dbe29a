import numpy as np
import pytest
from scipy.stats import hypergeom

from iicl.evaluation import retrieval
from iicl.evaluation.features import project
from iicl.evaluation.retrieval import chance_recall_at, hits_at, item_embeddings
from iicl.item_errors import item_errors
from iicl.protocols import Retrieval
from tests.iicl.context import context


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
    hits = hits_at(queries, query_labels, gallery, gallery_labels, (1, 5, 20))
    assert {k: values.mean() for k, values in hits.items()} == expected


def test_a_rank_beyond_the_gallery_is_refused():
    with pytest.raises(ValueError, match="rank 5 exceeds the gallery of 3"):
        hits_at(np.eye(3), list("abc"), np.eye(3), list("abc"), (1, 5))


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
    items += [("a", "test", "4"), ("d", "test", "5"), ("d", "test", "5")]
    angles = np.radians([0, 30, 60, 80, 5, 61, 62])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]
    result = retrieval.run(
        Retrieval(corpus="ucf101", fold=2, ranks=(1, 4), seed=0),
        context(tmp_path, **stored(items, features)),
    )
    nothing = {"recall_at_1_sound": None, "recall_at_4_sound": None}
    assert result["metrics"] == {
        **{name: pytest.approx(1 / 3) for name in ("recall_at_1", "recall_at_4")},
        **{name: pytest.approx(1 / 3) for name in ("recall_at_1_silent", "recall_at_4_silent")},
        **nothing,
    }
    assert result["chance"] == {
        **{name: pytest.approx(1 / 12) for name in ("recall_at_1", "recall_at_1_silent")},
        **{name: pytest.approx(1 / 3) for name in ("recall_at_4", "recall_at_4_silent")},
        **nothing,
    }
    assert (result["num_evaluated"], result["num_expected"]) == (3, 300)
    hits = {name: [1, 0, 0] for name, value in result["metrics"].items() if value is not None}
    assert result["item_errors"] == item_errors(hits, ["4", "5", "5"])
    assert result["num_gallery"] == 4


def test_an_item_of_several_labels_is_named(stored, tmp_path):
    items = [("a", "train", "0"), ("a+b", "test", "1")]
    with pytest.raises(ValueError, match=r"001: labels \('a', 'b'\)"):
        retrieval.run(
            Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0),
            context(tmp_path, **stored(items, np.ones((2, 1, 2)))),
        )


def test_an_empty_split_is_refused(stored, tmp_path):
    with pytest.raises(ValueError, match="no test items in fold 2"):
        retrieval.run(
            Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0),
            context(tmp_path, **stored([("a", "train", "0")], np.ones((1, 1, 2)))),
        )


def test_classes_with_and_without_sound_are_counted_apart(stored, tmp_path):
    """One item with sound, of whatever split, makes its class one with sound; the gallery stays
    whole."""
    items = [("a", "train", "0", "video+audio"), ("b", "train", "1"), ("b", "train", "2")]
    items += [("a", "test", "3"), ("b", "test", "4"), ("b", "test", "5"), ("b", "test", "6")]
    angles = np.radians([0, 30, 60, 2, 31, 61, 3])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]
    stage = Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0)
    result = retrieval.run(
        stage,
        context(tmp_path, **stored(items, features)),
    )
    assert tuple(result["metrics"]) == tuple(result["chance"]) == stage.metrics()
    assert result["metrics"] == pytest.approx(
        {"recall_at_1": 3 / 4, "recall_at_1_sound": 1.0, "recall_at_1_silent": 2 / 3}
    )
    assert result["chance"] == pytest.approx(
        {"recall_at_1": 7 / 12, "recall_at_1_sound": 1 / 3, "recall_at_1_silent": 2 / 3}
    )


def test_neighbours_are_sought_in_the_space_asked_for(stored, pretrained, tmp_path):
    method, folder = pretrained(name="iicl", instance_dim=4)
    rng = np.random.default_rng(0)
    items = [("abcd"[i % 4], "test" if i >= 40 else "train", str(i)) for i in range(80)]
    features = rng.normal(size=(80, 2, 32)).astype("f4")
    place = stored(items, features)
    place["upstream"]["encoder"] = folder
    found = {}
    for space in ("f", "z"):
        stage = Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0, space=space)
        result = retrieval.run(
            stage,
            context(tmp_path, **place),
        )
        found[space] = result["metrics"]["recall_at_1"]
        inputs = item_embeddings(project(method, "video", space, features))
        nearest = (inputs[40:] @ inputs[:40].T).argmax(1)
        assert found[space] == np.mean(nearest % 4 == np.arange(40) % 4)
    assert found["f"] != found["z"]


def test_centred_embeddings_have_lost_the_mean_of_the_train_items(stored, tmp_path):
    """All features share a long part, which hides their classes until it is subtracted."""
    rng = np.random.default_rng(1)
    items = [("abcd"[i % 4], "test" if i >= 40 else "train", str(i)) for i in range(80)]
    features = rng.normal(size=(80, 2, 8)) + 0.5 * np.eye(8)[np.arange(80) % 4][:, None]
    features[..., 7] += 20
    place = stored(items, features.astype("f4"))
    found = {}
    for centred in (False, True):
        stage = Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=0, centred=centred)
        found[centred] = retrieval.run(stage, context(tmp_path, **place))["metrics"]["recall_at_1"]
    own = item_embeddings(features.astype("f4"))
    own -= own[:40].mean(axis=0)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    nearest = (own[40:] @ own[:40].T).argmax(1)
    assert found[True] == np.mean(nearest % 4 == np.arange(40) % 4) != found[False]

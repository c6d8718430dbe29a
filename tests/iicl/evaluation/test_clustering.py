import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from iicl.evaluation import clustering
from iicl.evaluation import features as evaluated_features
from iicl.evaluation.clustering import agreement, chance_agreement, item_hits, largest_entry
from iicl.evaluation.features import project
from iicl.evaluation.retrieval import item_embeddings
from iicl.item_errors import item_errors
from iicl.protocols import Clustering
from tests.iicl.context import context

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


@pytest.mark.parametrize(("num_classes", "num_clusters"), [(4, 4), (3, 5), (5, 3)])
def test_agreement_equals_its_definition(num_classes, num_clusters):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, num_classes, 40)
    clusters = np.where(rng.random(40) < 0.5, labels % num_clusters, rng.integers(num_clusters))
    found = agreement(labels, clusters)

    pairs = Counter(zip(clusters.tolist(), labels.tolist(), strict=True))
    most = max(num_classes, num_clusters)
    best = max(
        sum(pairs[cluster, matched[cluster]] for cluster in range(num_clusters))
        for matched in itertools.permutations(range(most))
    )
    assert found["accuracy"] == pytest.approx(best / 40)
    purity = sum(
        max(pairs[cluster, label] for label in range(num_classes))
        for cluster in range(num_clusters)
    )
    assert found["purity"] == pytest.approx(purity / 40)

    def entropy(counts):
        parts = np.array(list(counts)) / 40
        return -(parts * np.log(parts)).sum()

    of_labels, of_clusters = (entropy(Counter(x.tolist()).values()) for x in (labels, clusters))
    information = of_labels + of_clusters - entropy(pairs.values())
    assert found["nmi"] == pytest.approx(information / ((of_labels + of_clusters) / 2))


def test_clusters_left_over_are_wrong_one_to_one_but_pure():
    """Every class split into two clusters: half the items lie in clusters without a class."""
    labels = np.repeat(np.arange(5), 8)
    found = agreement(labels, np.arange(40) // 4)
    assert found["accuracy"] == 0.5
    assert found["purity"] == 1.0
    assert agreement(labels, (labels + 2) % 5) == pytest.approx(dict.fromkeys(found, 1.0))


def ucf101_test() -> np.ndarray:
    names = (REAL / "ucfTrainTestlist" / "testlist01.txt").read_text().split()
    return np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]


def hmdb51_test() -> np.ndarray:
    lists = sorted((REAL / "testTrainMulti_7030_splits").glob("*_test_split1.txt"))
    sizes = [
        sum(line.split()[1] == "2" for line in file.read_text().splitlines()) for file in lists
    ]
    return np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real lists in {REAL}; set IICL_REAL_DATA")
@pytest.mark.parametrize(
    ("read", "num_items", "levels"),
    [
        (ucf101_test, 3783, {101: {"nmi": 0.261}, 400: {"nmi": 0.450, "purity": 0.144}}),
        (hmdb51_test, 1530, {51: {"nmi": 0.221}, 400: {"nmi": 0.510, "purity": 0.290}}),
    ],
)
def test_chance_on_the_official_test_lists(read, num_items, levels, monkeypatch):
    """References from a second program: random labels over the lists of split 1.

    The adjusted measures are at nought where these are far above it.
    """
    monkeypatch.setattr(clustering, "NUM_PERMUTATIONS", 3)
    labels = read()
    assert len(labels) == num_items
    for num_clusters, expected in levels.items():
        clusters = np.random.default_rng(0).integers(0, num_clusters, num_items)
        found = chance_agreement(labels, clusters, seed=0)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=0.004)
        assert found["ami"] == pytest.approx(0, abs=0.01)
        assert found["ari"] == pytest.approx(0, abs=0.002)


def test_chance_keeps_the_sizes_of_the_clusters(monkeypatch):
    """One cluster gives the purity of the commonest class, a cluster for each item gives 1."""
    monkeypatch.setattr(clustering, "NUM_PERMUTATIONS", 5)
    labels = np.array([0] * 30 + [1] * 10)
    assert chance_agreement(labels, [0] * 40, seed=0)["purity"] == 0.75
    even = chance_agreement(labels, np.arange(40), seed=0)
    assert even["purity"] == 1.0
    assert even["accuracy"] == pytest.approx(2 / 40)


@pytest.fixture
def place(stored, pretrained):
    """60 items of 5 classes, each a direction, a third of them in the test split of fold 2."""
    rng = np.random.default_rng(4)
    items = [("abcde"[i % 5], "test" if i % 3 == 0 else "train", f"g{i // 2}") for i in range(60)]
    centres = rng.normal(size=(5, 1, 32))
    features = centres[np.arange(60) % 5] + 0.3 * rng.normal(size=(60, 3, 32))
    lengths = rng.uniform(0.2, 5, size=(60, 3, 1))
    features = (features * lengths).astype(np.float32)
    method, folder = pretrained(name="iicl", clusters=6, instance_dim=8)
    where = stored(items, features)
    where["upstream"]["encoder"] = folder
    return where, features, method


def run(place, out, **settings):
    stage = Clustering(corpus="ucf101", fold=2, seed=7, **settings)
    result = clustering.run(
        stage,
        context(out, **place),
    )
    assert tuple(result["metrics"]) == tuple(result["chance"]) == stage.metrics()
    return result


@pytest.mark.parametrize("items", ["test", "all"])
def test_the_largest_entry_of_the_mean_assignment_is_the_cluster(place, tmp_path, items):
    where, features, method = place
    chosen = np.arange(60) if items == "all" else np.arange(0, 60, 3)
    y = project(method, "video", "y", features[chosen])
    clusters = y.mean(axis=1).argmax(axis=1)
    assert not np.array_equal(clusters, y[:, 0].argmax(axis=1)), "clips must disagree"
    result = run(where, tmp_path, items=items)
    assert result["metrics"] == pytest.approx({**agreement(chosen % 5, clusters), "same_alone": 1})
    shares = np.unique(clusters, return_counts=True)[1] / len(chosen)
    assert result["chance"]["same_alone"] == pytest.approx((shares**2).sum())
    hits = item_hits(chosen % 5, clusters)
    assert {name: of_items.mean() for name, of_items in hits.items()} == {
        name: result["metrics"][name] for name in ("accuracy", "purity")
    }
    order = np.concatenate([chosen[chosen % 3 > 0], chosen[chosen % 3 == 0]])  # train, then test
    groups = [f"g{i // 2}" for i in order]
    assert result["item_errors"] == item_errors(
        {name: of_items[np.searchsorted(chosen, order)] for name, of_items in hits.items()}, groups
    )
    assert result["num_clusters_used"] == len(set(clusters.tolist())) > 1
    assert result["num_evaluated"] == len(chosen)
    assert result["num_expected"] == (300 if items == "test" else 800)
    assert 0 < result["chance"]["nmi"] < 1


def test_k_means_clusters_item_embeddings_into_as_many_clusters_as_classes(place, tmp_path):
    """The classes are directions: found whatever the lengths of the clips, which vary 25-fold."""
    where, _, _ = place
    result = run(where, tmp_path, assign="kmeans", space="f")
    expected = dict.fromkeys(result["metrics"], 1.0) | {"same_alone": None}
    assert result["metrics"] == pytest.approx(expected)
    assert result["chance"]["same_alone"] is None
    assert result["num_clusters_used"] == 5
    assert run(where, tmp_path, assign="kmeans", space="f") == result


def test_k_means_takes_the_space_and_the_number_of_clusters_asked_for(place, tmp_path, monkeypatch):
    where, features, method = place
    given = []

    class Noted(KMeans):
        def fit_predict(self, x):
            given.append(x)
            return super().fit_predict(x)

    monkeypatch.setattr(clustering, "KMeans", Noted)
    result = run(where, tmp_path, assign="kmeans", space="z", num_clusters=9)
    assert result["num_clusters_used"] == 9
    expected = item_embeddings(project(method, "video", "z", features[::3]))
    np.testing.assert_allclose(given[0], expected, rtol=1e-5)


def test_a_pretraining_without_clusters_is_refused(place, pretrained, tmp_path):
    where, _, _ = place
    pretrained("initialisation", name="iicl")
    with pytest.raises(ValueError, match="no space 'y'; it has: f, z"):
        run(where, tmp_path)


def test_chance_of_nmi_is_the_exact_one_for_the_clusters_in_use():
    """Permutations leave the entropies; the mean information is known (Vinh et al., 2010)."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 12, 400)
    levels = {}
    for num_clusters in (5, 50):
        clusters = rng.integers(0, num_clusters, 400)
        table = contingency_matrix(labels, clusters, sparse=True).astype(np.int64)
        entropies = [mutual_info_score(x, x) for x in (labels, clusters)]
        exact = expected_mutual_information(table, 400) / np.mean(entropies)
        found = chance_agreement(labels, clusters, seed=0)["nmi"]
        assert found == pytest.approx(exact, rel=0.01)
        levels[num_clusters] = found
    assert levels[50] > 3 * levels[5]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_an_item_s_cluster_does_not_depend_on_the_items_beside_it(place, size):
    _, features, method = place
    together = largest_entry(project(method, "video", "y", features))
    parts = [features[start : start + size] for start in range(0, 60, size)]
    apart = [largest_entry(project(method, "video", "y", part)) for part in parts]
    assert np.concatenate(apart).tolist() == together.tolist()


def test_a_head_that_looks_at_other_items_is_noticed(place, tmp_path, monkeypatch):
    """Oracle of ``same_alone``: a head that subtracts the mean of its batch gives others alone."""
    where, features, method = place

    def by_batch(method, view, space, f):
        y = project(method, view, space, f)
        return y - y.mean(axis=(0, 1))

    monkeypatch.setattr(evaluated_features, "project", by_batch)
    monkeypatch.setattr(clustering, "project", by_batch)
    result = run(where, tmp_path, items="all")
    together = largest_entry(by_batch(method, "video", "y", features))
    alone = [largest_entry(by_batch(method, "video", "y", f[None]))[0] for f in features]
    assert result["metrics"]["same_alone"] == np.mean(together == alone) < 0.9

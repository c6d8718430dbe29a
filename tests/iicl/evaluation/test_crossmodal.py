import itertools
import math

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.metrics import average_precision_score

from iicl.evaluation import crossmodal
from iicl.evaluation.crossmodal import (
    average_precision,
    chance_average_precision,
    expected_reciprocal_rank,
    partner_ranks,
)
from iicl.evaluation.features import FEATURES, project
from iicl.evaluation.pairs import LabelTable
from iicl.evaluation.retrieval import item_embeddings
from iicl.item_errors import item_errors
from iicl.models.coattention import CoAttention
from iicl.protocols import CrossModal
from tests.iicl.context import context


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def harmonic(n):
    return sum(1 / k for k in range(1, n + 1))


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_the_expected_reciprocal_rank_is_that_of_all_galleries_and_orders_of_ties(size):
    """Oracle: every gallery of 7 items that holds the partner, every order of the ties in it."""
    for better, tied in [(0, 0), (3, 0), (6, 0), (0, 6), (1, 3), (2, 2)]:
        others = [1] * better + [0] * tied + [-1] * (6 - better - tied)  # nearer, as near, farther
        ranks = []
        for gallery in itertools.combinations(others, size - 1):
            nearer, equal = gallery.count(1), gallery.count(0)
            ranks.append(np.mean([1 / (1 + nearer + before) for before in range(equal + 1)]))
        found = expected_reciprocal_rank(np.array([better]), np.array([tied]), 7, size)
        assert found == pytest.approx(np.mean(ranks)), (better, tied)


@pytest.mark.parametrize(("size", "level"), [(256, 0.024), (1000, 0.0075), (18_968, 0.00055)])
def test_over_random_ranks_it_is_chance(size, level):
    """The levels of a second program; the split is that of the Kinetics-400 validation list."""
    every_rank = np.arange(18_968)
    found = expected_reciprocal_rank(every_rank, np.zeros_like(every_rank), 18_968, size).mean()
    assert found == pytest.approx(harmonic(size) / size)
    assert found == pytest.approx(level, rel=0.03)


def test_partners_are_ranked_by_cosine_and_equal_embeddings_tie():
    rng = np.random.default_rng(0)
    queries, gallery = unit(rng.normal(size=(600, 8))), unit(rng.normal(size=(600, 8)))
    gallery[5] = gallery[590]
    better, tied = partner_ranks(queries, gallery)
    for i in (0, 5, 511, 512, 590, 599):
        similar = [float(np.dot(queries[i], g)) for g in gallery]
        assert better[i] == sum(s > similar[i] + 1e-6 for s in similar)
        assert tied[i] >= (i in (5, 590))
    assert tied.mean() < 0.1


@pytest.mark.parametrize("num_relevant", [1, 2, 5, 6])
def test_chance_of_average_precision_is_the_mean_over_all_orders(num_relevant):
    marks = np.array([1] * num_relevant + [0] * (6 - num_relevant))
    scores = -np.arange(6)
    values = [
        average_precision_score(np.array(order), scores)
        for order in set(itertools.permutations(marks.tolist()))
    ]
    found = chance_average_precision(np.array([num_relevant]), 6)
    assert found == pytest.approx(np.mean(values))


@pytest.fixture
def many_ties():
    """2,100 items, so several blocks; products are exact in float32, and many of them equal."""
    rng = np.random.default_rng(1)
    queries, gallery = (rng.integers(-8, 9, (2100, 6)).astype("f4") / 32 for _ in range(2))
    names = [*("abcdefghij"[k] for k in rng.integers(0, 10, 2099)), "k"]
    labels = [frozenset(names[i] + names[-1 - i]) if i % 3 else frozenset() for i in range(2100)]
    return queries, gallery, labels


def test_average_precision_equals_scikit_learn_s(many_ties):
    """Scores of the oracle tell ties apart by their place in the drawn order."""
    queries, gallery, labels = many_ties
    values = average_precision(queries, gallery, LabelTable.of(labels), seed=5)
    place = np.argsort(np.random.default_rng(5).permutation(2100))
    for i in (0, 1, 17, 997, 998, 999, 2099):
        relevant = [j == i or bool(own & labels[i]) for j, own in enumerate(labels)]
        scores = np.round((queries[i] @ gallery.T).astype(float) * 1e6) * 2100 - place
        assert values[i] == pytest.approx(average_precision_score(relevant, scores), rel=1e-12)


def test_ranks_of_partners_equal_a_loop_with_many_ties(many_ties):
    queries, gallery, _ = many_ties
    better, tied = partner_ranks(queries, gallery)
    for i in (0, 1, 997, 998, 999, 2099):
        similar = queries[i] @ gallery.T
        assert better[i] == (similar > similar[i]).sum()
        assert tied[i] == (similar == similar[i]).sum() - 1
    assert tied.mean() > 5


def test_items_share_labels_as_sets_do(many_ties):
    labels = many_ties[2]
    table = LabelTable.of(labels)
    others = np.random.default_rng(0).integers(0, 2100, (2100, 3))
    others[:, 2] = np.arange(2100)
    shared = table.shared_with(others)
    counts = table.num_sharing()
    for i in (0, 1, 255, 256, 2099):
        expected = [j == i or bool(own & labels[i]) for j, own in enumerate(labels)]
        assert table.shared_by(slice(i, i + 1))[0].tolist() == expected
        assert counts[i] == sum(expected)
        assert shared[i].tolist() == [expected[j] for j in others[i]]


def run(place, out, **settings):
    stage = CrossModal(corpus="ucf101", fold=2, seed=7, **settings)
    result = crossmodal.run(
        stage,
        context(out, **place),
    )
    assert tuple(result["metrics"]) == tuple(result["chance"]) == stage.metrics()
    for name, value in result["metrics"].items():
        assert (value is None) == (result["chance"][name] is None)
    return result


def test_test_items_with_both_views_are_found_in_the_space_asked_for(stored, pretrained, tmp_path):
    """One train item and two with a single view are left out; labels may be several."""
    rng = np.random.default_rng(0)
    items = [
        *((x, "test", f"g{x}", "video+audio") for x in ("a", "a+b", "b", "c", "c", "a")),
        ("a", "test", "g", "video"),
        ("a", "train", "g", "video+audio"),
        ("a", "test", "g", "audio"),
    ]
    f = {view: rng.normal(size=(9, 2, 32)).astype("f4") for view in ("video", "audio")}
    place = stored(items, **f)
    method, place["upstream"]["encoder"] = pretrained(name="iicl", heads="separate")
    result = run(place, tmp_path, galleries=(2, 6, 7))
    z = {v: item_embeddings(project(method, v, "z", f[v]))[:6] for v in ("video", "audio")}
    labels = [set(item[0].split("+")) for item in items[:6]]
    assert (result["num_evaluated"], result["num_expected"]) == (6, 300)
    for way, query, gallery in (("v2a", "video", "audio"), ("a2v", "audio", "video")):
        reciprocal, precision, pairwise = [], [], []
        for i in range(6):
            similar = z[gallery] @ z[query][i]
            reciprocal.append(1 / (1 + (similar > similar[i]).sum()))
            pairwise += [1.0 if similar[i] > similar[j] else 0.5 for j in range(6) if j != i]
            precision.append(
                average_precision_score([bool(own & labels[i]) for own in labels], similar)
            )
        metrics, chance = result["metrics"], result["chance"]
        groups, errors = [f"g{item[0]}" for item in items[:6]], result["item_errors"]
        expected = item_errors({"map": np.array(precision), "mrr": np.array(reciprocal)}, groups)
        assert errors[f"{way}_map"] == pytest.approx(expected["map"])
        assert errors[f"{way}_mrr_all"] == pytest.approx(expected["mrr"])
        assert errors.keys() == {name for name, value in metrics.items() if value is not None}
        assert metrics[f"{way}_mrr_all"] == pytest.approx(np.mean(reciprocal))
        assert metrics[f"{way}_mrr_6"] == metrics[f"{way}_mrr_all"]
        assert metrics[f"{way}_mrr_2"] == pytest.approx(np.mean(pairwise))
        assert metrics[f"{way}_mrr_7"] is None
        assert metrics[f"{way}_map"] == pytest.approx(np.mean(precision))
        assert chance[f"{way}_mrr_2"] == 0.75
        assert chance[f"{way}_mrr_all"] == pytest.approx(harmonic(6) / 6)
    assert len(set(map(str, result["metrics"].values()))) > 4, "directions must differ"


def test_equal_embeddings_are_at_chance(stored, tmp_path):
    """A collapsed encoder earns nothing by its ties."""
    items = [("ab"[i % 2], "test", "g", "video+audio") for i in range(40)]
    same = np.broadcast_to(np.random.default_rng(0).normal(size=(1, 3, 16)), (40, 3, 16))
    result = run(stored(items, video=same, audio=same), tmp_path, space="f", galleries=(10,))
    for name, value in result["metrics"].items():
        tolerance = 0.1 if name.endswith("map") else 1e-9
        assert value == pytest.approx(result["chance"][name], abs=tolerance), name


def test_what_cannot_be_retrieved_is_refused(stored, tmp_path):
    items = [(label, split, "g", "video+audio") for label in "ab" for split in ("test", "train")]
    wide, narrow = np.ones((4, 1, 8)), np.ones((4, 1, 4))
    place = stored(items, video=wide, audio=narrow)
    with pytest.raises(ValueError, match=r"one space, space 'f' has 8 dimensions .* and 4"):
        run(place, tmp_path, space="f")
    stage = CrossModal(corpus="ucf101", fold=3, seed=7)
    with pytest.raises(ValueError, match="'3'"):
        crossmodal.run(stage, context(tmp_path, **place))


def test_features_of_another_fold_s_test_items_are_refused(stored, tmp_path):
    items = [("a", "test", "g", "video+audio")] * 3 + [("a", "train", "g", "video+audio")] * 3
    place = stored(items, video=np.ones((6, 1, 4)), audio=np.ones((6, 1, 4)))
    for view in ("video", "audio"):
        file = place["upstream"][view] / FEATURES
        rows = {"features": np.ones((2, 1, 4), "f4"), "positions": np.array([2, 3])}
        save_file(rows, file)
    with pytest.raises(ValueError, match=r"hold 1 of the 3 test items of fold 2; .* lack is 000"):
        run(place, tmp_path, space="f")


def test_one_pair_is_no_gallery(stored, tmp_path):
    items = [("a", "test", "g", "video+audio"), ("a", "test", "g", "video")]
    with pytest.raises(ValueError, match=r"1 test items .* at least 2"):
        run(stored(items, video=np.ones((2, 1, 4)), audio=np.ones((2, 1, 4))), tmp_path, space="f")


def test_why_nothing_here_goes_through_co_attention():
    """Independent noise: what token co-attention makes of a pair finds its partner, since both
    sides are functions of that same pair; the embeddings of the modalities alone find nothing."""
    attended, alone = [], []
    for seed in range(20):
        torch.manual_seed(seed)
        video, audio = torch.randn(64, 8, 32), torch.randn(64, 4, 32)
        h = CoAttention(32, form="token")(video, audio)
        for out, (v, a) in (
            (attended, [unit(x.numpy()) for x in h]),
            (alone, [item_embeddings(x.numpy()) for x in (video, audio)]),
        ):
            out.append(expected_reciprocal_rank(*partner_ranks(v, a), 64, 64).mean())
    chance = harmonic(64) / 64
    assert np.mean(attended) > 3 * chance
    error = np.std(alone, ddof=1) / math.sqrt(len(alone))
    assert np.mean(alone) == pytest.approx(chance, abs=4 * error)

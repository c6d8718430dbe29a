"""Stages that are evaluated on a part of the train split, with test items that are poison."""

import numpy as np
import pytest

from iicl.data.held_out import held_out
from iicl.data.store import PreparedCorpus
from iicl.evaluation import linear, retrieval
from iicl.evaluation.features import evaluated_and_learnt, load_features
from iicl.evaluation.linear import fit
from iicl.item_errors import item_errors
from iicl.protocols import Features, Finetune, Linear, Retrieval
from tests.iicl.context import context

NUM_TRAIN, NUM_TEST = 120, 30


@pytest.fixture
def place(stored):
    """Train items of three classes in ten groups each, and test items that nobody may read.

    These have two labels, which the stages refuse, features that are no numbers, and the only
    sound of class c.
    """
    rng = np.random.default_rng(0)
    items = [("abc"[i % 3], "train", f"{i % 30}", "video") for i in range(NUM_TRAIN)]
    items[0] = (*items[0][:3], "video+audio")
    items += [("a+c", "test", f"t{i}", "video+audio") for i in range(NUM_TEST)]
    features = rng.normal(size=(NUM_TRAIN + NUM_TEST, 2, 8))
    features[:NUM_TRAIN] += 1.2 * np.eye(8)[np.arange(NUM_TRAIN) % 3][:, None]
    features[NUM_TRAIN:] = np.nan
    return stored(items, features)


def parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes and groups of the train items, and which are held out."""
    labels = np.array(["abc"[i % 3] for i in range(NUM_TRAIN)])
    groups = np.array([f"{i % 30}" for i in range(NUM_TRAIN)])
    return labels, groups, held_out([[label] for label in labels], groups.tolist(), 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_items_are_looked_for_among_the_rest(place, tmp_path, seed):
    labels, groups, mask = parts()
    features = load_features(place["upstream"]["features"]).features[:NUM_TRAIN].astype(float)
    unit = features / np.linalg.norm(features, axis=2, keepdims=True)
    means = unit.mean(axis=1)
    hits = []
    for query in np.flatnonzero(mask):
        cosines = {
            other: means[query] @ means[other] / np.linalg.norm(means[other])
            for other in np.flatnonzero(~mask)
        }
        hits.append(labels[max(cosines, key=cosines.__getitem__)] == labels[query])
    stage = Retrieval(corpus="ucf101", fold=2, ranks=(1,), seed=seed, evaluate_on="held_out")
    result = retrieval.run(stage, context(tmp_path, **place))
    assert result["metrics"]["recall_at_1"] == np.mean(hits)
    assert 0.4 < np.mean(hits) < 1
    expected = item_errors({"recall_at_1": np.array(hits)}, groups[mask].tolist())
    assert result["item_errors"]["recall_at_1"] == expected["recall_at_1"]
    num_held = int(mask.sum())
    assert num_held == NUM_TRAIN // 5
    counts = [result[f"num_{name}"] for name in ("evaluated", "expected", "gallery", "sound")]
    assert counts == [num_held, num_held, NUM_TRAIN - num_held, (labels[mask] == "a").sum()]


def test_the_classifier_sees_nothing_of_what_it_is_evaluated_on(place, tmp_path):
    labels, _, mask = parts()
    features = load_features(place["upstream"]["features"]).features[:NUM_TRAIN]
    stage = Linear(corpus="ucf101", fold=2, seed=0, penalties=(0.1,), evaluate_on="held_out")
    result = linear.run(stage, context(tmp_path, **place))
    model = fit(features[~mask], labels[~mask], 0.1, "logistic", 0)
    hits = []
    for item, label in zip(features[mask], labels[mask], strict=True):
        scores = np.mean([model.decision_function(clip[None])[0] for clip in item], axis=0)
        hits.append(model.classes_[np.argmax(scores)] == label)
    assert result["metrics"]["top1"] == np.mean(hits)
    assert result["num_evaluated"] == result["num_expected"] == mask.sum()


def test_the_penalty_is_chosen_inside_the_rest(place, tmp_path, monkeypatch):
    """What is held out twice: each fit sees a part of the rest."""
    _, _, mask = parts()
    sizes = []

    def counted(features, *rest):
        sizes.append(len(features))
        return fit(features, *rest)

    monkeypatch.setattr(linear, "fit", counted)
    stage = Linear(corpus="ucf101", fold=2, seed=0, penalties=(0.1, 1.0), evaluate_on="held_out")
    linear.run(stage, context(tmp_path, **place))
    assert sizes[0] == sizes[1] < sizes[2] == (~mask).sum()


def test_a_train_split_of_one_group_is_refused(stored, tmp_path):
    place = stored([("a", "train", "0")] * 3 + [("a", "test", "1")], np.ones((4, 1, 2)))
    corpus = PreparedCorpus.open(place["corpora"]["ucf101"])
    stage = Linear(corpus="ucf101", fold=2, seed=0, evaluate_on="held_out")
    with pytest.raises(ValueError, match=r"no class with two groups .* of fold 2"):
        evaluated_and_learnt(stage, corpus, load_features(place["upstream"]["features"]))


@pytest.mark.parametrize("protocol", [Retrieval, Linear, Finetune])
def test_it_reads_the_train_split_alone(protocol):
    """A plan asks for no test item, and the features are those of train items."""
    stage = protocol(corpus="ucf101", seed=0, evaluate_on="held_out")
    assert stage.splits() == ("train",)
    assert protocol(corpus="ucf101", seed=0).splits() == ("train", "test")
    for role, settings in stage.needs().items():
        if role != "encoder":
            assert Features(corpus="ucf101", seed=0, **settings).items == "train"
    other_fold = protocol(corpus="ucf101", fold=2, seed=0, evaluate_on="held_out")
    for role, settings in other_fold.needs().items():
        if role != "encoder":  # the train items of fold 1 are others
            assert Features(corpus="ucf101", seed=0, **settings).items == "all"

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from iicl.evaluation import linear
from iicl.evaluation.linear import fit, item_hits
from iicl.item_errors import item_errors
from iicl.protocols import Linear
from tests.iicl.context import context


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("classifier", ["logistic", "svm"])
def test_items_are_scored_by_the_mean_over_their_clips_and_clips_by_their_own(
    num_classes, classifier
):
    rng = np.random.default_rng(1)
    labels = np.array([f"c{i % num_classes}" for i in range(60)])
    centres = rng.normal(size=(num_classes, 5))
    features = centres[np.arange(60) % num_classes][:, None] + rng.normal(size=(60, 3, 5))
    features = features.astype(np.float32)
    model = fit(features, labels, 0.5, classifier, 3)

    clips = features.reshape(-1, 5)
    mean, std = clips.mean(0), clips.std(0)
    reference = (
        LogisticRegression(C=0.5, max_iter=1000)
        if classifier == "logistic"
        else LinearSVC(C=0.5, loss="squared_hinge", multi_class="ovr", dual=False)
    ).fit((clips - mean) / std, np.repeat(labels, 3))
    weight, bias = reference.coef_, reference.intercept_
    if num_classes == 2:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    hits, clip_hits = 0, 0
    for item, label in zip(features, labels, strict=True):
        scores = [weight @ clip + bias for clip in (item - mean) / std]
        hits += reference.classes_[np.mean(scores, axis=0).argmax()] == label
        clip_hits += sum(reference.classes_[score.argmax()] == label for score in scores)
    assert hits / 60 != clip_hits / 180
    means = {name: of.mean() for name, of in item_hits(model, features, labels).items()}
    assert means == {"top1": hits / 60, "top1_clip": clip_hits / 180}


@pytest.fixture
def grouped():
    """24 groups of 5 items; class and noise depend on the item, and the noise on the group too."""
    rng = np.random.default_rng(3)
    items, rows = [], []
    for group in range(24):
        noise = rng.normal(size=8) * 2
        for number in range(5):
            label = "ab"[number % 2]
            split = "test" if group >= 20 else "train"
            items.append((label, split, f"g{group}"))
            rows.append(np.full(8, float(label == "b")) + noise + rng.normal(size=(2, 8)))
    return items, np.stack(rows)


def run(place, out, **settings):
    return linear.run(
        Linear(corpus="ucf101", fold=2, seed=7, **settings),
        context(out, **place),
    )


def test_the_penalty_is_chosen_on_groups_of_train_that_the_fit_does_not_see(
    grouped, stored, tmp_path, monkeypatch
):
    items, features = grouped
    group_of = {
        row.tobytes(): item[2] for row, item in zip(features.astype("f4"), items, strict=True)
    }
    calls = []

    def note_fit(part, labels, penalty, classifier, seed):
        assert classifier == "svm"
        calls.append(("fit", penalty, {group_of[row.tobytes()] for row in part}))
        return fit(part, labels, penalty, classifier, seed)

    def note_hits(model, part, labels):
        calls.append(("score", None, {group_of[row.tobytes()] for row in part}))
        top1 = {2: 0.5, 4: 0.9, 6: 0.9}.get(len(calls), 0.7)
        share = np.arange(len(part)) < top1 * len(part)
        return {"top1": share, "top1_clip": ~share[:, None]}

    monkeypatch.setattr(linear, "fit", note_fit)
    monkeypatch.setattr(linear, "item_hits", note_hits)
    result = run(
        stored(items, features),
        tmp_path,
        penalties=(0.01, 0.1, 1.0),
        held_out=0.2,
        classifier="svm",
    )
    train, test = ({g for _, s, g in items if s == split} for split in ("train", "test"))
    assert [kind for kind, *_ in calls] == ["fit", "score"] * 4
    assert [penalty for kind, penalty, _ in calls if kind == "fit"] == [0.01, 0.1, 1.0, 0.1]
    for number in (0, 2, 4):
        seen, held_out = calls[number][2], calls[number + 1][2]
        assert seen | held_out == train
        assert not seen & held_out
        assert len(held_out) == 4
    assert calls[6][2] == train
    assert calls[7][2] == test
    assert result["penalty"] == 0.1
    assert result["held_out_top1"] == 0.9
    assert result["metrics"] == {"top1": 0.7, "top1_clip": pytest.approx(0.3)}
    groups = [group for _, split, group in items if split == "test"]
    assert result["item_errors"] == item_errors({"top1": [1] * 14 + [0] * 6}, groups) | item_errors(
        {"top1_clip": [0] * 14 + [1] * 6}, groups
    )


def test_chance_is_that_of_the_classes_to_choose_from(stored, tmp_path):
    rng = np.random.default_rng(0)
    items = [("abcd"[i % 4], "train", f"g{i // 4}") for i in range(40)]
    items += [("a", "test", "g10"), ("b", "test", "g11")]
    result = run(stored(items, rng.normal(size=(42, 1, 3))), tmp_path)
    assert result["chance"] == {"top1": 1 / 4, "top1_clip": 1 / 4}
    assert (result["num_evaluated"], result["num_expected"]) == (2, 300)

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from iicl.evaluation.linear import accuracy, fit


@pytest.mark.parametrize("num_classes", [2, 4])
def test_items_are_scored_by_the_mean_over_their_clips(num_classes):
    rng = np.random.default_rng(1)
    labels = np.array([f"c{i % num_classes}" for i in range(60)])
    centres = rng.normal(size=(num_classes, 5))
    features = centres[np.arange(60) % num_classes][:, None] + rng.normal(size=(60, 3, 5))
    features = features.astype(np.float32)
    model = fit(features, labels, 0.5)

    clips = features.reshape(-1, 5)
    mean, std = clips.mean(0), clips.std(0)
    reference = LogisticRegression(C=0.5, max_iter=1000).fit(
        (clips - mean) / std, np.repeat(labels, 3)
    )
    hits = 0
    for item, label in zip(features, labels, strict=True):
        logits = np.log(reference.predict_proba((item - mean) / std))
        # Softmax logits are defined up to a constant of each clip, which no class gains from.
        hits += reference.classes_[logits.mean(0).argmax()] == label
    assert accuracy(model, features, labels) == hits / 60

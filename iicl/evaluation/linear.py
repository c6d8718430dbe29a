"""The stage ``linear``: a linear classifier on frozen features, the paper's fc-only (IV-C.2)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from iicl.config import Execution, Linear
from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import load_features, split_rows
from iicl.seeding import derive_seed
from iicl.training.loop import Report

MAX_ITERATIONS = 1000


def run(
    config: Linear,
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Execution,
    report: Report,
) -> dict[str, Any]:
    """Top-1 accuracy over items of a multinomial logistic regression on clip features.

    The penalty is chosen on groups of the train split that the fit does not see, never on the test
    split; the classifier is then fitted again on the whole train split.

    Returns:
        Metric ``top1``, its chance level, the penalty chosen and the items evaluated and expected.
    """
    corpus = PreparedCorpus.open(corpora[config.corpus])
    stored = load_features(upstream["features"])
    train, test = (split_rows(corpus, stored, config.fold, split) for split in ("train", "test"))
    features = stored.features[train.rows]
    splitter = GroupShuffleSplit(
        n_splits=1,
        test_size=config.held_out,
        random_state=derive_seed(config.seed, "linear", config.fold) % 2**32,
    )
    fit_part, held_out = next(splitter.split(features, groups=train.groups))
    labels = np.asarray(train.labels)
    scores = {
        penalty: accuracy(
            fit(features[fit_part], labels[fit_part], penalty), features[held_out], labels[held_out]
        )
        for penalty in config.penalties
    }
    chosen = max(config.penalties, key=lambda penalty: scores[penalty])
    model = fit(features, labels, chosen)
    return {
        "metrics": {"top1": accuracy(model, stored.features[test.rows], test.labels)},
        "chance": {"top1": 1 / len(model.classes_)},
        "penalty": chosen,
        "held_out_top1": scores[chosen],
        "converged": bool((model[-1].n_iter_ < MAX_ITERATIONS).all()),
        "num_evaluated": len(test.rows),
        "num_expected": test.num_expected,
        "selection": "last",
    }


def fit(features: NDArray[np.float32], labels: NDArray[np.str_], penalty: float) -> Any:
    """Standardisation and logistic regression, each clip a sample of its own.

    Args:
        features: (N, K, D), K clips an item.
        labels: (N,) class names.
        penalty: inverse strength of the L2 penalty, > 0.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS))
    clips = features.reshape(-1, features.shape[-1])
    return model.fit(clips, np.repeat(labels, features.shape[1]))


def accuracy(model: Any, features: NDArray[np.float32], labels: Sequence[str]) -> float:
    """Fraction of items whose mean clip score is highest for their class."""
    num_items, num_clips, dim = features.shape
    scores = model.decision_function(features.reshape(-1, dim))
    if scores.ndim == 1:  # scikit-learn gives one column for two classes
        scores = np.stack([-scores, scores], axis=1)
    means = scores.reshape(num_items, num_clips, -1).mean(axis=1)
    return float((model.classes_[means.argmax(axis=1)] == np.asarray(labels)).mean())

"""The stage ``linear``: a linear classifier on frozen features (paper IV-C.2 and IV-C.3)."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from iicl.data.store import PreparedCorpus
from iicl.evaluation.features import evaluated_and_learnt, load_features
from iicl.item_errors import item_errors
from iicl.protocols import Linear
from iicl.seeding import derive_seed
from iicl.training.context import Context

MAX_ITERATIONS = 1000


def run(config: Linear, context: Context) -> dict[str, Any]:
    """Top-1 accuracy of a linear classifier that is fitted to the clips of the train items.

    The penalty is chosen by the accuracy over items on groups of the train split that the fit does
    not see, never on the test split; the classifier is then fitted again on the whole train split.
    Where a part of the train split is evaluated on, the rest of it is all that both fits see.

    Returns:
        Metrics ``top1`` over items and ``top1_clip`` over their clips, their chance levels,
        the standard errors over items, the penalty chosen and the items evaluated and expected.
    """
    corpus = PreparedCorpus.open(context.corpora[config.corpus])
    stored = load_features(context.upstream["features"])
    test, train = evaluated_and_learnt(config, corpus, stored)
    features = stored.features[train.rows]
    seed = derive_seed(config.seed, "linear", config.fold) % 2**32
    splitter = GroupShuffleSplit(n_splits=1, test_size=config.held_out, random_state=seed)
    fit_part, held_out = next(splitter.split(features, groups=train.groups))
    labels = np.asarray(train.labels)
    scores = {
        penalty: float(
            item_hits(
                fit(features[fit_part], labels[fit_part], penalty, config.classifier, seed),
                features[held_out],
                labels[held_out],
            )["top1"].mean()
        )
        for penalty in config.penalties
    }
    chosen = max(config.penalties, key=lambda penalty: scores[penalty])
    model = fit(features, labels, chosen, config.classifier, seed)
    hits = item_hits(model, stored.features[test.rows], test.labels)
    return {
        "metrics": {name: float(of_items.mean()) for name, of_items in hits.items()},
        "chance": {name: 1 / len(model.classes_) for name in config.metrics()},
        "item_errors": item_errors(hits, test.groups),
        "penalty": chosen,
        "held_out_top1": scores[chosen],
        "converged": bool(np.all(model[-1].n_iter_ < MAX_ITERATIONS)),
        "num_evaluated": len(test.rows),
        "num_expected": test.num_expected,
        "selection": "last",
    }


def fit(
    features: NDArray[np.float32],
    labels: NDArray[np.str_],
    penalty: float,
    classifier: Literal["logistic", "svm"],
    seed: int,
) -> Any:
    """Standardisation and a linear classifier, each clip a sample of its own.

    Args:
        features: (N, K, D), K clips an item.
        labels: (N,) class names.
        penalty: inverse strength of the L2 penalty, > 0.
        classifier: "logistic": multinomial regression; "svm": one against the rest, squared hinge.
        seed: of the order in which the SVM visits its samples.
    """
    linear = (
        LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS)
        if classifier == "logistic"
        else LinearSVC(C=penalty, max_iter=MAX_ITERATIONS, random_state=seed)
    )
    clips = features.reshape(-1, features.shape[-1])
    model = make_pipeline(StandardScaler(), linear)
    return model.fit(clips, np.repeat(labels, features.shape[1]))


def item_hits(
    model: Any, features: NDArray[np.float32], labels: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Whether the own class scores highest.

    Args:
        model: from :func:`fit`.
        features: (N, K, D), K clips an item.
        labels: N class names.

    Returns:
        ``top1`` (N,) of items by the mean decision scores of their clips, ``top1_clip`` (N, K) of
        clips.
    """
    num_items, num_clips, dim = features.shape
    scores = model.decision_function(features.reshape(-1, dim))
    if scores.ndim == 1:  # scikit-learn gives one column for two classes
        scores = np.stack([-scores, scores], axis=1)
    scores = scores.reshape(num_items, num_clips, -1)
    own = np.asarray(labels)
    return {
        "top1": model.classes_[scores.mean(axis=1).argmax(axis=1)] == own,
        "top1_clip": model.classes_[scores.argmax(axis=2)] == own[:, None],
    }

"""The supervised control: cross-entropy of one classifier."""

import pytest
import torch

from iicl import methods
from iicl.encoders.choice import Encoders
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL, batch_of, make


def test_supervised_is_cross_entropy_with_soft_labels() -> None:
    """One classifier for both modalities: its state has one weight."""
    method = make("supervised")
    batch = batch_of(("video", "audio", "label"), 4)
    features = method.encode(batch)
    total, parts = method.loss(features)
    expected = {}
    for view in ("video", "audio"):
        log_p = method.classifier(features[view]).log_softmax(1)
        expected[f"cross_entropy_{view}"] = -(batch["label"] * log_p).sum(1).mean()
    torch.testing.assert_close(parts, expected)
    torch.testing.assert_close(total, sum(expected.values()))
    own = [n for n in method.state_dict() if "_encoder." not in n]
    assert own == ["classifier.weight", "classifier.bias"]


def test_supervised_on_video_alone_has_no_audio() -> None:
    method = methods.build(SupervisedSettings(modalities="video"), "training", SMALL, facts(3))
    assert method.samples == ("video", "label")
    assert not hasattr(method, "audio_encoder")
    total, parts = method.loss(method.encode(batch_of(method.samples, 4)))
    assert parts == {"cross_entropy_video": total}


def test_a_shared_classifier_needs_features_of_one_dimension() -> None:
    wide = Encoders.model_validate({**SMALL.model_dump(), "audio_width": 4})
    with pytest.raises(ValueError, match=r"16 \(video\) and 32 \(audio\)"):
        methods.build(SupervisedSettings(), "training", wide, facts(3))


@pytest.mark.parametrize("num_classes", [0, 1])
def test_supervised_needs_classes(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"2 classes or more, got {num_classes}"):
        methods.build(SupervisedSettings(), "training", SMALL, facts(num_classes))

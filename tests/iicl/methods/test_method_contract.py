"""Every method file keeps the contract of iicl.methods.base."""

import pytest
import torch

from iicl import methods
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from tests.iicl.facts import facts

NAMES = methods.names()
SMALL = Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)


def make(name: str) -> Method:
    torch.manual_seed(0)
    settings = methods.read_settings({"name": name})
    return methods.build(settings, settings.PHASES[-1], SMALL, facts(3))


def batch(n: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "video": torch.randn(n, 3, 4, 16, 16, generator=generator),
        "audio": torch.randn(n, 1, 40, 32, generator=generator),
        "label": torch.rand(n, 3, generator=generator).softmax(1),
    }


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    method = make(name)
    views = {view: batch(4)[view] for view in method.samples}
    encoded = {"video", "audio"} & set(method.samples)
    assert {v for v in ("video", "audio") if hasattr(method, f"{v}_encoder")} == encoded
    for view in encoded:
        encoder = getattr(method, f"{view}_encoder")
        assert encoder(batch(4)[view]).shape == (4, encoder.feature_dim)

    method.eval()
    with torch.no_grad():
        whole = method.encode(views)
        for i in range(4):
            alone = method.encode({view: x[i : i + 1] for view, x in views.items()})
            for feature, value in whole.items():
                torch.testing.assert_close(alone[feature], value[i : i + 1], rtol=1e-4, atol=1e-5)
    method.train()
    if name in ("random_init", "mfcc"):
        with pytest.raises(RuntimeError, match="never trained"):
            method.loss(method.encode(views))
        return
    total, parts = method.loss(method.encode(views))
    assert total.shape == ()
    assert all(part.shape == () for part in parts.values())
    total.backward()
    for parameter_name, parameter in method.named_parameters():
        assert parameter.grad is not None, f"{parameter_name} is built but never trained"


@pytest.mark.parametrize("name", NAMES)
def test_weights_come_from_the_global_generator(name: str) -> None:
    first, second = make(name).state_dict(), make(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_supervised_is_cross_entropy_with_soft_labels() -> None:
    """One classifier for both modalities: its state has one weight."""
    method = make("supervised")
    views = batch(4)
    features = method.encode(views)
    total, parts = method.loss(features)
    expected = {}
    for view in ("video", "audio"):
        log_p = method.classifier(features[view]).log_softmax(1)
        expected[f"cross_entropy_{view}"] = -(views["label"] * log_p).sum(1).mean()
    torch.testing.assert_close(parts, expected)
    torch.testing.assert_close(total, sum(expected.values()))
    own = [n for n in method.state_dict() if "_encoder." not in n]
    assert own == ["classifier.weight", "classifier.bias"]


def test_supervised_on_video_alone_has_no_audio() -> None:
    method = methods.build(SupervisedSettings(modalities="video"), "training", SMALL, facts(3))
    assert method.samples == ("video", "label")
    assert not hasattr(method, "audio_encoder")
    total, parts = method.loss(method.encode({v: batch(4)[v] for v in method.samples}))
    assert parts == {"cross_entropy_video": total}


def test_a_shared_classifier_needs_features_of_one_dimension() -> None:
    wide = Encoders.model_validate({**SMALL.model_dump(), "audio_width": 4})
    with pytest.raises(ValueError, match=r"16 \(video\) and 32 \(audio\)"):
        methods.build(SupervisedSettings(), "training", wide, facts(3))


@pytest.mark.parametrize("num_classes", [0, 1])
def test_supervised_needs_classes(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"2 classes or more, got {num_classes}"):
        methods.build(SupervisedSettings(), "training", SMALL, facts(num_classes))

import pytest
import torch

from iicl import config
from iicl.config import PretrainLength, pretrain_phases
from iicl.training import finetune, loop, pretrain
from iicl.training.weights import load_weights


def silent(fraction: float, text: str) -> None:
    assert 0 <= fraction <= 1


@pytest.fixture
def recipe(settings) -> config.Finetune:
    common = {name: settings[name] for name in ("clip", "encoders", "precision", "seed")}
    return config.Finetune(
        corpus="ucf101", epochs=2, clips_per_item=1, batch_size=8, num_clips=2, **common
    )


@pytest.fixture
def encoder(settings, corpora, tmp_path):
    """A pretraining of one epoch."""
    length = PretrainLength(initialisation=1, co_training=0)
    (phase, _) = pretrain_phases(length, **settings)
    out = tmp_path / "encoder"
    out.mkdir()
    pretrain.run(
        phase,
        corpora=corpora,
        upstream={},
        out=out,
        execution=config.Execution(),
        report=silent,
    )
    return out


def run(recipe, corpora, encoder, out, report=silent, **execution):
    out.mkdir(exist_ok=True)
    return finetune.run(
        recipe,
        corpora=corpora,
        upstream={"encoder": encoder},
        out=out,
        execution=config.Execution(**execution),
        report=report,
    )


def test_training_starts_from_the_encoder_and_an_orthogonal_classifier(
    recipe, corpora, encoder, tmp_path, monkeypatch
):
    started = []

    def note(training, *_):
        state = training.method.state_dict()
        started.append({name: value.clone() for name, value in state.items()})
        rates = [group["lr"] for group in training.optimiser.param_groups]
        assert rates == [recipe.head_learning_rate, recipe.encoder_learning_rate]
        return loop.Trained({}, 1.0, 1, 1)

    monkeypatch.setattr(finetune, "train", note)
    run(recipe, corpora, encoder, tmp_path / "tuned")
    (state,) = started
    for name, value in load_weights(encoder).items():
        if name.startswith("video_encoder."):
            assert torch.equal(state[name], value)
    weight = state["classifier.weight"]
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)))
    assert (state["classifier.bias"] == 0).all()

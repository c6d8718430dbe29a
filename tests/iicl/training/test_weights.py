import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from iicl import methods
from iicl.encoders.choice import Encoders
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.methods.mfcc.settings import Settings as MFCCSettings
from iicl.methods.random_init.settings import Settings as RandomInitSettings
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from iicl.pretraining import Pretrain
from iicl.protocols import Features
from iicl.training.weights import (
    MADE_BY,
    WEIGHTS,
    load_config,
    load_method,
    load_weights,
    save_weights,
)
from tests.iicl.facts import facts

SMALL = Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)


def pretrain(method, phase="training") -> Pretrain:
    return Pretrain(method=method, corpus="audioset", phase=phase, epochs=1, encoders=SMALL, seed=3)


@pytest.mark.parametrize(
    ("settings", "phase"),
    [
        (RandomInitSettings(), "training"),
        (SupervisedSettings(modalities="both"), "training"),
        (SupervisedSettings(modalities="video"), "training"),
        (MFCCSettings(), "training"),
        (IICLSettings(clusters=5, instance_dim=7), "initialisation"),
        (IICLSettings(clusters=5, co_attention_projections=True), "co_training"),
        (IICLSettings(instance_space="h", heads="separate"), "co_training"),
    ],
)
def test_a_method_comes_back_from_its_file_alone(tmp_path, settings, phase):
    torch.manual_seed(0)
    method = methods.build(settings, phase, SMALL, facts(4))
    for tensor in method.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape))
    made_by = pretrain(settings, phase)
    save_weights(method, tmp_path, made_by, facts(4))

    assert load_config(tmp_path) == made_by
    loaded, state = load_method(tmp_path), method.state_dict()
    assert type(loaded) is type(method)
    assert loaded.state_dict().keys() == load_weights(tmp_path).keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    for view in ("video", "audio"):
        if hasattr(method, f"{view}_encoder"):
            assert loaded.encoder(view) is getattr(loaded, f"{view}_encoder")
        else:
            with pytest.raises(ValueError, match=f"no {view} encoder; it has: "):
                loaded.encoder(view)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    wide = Encoders.model_validate({**SMALL.model_dump(), "video_depth": 2})
    save_weights(
        methods.build(RandomInitSettings(), "training", wide, facts()),
        tmp_path,
        pretrain(RandomInitSettings()),
        facts(),
    )
    with pytest.raises(RuntimeError, match=r"layer1\.1"):
        load_method(tmp_path)


def test_weights_of_another_stage_are_refused(tmp_path):
    method = methods.build(RandomInitSettings(), "training", SMALL, facts())
    made_by = Features(corpus="ucf101", seed=3)
    save_weights(method, tmp_path, made_by)
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        settings = json.loads(file.metadata()[MADE_BY])["config"]
    assert Features.model_validate_json(settings) == made_by
    with pytest.raises(ValueError, match="stage 'features'; legal: 'pretrain'"):
        load_method(tmp_path)


def test_weights_without_facts_of_their_corpus_come_back(tmp_path):
    """As earlier versions wrote them."""

    def write(method, settings):
        metadata = {"config": pretrain(settings).model_dump_json()}
        save_file(method.state_dict(), tmp_path / WEIGHTS, metadata)

    method = methods.build(RandomInitSettings(), "training", SMALL, facts())
    method.audio_encoder.input_mean.fill_(-3.0)
    write(method, RandomInitSettings())
    assert load_method(tmp_path).audio_encoder.input_mean == -3.0
    method = methods.build(SupervisedSettings(), "training", SMALL, facts(4))
    write(method, SupervisedSettings())
    loaded = load_method(tmp_path)
    assert torch.equal(loaded.classifier.weight, method.classifier.weight)


def test_equal_weights_are_equal_bytes(tmp_path):
    method = methods.build(RandomInitSettings(), "training", SMALL, facts())
    files = set()
    for _ in range(20):
        save_weights(method, tmp_path, pretrain(RandomInitSettings()), facts())
        files.add((tmp_path / WEIGHTS).read_bytes())
    assert len(files) == 1

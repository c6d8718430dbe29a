import pytest
import torch
from safetensors import safe_open

from iicl import config, methods
from iicl.protocols import Features
from iicl.training.weights import (
    WEIGHTS,
    encoder_of,
    load_config,
    load_method,
    load_weights,
    save_weights,
)

SMALL = config.Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)


def pretrain(method, phase="training") -> config.Pretrain:
    return config.Pretrain(
        method=method, corpus="audioset", phase=phase, epochs=1, encoders=SMALL, seed=3
    )


@pytest.mark.parametrize(
    ("settings", "phase"),
    [
        (config.RandomInit(), "training"),
        (config.Supervised(modalities="both"), "training"),
        (config.Supervised(modalities="video"), "training"),
        (config.MFCC(), "training"),
        (config.IICL(clusters=5, instance_dim=7), "initialisation"),
        (config.IICL(clusters=5, co_attention_projections=True), "co_training"),
        (config.IICL(instance_space="h", heads="separate"), "co_training"),
    ],
)
def test_a_method_comes_back_from_its_file_alone(tmp_path, settings, phase):
    torch.manual_seed(0)
    method = methods.build(settings, phase, SMALL, 4)
    for tensor in method.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape))
    made_by = pretrain(settings, phase)
    save_weights(method, tmp_path, made_by)

    assert load_config(tmp_path) == made_by
    loaded, state = load_method(tmp_path), method.state_dict()
    assert type(loaded) is type(method)
    assert loaded.state_dict().keys() == load_weights(tmp_path).keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    for view in ("video", "audio"):
        if hasattr(method, f"{view}_encoder"):
            assert encoder_of(loaded, view) is getattr(loaded, f"{view}_encoder")
        else:
            with pytest.raises(ValueError, match=f"no {view} encoder; it has: "):
                encoder_of(loaded, view)


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    wide = SMALL.model_copy(update={"video_depth": 2})
    save_weights(
        methods.build(config.RandomInit(), "training", wide),
        tmp_path,
        pretrain(config.RandomInit()),
    )
    with pytest.raises(RuntimeError, match=r"layer1\.1"):
        load_method(tmp_path)


def test_weights_of_another_stage_are_refused(tmp_path):
    method = methods.build(config.RandomInit(), "training", SMALL)
    made_by = Features(corpus="ucf101", seed=3)
    save_weights(method, tmp_path, made_by)
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        assert Features.model_validate_json(file.metadata()["config"]) == made_by
    with pytest.raises(ValueError, match="stage 'features'; legal: 'pretrain'"):
        load_method(tmp_path)

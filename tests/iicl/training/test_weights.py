import torch
from safetensors import safe_open

from iicl import config, methods
from iicl.training.weights import WEIGHTS, load_encoder, load_weights, save_weights

SMALL = config.Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)


def test_weights_travel_with_their_buffers_and_their_configuration(tmp_path):
    torch.manual_seed(0)
    method = methods.build(config.RandomInit(), "training", SMALL)
    method.audio_encoder.input_mean.fill_(-4.0)
    method.video_encoder.stem[1].running_mean.fill_(0.3)
    made_by = config.Features(corpus="ucf101", encoders=SMALL, seed=3)
    save_weights(method, tmp_path, made_by)

    state = method.state_dict()
    loaded = load_weights(tmp_path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        assert config.Features.model_validate_json(file.metadata()["config"]) == made_by
    for view in ("video", "audio"):
        encoder = load_encoder(tmp_path, view, SMALL)
        for name, value in encoder.state_dict().items():
            assert torch.equal(value, state[f"{view}_encoder.{name}"])

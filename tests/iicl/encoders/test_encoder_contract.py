"""Every encoder keeps the contract of iicl.encoders, and its settings give its price."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from iicl import encoders
from iicl.config import Clip
from iicl.encoders import settings_class
from iicl.encoders.settings import EncoderSettings
from tests.iicl.facts import facts

CLIPS = [
    Clip(num_frames=5, size=20, mel_bins=40, spectrogram_frames=37),
    Clip(num_frames=8, size=32, mel_bins=24, spectrogram_frames=64),
]


def small(name: str, **sizes: int) -> EncoderSettings:
    """Settings with small sizes; an encoder that doesn't have these sizes takes its defaults."""
    settings = settings_class(name)
    return settings(**{key: n for key, n in sizes.items() if key in settings.model_fields})


def of_spectrograms() -> list[str]:
    """Names of the encoders that take log-mel spectrograms."""
    return [name for name in encoders.names() if settings_class(name).INPUT == "spectrogram"]


@pytest.mark.parametrize("sizes", [{"width": 3, "depth": 1}, {"width": 4, "depth": 3}])
@pytest.mark.parametrize("name", encoders.names())
def test_settings_give_the_price_of_the_network(name: str, sizes: dict[str, int]) -> None:
    settings = small(name, **sizes)
    network = encoders.build(settings, facts()).eval()
    assert settings.num_parameters() == sum(p.numel() for p in network.parameters())
    for clip in CLIPS:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *settings.input_shape(clip)))
        assert 2 * settings.macs(clip) == counter.get_total_flops()


@pytest.mark.parametrize("clip", CLIPS, ids=["odd", "even"])
@pytest.mark.parametrize("name", encoders.names())
def test_a_feature_is_pooled_from_tokens(name: str, clip: Clip) -> None:
    torch.manual_seed(0)
    settings = small(name, width=2, depth=1)
    network = encoders.build(settings, facts()).eval()
    inputs = torch.randn(2, *settings.input_shape(clip))
    with torch.no_grad():
        tokens, features = network.tokens(inputs), network(inputs)
    assert network.feature_dim == settings.feature_dim
    assert tokens.shape == (2, settings.num_tokens(clip), settings.feature_dim)
    pooled = {"mean": tokens.mean(1), "maximum": tokens.amax(1)}
    torch.testing.assert_close(features, pooled[settings.POOLING])


@pytest.mark.parametrize("name", of_spectrograms())
def test_spectrograms_are_normalised_by_the_corpus(name: str) -> None:
    settings, inputs = small(name, width=2, depth=1), torch.randn(2, 1, 24, 32)
    networks = []
    for mean, std in ((0.0, 1.0), (-6.0, 2.5)):
        torch.manual_seed(0)
        corpus = facts().model_copy(update={"log_mel_mean": mean, "log_mel_std": std})
        networks.append(encoders.build(settings, corpus).eval())
    plain, normalising = networks
    torch.testing.assert_close(normalising(inputs * 2.5 - 6), plain(inputs))
    silent = facts().model_copy(update={"log_mel_mean": None, "log_mel_std": None})
    with pytest.raises(ValueError, match="corpus audioset has no item with sound"):
        encoders.build(settings, silent)


@pytest.mark.parametrize("name", encoders.names())
def test_initial_weights_follow_from_the_seed(name: str) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(encoders.build(small(name, width=2, depth=1), facts()).state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_people_see_a_name_of_its_own() -> None:
    titles = [settings_class(name).TITLE for name in encoders.names()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", encoders.names())
def test_names_are_those_of_the_folders(name: str) -> None:
    assert name == settings_class(name).NAME
    with pytest.raises(ValueError, match=f"no encoder named 'other'; legal: .*{name}"):
        settings_class("other")

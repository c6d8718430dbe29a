"""The encoders against torchvision's networks."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.video import r2plus1d_18

from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.r2plus1d.settings import Settings
from iicl.encoders.resnet.network import ResNet


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_paper_size() -> None:
    with torch.device("meta"):
        video, audio = R2Plus1D(), ResNet()
    assert num_parameters(video) == 31_300_125
    assert num_parameters(audio) == 11_170_240
    assert video.feature_dim == audio.feature_dim == 512
    with torch.device("meta"):
        assert video.tokens(torch.empty(2, 3, 32, 128, 128)).shape == (2, 4 * 8 * 8, 512)
        assert audio.tokens(torch.empty(2, 1, 40, 100)).shape == (2, 2 * 4, 512)


def randomised(network: nn.Module) -> nn.Module:
    """Batch norm with statistics and scales other than those of a fresh network."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(std=0.1)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.8, 1.2)
    return network


def test_video_encoder_is_torchvisions_network() -> None:
    torch.manual_seed(0)
    theirs = randomised(r2plus1d_18()).double()
    theirs.fc = nn.Identity()
    ours = R2Plus1D().double()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    clip = torch.randn(2, 3, 4, 24, 24, dtype=torch.float64)
    for mode in (False, True):
        theirs.train(mode), ours.train(mode)
        with torch.no_grad():
            torch.testing.assert_close(ours(clip), theirs(clip), rtol=1e-9, atol=1e-9)


def test_audio_encoder_is_torchvisions_network() -> None:
    torch.manual_seed(0)
    theirs = resnet18()
    theirs.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    theirs = randomised(theirs).eval()
    theirs.fc = nn.Identity()
    ours = ResNet().eval()
    state = theirs.state_dict()
    ours.load_state_dict(
        {**state, "input_mean": torch.tensor(-6.0), "input_std": torch.tensor(2.5)}, strict=True
    )
    log_mel = torch.randn(2, 1, 40, 100) * 3 - 5
    with torch.no_grad():
        expected = theirs((log_mel + 6) / 2.5)
        torch.testing.assert_close(ours(log_mel), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "depth"), [(2, 1), (16, 1), (8, 3)])
def test_width_and_depth(width: int, depth: int) -> None:
    video, audio = R2Plus1D(width, depth), ResNet(width, depth)
    for encoder, x in (
        (video, torch.randn(2, 3, 8, 32, 32)),
        (audio, torch.randn(2, 1, 40, 100)),
    ):
        assert encoder(x).shape == (2, 8 * width)
        assert [len(getattr(encoder, f"layer{s}")) for s in (1, 2, 3, 4)] == [depth] * 4
        torch.testing.assert_close(encoder.eval()(x), encoder.tokens(x).mean(1))


def test_stem_keeps_its_proportion() -> None:
    assert R2Plus1D(16, 1).stem[0].out_channels == 11
    assert R2Plus1D(1, 1).stem[0].out_channels == 1


@pytest.mark.parametrize(
    ("multiple", "stem", "middles"),
    # 36 lies between 32 and 40; the other channels have one nearest multiple.
    [(1, 11, [36, 57, 115, 230]), (8, 8, [32, 56, 112, 232]), (64, 64, [64, 64, 128, 256])],
)
def test_channels_within_pairs_are_multiples(multiple: int, stem: int, middles: list[int]) -> None:
    encoder = R2Plus1D(16, 1, multiple)
    assert encoder.stem[0].out_channels == stem
    stages = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
    assert [stage[0].conv1[0][0].out_channels for stage in stages] == middles
    assert [stage[0].conv2[0][0].out_channels for stage in stages] == middles
    settings = Settings(width=16, depth=1, middle_multiple=multiple)
    assert settings.num_parameters() == sum(p.numel() for p in encoder.parameters())
    assert ("middle_multiple" in settings.model_dump()) == (multiple > 1)


def test_features_of_bf16_encoding_are_float32() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert R2Plus1D(2, 1)(torch.randn(2, 3, 4, 16, 16)).dtype == torch.float32
        assert ResNet(2, 1)(torch.randn(2, 1, 40, 20)).dtype == torch.float32

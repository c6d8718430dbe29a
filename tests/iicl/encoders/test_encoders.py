"""The encoders against torchvision's networks."""

from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18
from torchvision.models.video import VideoResNet, mc3_18, r2plus1d_18, r3d_18, s3d
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem

from iicl import encoders
from iicl.config import Clip, PretrainLength
from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.r2plus1d.settings import Settings
from iicl.encoders.resnet.network import ResNet
from iicl.pretraining import pretrain_phases
from tests.iicl.encoders.test_encoder_contract import small
from tests.iicl.facts import facts


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


def without_classifier(network: nn.Module) -> nn.Module:
    """torchvision's network up to the mean over places."""
    if isinstance(network, VideoResNet):
        network.fc = nn.Identity()
        return network
    network.avgpool, network.classifier = nn.Identity(), nn.Identity()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 0.1
    return network


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("r2plus1d", r2plus1d_18), ("r3d", r3d_18), ("mc3", mc3_18), ("s3d", s3d)],
)
def test_video_encoder_is_torchvisions_network(name: str, theirs: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    given = without_classifier(randomised(theirs())).double()
    with torch.device("meta"):
        ours = encoders.build(encoders.settings_class(name)(), facts())
    ours.to_empty(device="cpu").double()
    ours.load_state_dict(given.state_dict(), strict=True)
    clip = torch.randn(2, 3, 5, 18, 18, dtype=torch.float64)
    for mode in (False, True):
        given.train(mode), ours.train(mode)
        with torch.no_grad():
            torch.testing.assert_close(ours(clip), given(clip), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours.state_dict(), given.state_dict(), rtol=1e-9, atol=1e-9)


def test_initial_weights_are_those_that_torchvision_draws() -> None:
    # Of no class, since the weights of a classifier would be drawn in between.
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="zero-element"):
        theirs = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [1] * 4, R2Plus1dStem, num_classes=0)
    theirs.fc = nn.Identity()
    torch.manual_seed(0)
    ours = R2Plus1D(depth=1)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("frames", "size"), [(4, 32), (8, 16)])
@pytest.mark.parametrize("name", ["s3d", "s3dg"])
def test_too_small_a_clip_is_refused(name: str, frames: int, size: int) -> None:
    settings, clip = encoders.settings_class(name)(width=2), Clip(num_frames=frames, size=size)
    message = f"{frames} frames of {size} x {size} .* legal: 5 frames"
    with pytest.raises(ValueError, match=message):
        settings.macs(clip)
    with pytest.raises(ValueError, match=message):
        encoders.build(settings, facts())(torch.zeros(1, 3, frames, size, size))
    with pytest.raises(ValidationError, match=f"encoders\n.*{message}"):
        pretrain_phases(
            PretrainLength(),
            method={"name": "supervised"},
            encoders={"video": name, "video_width": 2, "audio_width": 4},
            clip=clip,
            corpus="ucf101",
            seed=0,
        )
    assert settings.num_tokens(clip) == 0


def test_gates_scale_channels() -> None:
    torch.manual_seed(0)
    plain, gated = (
        encoders.build(encoders.settings_class(name)(width=4), facts()).eval()
        for name in ("s3d", "s3dg")
    )
    missing, unexpected = gated.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(".gates." in name for name in missing)
    clip = torch.randn(2, 3, 5, 18, 18)
    block, x = gated.features[5], gated.features[:5](clip)
    expected = plain.features[5](x)
    start = 0
    for gate in block.gates:
        part = expected[:, start : start + gate.map.out_features]
        means = part.flatten(2).mean(2)
        scale = 1 / (1 + torch.exp(-(means @ gate.map.weight.T + gate.map.bias)))
        part *= scale[..., None, None, None]
        start += gate.map.out_features
    torch.testing.assert_close(block(x), expected)


def test_avids_block_normalises_the_sum_of_both_ways() -> None:
    torch.manual_seed(0)
    settings = encoders.settings_class("r2plus1d_avid")(width=2, depth=1)
    block = randomised(encoders.build(settings, facts())).eval().layer2[0]
    x = torch.randn(1, 2, 4, 6, 6)
    shortcut = torch.einsum(
        "oi,bithw->bothw", block.shortcut.weight[..., 0, 0, 0], x[..., ::2, ::2]
    )
    total = block.main(x) + shortcut[:, :, ::2]
    torch.testing.assert_close(block(x), block.norm(total).relu())
    convolutions = [m for m in block.main.modules() if isinstance(m, nn.Conv3d)]
    assert [c.kernel_size for c in convolutions] == [(1, 3, 3), (3, 1, 1)] * 2


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


def test_vmz_has_its_own_middles_and_norms() -> None:
    encoder = R2Plus1D(16, 1, middle="convolution")
    pairs = [(stage[0].conv1[0], stage[0].conv2[0]) for stage in (encoder.layer1, encoder.layer4)]
    # 27 i o / (9 i + 3 o) of i, o = 16, 16; 16, 16; 64, 128; 128, 128
    assert [[pair[0].out_channels for pair in block] for block in pairs] == [[36, 36], [230, 288]]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm3d)]
    assert {norm.eps for norm in norms} == {1e-3}
    settings, clip = Settings(width=16, depth=1, middle="convolution"), Clip(num_frames=8, size=32)
    assert settings.model_dump() == {"width": 16, "depth": 1, "middle": "convolution"}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.eval()(torch.zeros(1, 3, 8, 32, 32))
    assert 2 * settings.macs(clip) == counter.get_total_flops()


def test_maps_of_avids_networks() -> None:
    video = encoders.settings_class("r2plus1d_avid")()
    assert video.num_tokens(Clip(num_frames=8, size=224)) == 7 * 7
    assert video.num_tokens(Clip(num_frames=8, size=32)) == 1
    audio = encoders.settings_class("conv10")()
    assert audio.num_tokens(Clip(mel_bins=200, spectrogram_frames=257)) == 13 * 17


@pytest.mark.parametrize("name", encoders.names())
def test_features_of_bf16_encoding_are_float32(name: str) -> None:
    settings = small(name, width=2, depth=1)
    inputs = torch.randn(2, *settings.input_shape(Clip(num_frames=5, size=18)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encoders.build(settings, facts())(inputs).dtype == torch.float32

"""The chunked step encodes in the precision that is asked for."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.training.large_batch import backward
from tests.iicl.training.chunked_steps import (
    N,
    chunks_of,
    gradients,
)


class Recorder(IICL):
    """Notes what ``encode`` and ``loss`` were given."""

    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.encoding_autocast = torch.is_autocast_enabled("cpu")
        return super().encode(views)

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        self.loss_autocast = torch.is_autocast_enabled("cpu")
        self.dtypes = {feature.dtype for feature in features.values()}
        return super().loss(features)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("co_attention", ["batch", "token"])
def test_bf16_encodes_in_autocast_and_takes_the_loss_in_float32(
    size: int, co_attention: str
) -> None:
    def small() -> Recorder:
        torch.manual_seed(0)
        settings = IICLSettings(clusters=5, instance_dim=7, co_attention=co_attention)
        return Recorder(settings, "co_training", R2Plus1D(4, 1), ResNet(4, 1))

    torch.manual_seed(1)
    batch = {"video": torch.randn(N, 3, 8, 16, 16), "audio": torch.randn(N, 1, 40, 32)}
    method, plain = small(), small()
    total, *_ = backward(method, batch, size, precision="bf16")
    assert method.encoding_autocast
    assert not method.loss_autocast
    assert method.dtypes == {torch.float32}

    encoded = []
    for chunk in chunks_of(batch, size):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded.append(plain.encode(chunk))
    expected, _ = plain.loss({n: torch.cat([e[n] for e in encoded]).float() for n in encoded[0]})
    expected.backward()
    torch.testing.assert_close(total, expected.detach())
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(gradients(method)[name], gradient, rtol=1e-3, atol=1e-5)


def test_float32_uses_no_autocast() -> None:
    torch.manual_seed(0)
    settings = IICLSettings(clusters=5, instance_dim=7)
    method = Recorder(settings, "co_training", R2Plus1D(2, 1), ResNet(2, 1))
    batch = {"video": torch.randn(N, 3, 4, 16, 16), "audio": torch.randn(N, 1, 40, 32)}
    backward(method, batch, 4)
    assert not method.encoding_autocast

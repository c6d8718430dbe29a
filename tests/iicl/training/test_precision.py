"""Whether convolutions on a CUDA device round to TF32 is a matter of the precision's name."""

from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor

from iicl.config import Precision
from iicl.training.precision import encode
from tests.iicl.fake_device import CUDA, fake_device


@pytest.fixture(params=[True, False])
def switches(request: pytest.FixtureRequest) -> Iterator[None]:
    """Torch's switches, on or off before the test, as they were after it."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = request.param
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def rounds() -> dict[str, bool]:
    """What rounds to TF32 now."""
    return {
        "products": torch.backends.cuda.matmul.allow_tf32,
        "convolutions": torch.backends.cudnn.allow_tf32,
    }


@pytest.mark.usefixtures("switches")
@pytest.mark.parametrize("precision", get_args(Precision))
def test_convolutions_round_to_tf32_only_by_that_name(precision: Precision) -> None:
    expected = {"products": False, "convolutions": precision == "tf32"}

    def encoder(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        assert rounds() == expected
        return {"x": 2 * batch["x"]}

    with fake_device():
        encode(encoder, {"x": torch.ones(3, device=CUDA)}, precision)
    assert rounds() == expected, "the backward pass reads the switches, too"


def test_a_cpu_has_no_tf32() -> None:
    with pytest.raises(ValueError, match="tf32 needs a CUDA device, got cpu; legal here: float32"):
        encode(dict, {"x": torch.ones(3)}, "tf32")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_rounds_its_convolutions_to_tf32_only_by_that_name() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(64, 64, 3)
    x = torch.randn(4, 64, 32, 32)
    exact = network.double()(x.double())
    network.float().to("cuda")

    def error(precision: Precision) -> float:
        given = encode(lambda batch: {"x": network(batch["x"])}, {"x": x.to("cuda")}, precision)
        return float((given["x"].cpu() - exact).abs().max() / exact.abs().max())

    assert error("float32") < 1e-5
    if torch.cuda.get_device_capability() >= (8, 0):  # older ones do not have it
        assert 1e-5 < error("tf32") < 1e-2

"""Every method computes on the device of its weights and samples, whatever device it is."""

from collections.abc import Mapping
from typing import get_args

import pytest
import torch
from torch import Tensor

from iicl import methods
from iicl.config import Precision
from iicl.methods.iicl import method as iicl_method
from iicl.training.precision import encode
from tests.iicl.fake_device import CUDA, fake_device
from tests.iicl.methods.every_method import NAMES, TRAINED, inputs_of, make

pytestmark = pytest.mark.usefixtures("examples", "rounds_on_a_device")


def run(name: str, phase: str, precision: Precision) -> dict[str, Tensor]:
    """All tensors that a method gives of four items on the device, in any way."""
    method = make(name, phase).to(CUDA)
    batch = {sample: x.to(CUDA) for sample, x in inputs_of(name, 4, phase=phase).items()}
    features = encode(method.encode, batch, precision)
    given = dict(features)
    if name in TRAINED:
        total, parts = method.loss(features)
        given |= {**parts, "total": total}
        with torch.no_grad():
            method.after_step(0, {key: feature.detach() for key, feature in features.items()})
    for space, head in method.heads().items():
        given[space] = head(method.samples[0], torch.ones(4, 16, device=CUDA))
    return given | method.state_dict()


def devices(tensors: Mapping[str, Tensor]) -> set[str]:
    return {x.device.type for x in tensors.values()}


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("name", NAMES)
def test_it_mixes_no_devices(name: str, precision: Precision) -> None:
    for phase in methods.settings_class(name).PHASES:
        with fake_device():
            given = run(name, phase, precision)
        assert devices(given) == {"cuda"}


@pytest.mark.parametrize("name", TRAINED)
def test_what_it_does_before_an_epoch_mixes_no_devices(name: str) -> None:
    with fake_device(), torch.no_grad():
        method = make(name).to(CUDA)
        batch = {sample: x.to(CUDA) for sample, x in inputs_of(name, 12).items()}
        features = encode(method.encode, batch, "float32")
        method.before_epoch(0, lambda names: {key: features[key] for key in names})
        assert devices(method.state_dict()) == {"cuda"}


def test_a_tensor_of_the_host_in_a_loss_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(first: Tensor, second: Tensor, **_: object) -> dict[str, Tensor]:
        return {"of pairs": torch.nn.functional.cross_entropy(first @ second.T, torch.arange(4))}

    monkeypatch.setattr(iicl_method, "instance_loss", loss)
    with fake_device(), pytest.raises(RuntimeError, match="two different devices cuda:0, cpu"):
        run("iicl", "initialisation", "float32")

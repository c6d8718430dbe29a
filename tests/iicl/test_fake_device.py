"""The device of the tests refuses what a GPU refuses, and notes what makes the host wait."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.iicl.fake_device import CUDA, fake_device

WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "a number": lambda x: float(x[0]),
    "a condition": lambda x: bool((x > 0).all()),
    "a list": lambda x: x.tolist(),
    "a copy on the host": lambda x: x.cpu(),
    "a tensor made of numbers": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "a tensor of the host": lambda x: torch.ones(2).to(x),
    "a copy from the host": lambda x: x.copy_(torch.zeros(3)),
    "an index on the host": lambda x: x[torch.tensor([0])],
    "places that are set": lambda x: x.index_put_((x > 0,), torch.ones((), device=x.device)),
}
SIZES: dict[str, Callable[[Tensor], object]] = {
    "places": lambda x: x[x > 0],
    "selected places": lambda x: torch.masked_select(x, x > 0),
    "numbers of places": lambda x: torch.nonzero(x),
    "different values": lambda x: torch.unique(x),
}
NO_WAITS: dict[str, Callable[[Tensor], object]] = {
    "arithmetic with a number": lambda x: (x * 2 + torch.tensor(1.0)).sum(),
    "a tensor made on the device": lambda x: torch.arange(3, device=x.device),
    "sent without waiting": lambda x: torch.ones(2).to(x.device, non_blocking=True),
    "an index on the device": lambda x: x[torch.arange(2, device=x.device)],
    "places filled": lambda x: x.masked_fill(x > 0, 1.0),
    "values of the host": lambda x: torch.ones(3).sum().item(),
    "repeated": lambda x: x.repeat_interleave(3, dim=0),
}
MIXTURES: dict[str, Callable[[Tensor], object]] = {
    "a sum": lambda x: x + torch.zeros(3),
    "a product": lambda x: x @ torch.ones(3),
    "targets of the host": lambda x: torch.nn.functional.cross_entropy(x[None], torch.arange(1)),
    "a row": lambda x: torch.cat([x, torch.ones(1)]),
}


@pytest.mark.parametrize("operation", WAITS.values(), ids=WAITS)
def test_a_wait_is_noted_once(operation: Callable[[Tensor], object]) -> None:
    with fake_device() as waits:
        operation(torch.ones(3, device=CUDA))
    assert len(waits.operations) == 1


@pytest.mark.parametrize("operation", SIZES.values(), ids=SIZES)
def test_a_size_that_depends_on_values_is_refused(operation: Callable[[Tensor], object]) -> None:
    with fake_device() as waits, pytest.raises(Exception, match="aten"):
        operation(torch.ones(3, device=CUDA))
    assert len(waits.operations) == 1


@pytest.mark.parametrize("operation", NO_WAITS.values(), ids=NO_WAITS)
def test_other_work_waits_for_nothing(operation: Callable[[Tensor], object]) -> None:
    with fake_device() as waits:
        operation(torch.ones(3, device=CUDA))
    assert waits.operations == []


@pytest.mark.parametrize("operation", MIXTURES.values(), ids=MIXTURES)
def test_tensors_of_two_devices_do_not_mix(operation: Callable[[Tensor], object]) -> None:
    with fake_device(), pytest.raises(RuntimeError, match="two different devices cuda:0, cpu"):
        operation(torch.ones(3, device=CUDA))


def test_the_host_computes_values() -> None:
    with fake_device() as waits:
        assert torch.arange(4).sum().item() == 6
        assert torch.ones(3, device=CUDA).tolist() == [1.0, 1.0, 1.0]
    assert waits.operations == ["aten::_to_copy"]

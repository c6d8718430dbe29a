"""The host waits for the device once in a step: to learn whether it is finite, and its losses.

Each further wait would leave the device idle until the host has given it more work.
"""

import functools
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from iicl.methods.base import Method
from iicl.training import checkpoint, pretrain
from tests.iicl.context import context
from tests.iicl.fake_device import WITH_BACKWARD, fake_device
from tests.iicl.methods.every_method import TRAINED

pytestmark = pytest.mark.usefixtures("examples", "rounds_on_a_device")
STEPS_PER_EPOCH = 3


@pytest.fixture
def waits_of_steps(
    phases: Callable[[str], list],
    settings: dict,
    corpora: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., list[list[str]]]:
    """Trains a method on a fake device; gives what waited in each step but the first of an epoch.

    Before the first step of an epoch, a method may act.
    """

    def trained(name: str, chunk_size: int = 4) -> list[list[str]]:
        planned = phases(name)
        upstream: dict[str, Path] = {}
        for phase in planned[:-1]:  # no steps
            (tmp_path / phase.phase).mkdir()
            pretrain.run(phase, context(tmp_path / phase.phase, corpora=corpora, upstream={}))
            upstream = {"previous": tmp_path / phase.phase}
        optimisation = planned[-1].optimisation.model_copy(update={"chunk_size": chunk_size})
        last = planned[-1].model_copy(update={"optimisation": optimisation})
        steps: list[list[str]] = []
        # This device has no autocast and no fused optimiser; its tensors fit in no file.
        monkeypatch.setattr(torch.optim, "Adam", functools.partial(_unfused, torch.optim.Adam))
        monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        monkeypatch.setattr(checkpoint, "save", lambda *_: None)
        monkeypatch.setattr(pretrain, "save_weights", lambda *_: None)
        with fake_device() as waits:

            def report(fraction: float, text: str) -> None:
                steps.append(waits.operations.copy())
                waits.operations.clear()

            where = {"device": str(WITH_BACKWARD), "checkpoint_seconds": 3600}
            given = {"corpora": corpora, "upstream": upstream, "report": report}
            pretrain.run(last, context(tmp_path, **given, **where))
        assert len(steps) == 2 * STEPS_PER_EPOCH
        return [waited for step, waited in enumerate(steps) if step % STEPS_PER_EPOCH]

    return trained


def _unfused(kind: type, *args: object, fused: bool, **settings: object) -> object:
    return kind(*args, **settings)


@pytest.mark.parametrize("chunk_size", [4, 12])
@pytest.mark.parametrize("name", TRAINED)
def test_a_step_waits_once(
    name: str, chunk_size: int, waits_of_steps: Callable[..., list[list[str]]]
) -> None:
    for waited in waits_of_steps(name, chunk_size):
        assert waited == ["aten::_to_copy"]


def test_a_wait_in_a_hook_is_seen(
    waits_of_steps: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_step(self: Method, step: int, features: dict[str, torch.Tensor]) -> None:
        float(features["video"].mean())

    monkeypatch.setattr(Method, "after_step", after_step)
    for waited in waits_of_steps("iicl"):
        assert waited == ["aten::_to_copy", "aten::_local_scalar_dense"]

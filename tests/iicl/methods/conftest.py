import importlib
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor

from iicl import config, methods
from iicl.methods.xdc.rounds import Round
from iicl.pretraining import Pretrain, pretrain_phases
from tests.iicl.methods.every_method import EXAMPLES, LENGTH, SMALL, small


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Puts the example methods beside those of the product, where they are found by name."""
    root = tmp_path_factory.mktemp("methods")
    for name in EXAMPLES:
        file = f"tests.iicl.methods.examples.{name}"
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
        (root / name / "settings.py").write_text(f"from {file} import Settings\n")
        (root / name / "method.py").write_text(f"from {file} import build\n")
    methods.__path__.append(str(root))
    importlib.invalidate_caches()
    yield
    methods.__path__.remove(str(root))
    for name in EXAMPLES:
        for module in ("", ".settings", ".method"):
            sys.modules.pop(f"iicl.methods.{name}{module}", None)


@pytest.fixture
def rounds_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters without values, as scikit-learn can read none of a device without hardware."""

    def make_round(features: Sequence[Tensor], before: Tensor, clusters: int) -> Round:
        rows = torch.cat(features, dim=1)
        number = torch.zeros((), device=rows.device)
        return Round(before, rows.mean(0), rows[:clusters], number, number)

    monkeypatch.setattr("iicl.methods.xdc.method.make_round", make_round)


@pytest.fixture
def phases(settings: dict) -> Callable[[str], list]:
    """Makes the phases of a pretraining: the last has two epochs, those before have none.

    An epoch has three steps of three chunks.
    """
    settings |= {
        "clip": config.Clip(num_frames=4, fps=8.0, size=16, audio_seconds=0.5),
        "encoders": SMALL,
        "optimisation": {"batch_size": 12, "chunk_size": 4},
    }

    def make(name: str) -> list[Pretrain]:
        *before, last = pretrain_phases(LENGTH, **{**settings, "method": small(name)})
        phases = [phase.model_copy(update={"epochs": 0}) for phase in before]
        epochs = 2 if last.epochs else 0
        return [*phases, last.model_copy(update={"epochs": epochs})]

    return make

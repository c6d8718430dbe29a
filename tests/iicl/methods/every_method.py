"""The methods that the contract tests go through: the product's, and the examples beside them."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from iicl import methods
from iicl.config import PretrainLength
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.settings import MethodSettings
from iicl.samples import Sample
from tests.iicl.facts import facts

EXAMPLES = sorted(path.stem for path in (Path(__file__).parent / "examples").glob("*.py"))
NAMES = [*methods.names(), *EXAMPLES]
SMALL = Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)
LENGTH = PretrainLength(initialisation=0, co_training=2)


def settings_of(name: str) -> MethodSettings:
    if name in EXAMPLES:
        return importlib.import_module(f"tests.iicl.methods.examples.{name}").Settings()
    return methods.settings_class(name)()


TRAINED = [name for name in NAMES if any(p.epochs for p in settings_of(name).phases(LENGTH))]


def make(name: str, phase: str | None = None) -> Method:
    """The method of a phase, by default the last, with weights that are always the same."""
    torch.manual_seed(0)
    settings = methods.read_settings({"name": name})
    return methods.build(settings, phase or settings.PHASES[-1], SMALL, facts(3))


def batch_of(
    names: Sequence[str], num_items: int, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Random samples of the first so many items."""
    generator = torch.Generator().manual_seed(1)
    drawn = {"video": (3, 4, 16, 16), "audio": (1, 40, 32), "label": (3,)}
    batch = {}
    for name in names:
        if (shape := drawn.get(Sample(name).view)) is None:
            batch[name] = torch.arange(num_items)
            continue
        x = torch.randn(num_items, *shape, dtype=torch.float64, generator=generator)
        batch[name] = (x.softmax(1) if name == "label" else x).to(dtype)
    return batch

"""The methods that the contract tests go through: the product's, and the examples beside them."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from iicl import methods
from iicl.config import Clip, PretrainLength
from iicl.encoders.choice import Encoders, default_names
from iicl.methods.base import Method
from iicl.methods.settings import MethodSettings, read_clip
from iicl.samples import Sample
from tests.iicl.facts import facts

EXAMPLES = sorted(path.stem for path in (Path(__file__).parent / "examples").glob("*.py"))
NAMES = [*methods.names(), *EXAMPLES]
SMALL = Encoders(video_width=2, video_depth=1, audio_width=2, audio_depth=1)
CLIP = Clip(num_frames=4, size=16, mel_bins=40, spectrogram_frames=32)
NUM_CLASSES = 3
LENGTH = PretrainLength(initialisation=0, co_training=2)

# In place of defaults that are too large for a corpus of 12 items of 3 seconds, that make no corpus
# pass, or that treat one chunk other than the next.
FEW: dict[str, dict[str, object]] = {
    "xdc": {"clusters": 3},
    "avid": {"start": "filled"},
    "avid_cma": {"start": "filled", "positives": 2},
    "vcop": {"clip_frames": 2, "gap": 1},
    "st_puzzle": {"slot_frames": 3, "piece_frames": 2},
    "speednet": {"sizes": (1.0, 1.0)},
}


def small(name: str) -> dict[str, object]:
    """The settings of a method that suit a small corpus."""
    return {"name": name, **FEW.get(name, {})}


def settings_of(name: str) -> MethodSettings:
    if name in EXAMPLES:
        return importlib.import_module(f"tests.iicl.methods.examples.{name}").Settings()
    return methods.read_settings(small(name))


TRAINED = [name for name in NAMES if any(p.epochs for p in settings_of(name).phases(LENGTH))]


def make(name: str, phase: str | None = None) -> Method:
    """The method of a phase, by default the last, with weights that are always the same."""
    torch.manual_seed(0)
    settings = methods.read_settings(small(name))
    return methods.build(settings, phase or settings.PHASES[-1], SMALL, facts(NUM_CLASSES))


def inputs_of(
    name: str, num_items: int, dtype: torch.dtype = torch.float32, phase: str | None = None
) -> dict[str, Tensor]:
    """What a method reads of the first so many items in a phase, by default the last."""
    settings = settings_of(name)
    samples = settings.samples(phase or settings.PHASES[-1])
    clips = {sample.name: read_clip(sample, CLIP) for sample in samples}
    return batch_of([sample.name for sample in samples], num_items, dtype, clips)


def batch_of(
    names: Sequence[str],
    num_items: int,
    dtype: torch.dtype = torch.float32,
    clips: Mapping[str, Clip] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Samples of the first so many items: random inputs of each view's default encoder.

    A sample has the shape of its clip in ``clips``, or that of ``CLIP``.

    A label is a random distribution; what else has no encoder is the number of the item.
    """
    generator = torch.Generator().manual_seed(1)
    batch = {}
    for name in names:
        view = Sample(name).view
        if view in default_names():
            shape = SMALL.of(view).input_shape(clips.get(name, CLIP))
        elif view == "label":
            shape = (NUM_CLASSES,)
        elif view == "draws":
            batch[name] = torch.rand(num_items, 10, generator=generator)
            continue
        else:
            batch[name] = torch.arange(num_items)
            continue
        x = torch.randn(num_items, *shape, dtype=torch.float64, generator=generator)
        batch[name] = (x.softmax(1) if view == "label" else x).to(dtype)
    return batch


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name

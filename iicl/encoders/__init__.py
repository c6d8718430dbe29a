"""Encoders, one folder each, found by name.

A folder holds ``settings.py`` with ``Settings``, which imports no torch and gives the price of the
network, and ``network.py`` with ``build(settings, facts)``, which makes the network with weights
drawn from torch's generator. A network has ``feature_dim``, ``tokens(x)`` of shape (B, L, D), and
gives (B, D), by default their mean; ``POOLING`` of the settings tells. What networks share is in
``network.py``, ``video_resnet.py`` and ``settings.py`` of this folder.

Modules are imported by name when they are asked for: an encoder that nobody uses changes nobody's
code hash.
"""

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

from iicl.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn

    from iicl.config import CorpusFacts


def names() -> list[str]:
    """Sorted names of all encoders."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@functools.cache
def settings_class(name: str) -> type[EncoderSettings]:
    """The settings of the encoder of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in names():
        raise ValueError(f"no encoder named {name!r}; legal: {', '.join(names())}")
    settings: type[EncoderSettings] = importlib.import_module(
        f"{__name__}.{name}.settings"
    ).Settings
    return settings


def build(settings: EncoderSettings, facts: "CorpusFacts") -> "nn.Module":
    """The network of an encoder, with weights drawn from torch's global generator.

    Args:
        settings: sizes; their class says which encoder it is.
        facts: of the corpus that the encoder will be trained on.

    Raises:
        ValueError: if the corpus lacks what the encoder's input is normalised by.
    """
    network: nn.Module = importlib.import_module(f"{__name__}.{settings.NAME}.network").build(
        settings, facts
    )
    return network

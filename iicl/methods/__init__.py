"""Pretext methods, one file each, found by the name in their configuration."""

import importlib

from iicl import config
from iicl.methods.base import Method


def build(
    method: config.Method,
    phase: config.Phase,
    encoders: config.Encoders,
    num_classes: int | None = None,
) -> Method:
    """Make a method with freshly initialised weights, drawn from torch's global generator.

    Args:
        method: settings; their ``name`` is the module in this package that is asked to build.
        phase: what the method is built for; some train fewer parts in their first phase.
        encoders: sizes of the encoders.
        num_classes: classes of the corpus, for methods that read labels.

    Raises:
        ValueError: if the settings do not fit together, or labels are needed and not there.
    """
    module = importlib.import_module(f"{__name__}.{method.name}")
    built = module.build(method, phase, encoders, num_classes)
    assert isinstance(built, Method)
    return built

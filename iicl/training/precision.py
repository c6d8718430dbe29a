"""Encoding in the precision of a run."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from iicl.config import Precision

Views = Mapping[str, Tensor]


def encode(
    encoder: Callable[[Views], dict[str, Tensor]], views: Views, precision: Precision
) -> dict[str, Tensor]:
    """Features in float32 or more, encoded in the given precision.

    Args:
        encoder: maps views to features.
        views: tensors of one device, items along the first dimension; under "bf16" those of five
            dimensions, videos, are given in the channels-last layout.
        precision: "bf16" runs the encoder in autocast.
    """
    bf16 = precision == "bf16"
    if bf16:
        views = {
            name: view.contiguous(memory_format=torch.channels_last_3d) if view.ndim == 5 else view
            for name, view in views.items()
        }
    device_type = next(iter(views.values())).device.type
    with torch.autocast(device_type, dtype=torch.bfloat16, enabled=bf16):
        features = encoder(views)
    return {
        name: feature.to(torch.promote_types(feature.dtype, torch.float32))
        for name, feature in features.items()
    }

"""Encoding in the precision of a run."""

from collections.abc import Callable

import torch
from torch import Tensor

from iicl.config import Precision


def encode(encoder: Callable[[Tensor], Tensor], view: Tensor, precision: Precision) -> Tensor:
    """Features in float32 or more of one view, encoded in the given precision.

    Args:
        encoder: maps (B, ...) to (B, D).
        view: (B, ...); video, (B, 3, T, H, W), goes through bf16 in the channels-last layout.
        precision: "bf16" runs the encoder in autocast.
    """
    bf16 = precision == "bf16"
    if bf16 and view.ndim == 5:
        view = view.contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast(view.device.type, dtype=torch.bfloat16, enabled=bf16):
        features = encoder(view)
    return features.to(torch.promote_types(features.dtype, torch.float32))

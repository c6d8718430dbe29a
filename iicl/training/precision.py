"""Encoding in the precision of a run."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from iicl.config import Precision

Batch = Mapping[str, Tensor]


def encode(
    encoder: Callable[[Batch], dict[str, Tensor]], batch: Batch, precision: Precision
) -> dict[str, Tensor]:
    """Features in float32 or more, encoded in the given precision; whole numbers stay as they are.

    Args:
        encoder: maps samples to features.
        batch: tensors of one device, items along the first dimension.
        precision: "bf16" runs the encoder in autocast. "tf32" lets the convolutions of a CUDA
            device round their inputs to TF32, which has 10 bits after the point; "float32" does
            not. No other product is rounded to TF32.

    Raises:
        ValueError: if the precision is "tf32" and the device is no CUDA device.
    """
    device_type = next(iter(batch.values())).device.type
    if precision == "tf32" and device_type != "cuda":
        raise ValueError(
            f"precision tf32 needs a CUDA device, got {device_type}; legal here: float32, bf16"
        )
    # Not restored, because the backward pass reads these switches, too.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    with torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        features = encoder(batch)
    return {name: _precise(feature) for name, feature in features.items()}


def _precise(feature: Tensor) -> Tensor:
    if not feature.is_floating_point():
        return feature
    return feature.to(torch.promote_types(feature.dtype, torch.float32))

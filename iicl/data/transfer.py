"""Batches on their way to a device: the next one is sent while the present one is computed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from iicl.data.loader import RawBatch

SENT_BYTES = 1 << 16
"""Tensors of so many bytes are sent ahead; of smaller ones, a view may read values on the host."""


def sent_ahead(batches: Iterator["RawBatch"], device: torch.device) -> Iterator["RawBatch"]:
    """The same batches, with their large tensors on the device.

    For a CUDA device, each batch is on its way before the one before it is given: the copy needs
    page-locked memory, runs on a stream of its own, and nobody waits for it but the work that is
    given to the device afterwards. One batch is in flight at a time. For any other device, the
    batches are given as they are.

    Args:
        batches: in page-locked memory if the device is a CUDA device.
        device: where the batches are used, from the stream that is current there.
    """
    return _in_flight(batches, device) if device.type == "cuda" else batches


def _in_flight(batches: Iterator["RawBatch"], device: torch.device) -> Iterator["RawBatch"]:
    stream = torch.cuda.Stream(device)
    flying: tuple[RawBatch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            sent = send(batch, device), stream.record_event()
        if flying is not None:
            yield _received(*flying, device)
        flying = sent
    if flying is not None:
        yield _received(*flying, device)


def send(batch: "RawBatch", device: torch.device) -> "RawBatch":
    """The batch, its large tensors on their way to the device."""
    raw = {
        sample: {
            name: tensor.to(device, non_blocking=True) if tensor.nbytes >= SENT_BYTES else tensor
            for name, tensor in tensors.items()
        }
        for sample, tensors in batch.raw.items()
    }
    return replace(batch, raw=raw)


def _received(batch: "RawBatch", sent: torch.cuda.Event, device: torch.device) -> "RawBatch":
    """The batch, for use by the current stream."""
    current = torch.cuda.current_stream(device)
    current.wait_event(sent)
    for tensors in batch.raw.values():
        for tensor in tensors.values():
            if tensor.device.type != "cpu":
                # Its memory must not be given away before the current stream has read it.
                tensor.record_stream(current)
    return batch

"""Batches on their way to a device: the next one is sent while the present one is computed."""

from collections.abc import Iterator
from typing import Protocol, Self, TypeVar

import torch


class Batch(Protocol):
    """What can be sent."""

    def send(self, device: torch.device) -> Self:
        """The batch, with tensors on their way to the device; nobody waits for them."""

    def tensors(self) -> list[torch.Tensor]:
        """All of its tensors."""


B = TypeVar("B", bound=Batch)


def sent_ahead(batches: Iterator[B], device: torch.device) -> Iterator[B]:
    """The same batches, each sent to the device.

    For a CUDA device, each batch is on its way before the one before it is given: the copy needs
    page-locked memory, runs on a stream of its own, and nobody waits for it but the work that is
    given to the device afterwards. One batch is in flight at a time. For any other device, the
    batches are given as they are.

    Args:
        batches: in page-locked memory if the device is a CUDA device.
        device: where the batches are used, from the stream that is current there.
    """
    return _in_flight(batches, device) if device.type == "cuda" else batches


def _in_flight(batches: Iterator[B], device: torch.device) -> Iterator[B]:
    stream = torch.cuda.Stream(device)
    flying: tuple[B, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            sent = batch.send(device), stream.record_event()
        if flying is not None:
            yield _received(*flying, device)
        flying = sent
    if flying is not None:
        yield _received(*flying, device)


def _received(batch: B, sent: torch.cuda.Event, device: torch.device) -> B:
    """The batch, for use by the current stream."""
    current = torch.cuda.current_stream(device)
    current.wait_event(sent)
    for tensor in batch.tensors():
        if tensor.device.type != "cpu":
            # Its memory must not be given away before the current stream has read it.
            tensor.record_stream(current)
    return batch

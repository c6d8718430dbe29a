"""Batches go to a CUDA device one ahead, from pinned memory, and are the same there."""

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from iicl.config import Clip
from iicl.data import loader
from iicl.data.draws import Contents
from iicl.data.loader import SENT_BYTES, RawBatch, make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transfer import sent_ahead
from iicl.samples import VIDEO
from tests.iicl.data.loaded_batches import assert_equal, load
from tests.iicl.data.raw_batches import CPU, batch_of, random_planes
from tests.iicl.fake_device import CUDA, fake_device

NUM_BATCHES = 3


def numbered(number: int) -> RawBatch:
    """A batch with frames of more than ``SENT_BYTES``, whose positions say its number."""
    batch = batch_of(random_planes(12, 8, 24, 32), [[[0, 0, 24, 24]]] * 12)
    assert batch.raw["video"]["frames"].nbytes >= SENT_BYTES
    batch.positions = torch.full((12,), number)
    return batch


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is asked of streams and of the source of the batches, in order."""
    notes: list[tuple[str, Any]] = []
    num_recorded = iter(range(NUM_BATCHES))

    def record_event() -> int:
        notes.append(("sent", number := next(num_recorded)))
        return number

    aside = SimpleNamespace(record_event=record_event)
    current = SimpleNamespace(wait_event=lambda event: notes.append(("waited for", event)))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: aside)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda tensor, stream: notes.append(("kept for", stream is current)),
    )
    return notes


def test_the_next_batch_is_on_its_way_while_the_present_one_is_used(
    log: list[tuple[str, Any]],
) -> None:
    def source() -> Iterator[RawBatch]:
        for number in range(NUM_BATCHES):
            log.append(("read", number))
            yield numbered(number)

    with fake_device() as waits:
        for batch in sent_ahead(source(), CUDA):
            log.append(("used", batch.positions[0].item()))
            raw = batch.raw["video"]
            assert raw["frames"].device.type == "cuda"
            small = [tensor for name, tensor in raw.items() if name != "frames"]
            assert {tensor.device for tensor in (*small, batch.positions)} == {CPU}
    assert waits.operations == []
    use = [[("waited for", n), ("kept for", True), ("used", n)] for n in range(NUM_BATCHES)]
    assert log == [
        ("read", 0),
        ("sent", 0),
        ("read", 1),
        ("sent", 1),
        *use[0],
        ("read", 2),
        ("sent", 2),
        *use[1],
        *use[2],
    ]


def test_on_the_cpu_batches_are_given_as_they_are() -> None:
    source = iter([numbered(0)])
    assert sent_ahead(source, CPU) is source


@pytest.mark.parametrize(("device", "pinned"), [(CPU, False), (CUDA, True)])
def test_batches_are_pinned_for_a_cuda_device(
    device: torch.device,
    pinned: bool,
    corpus: PreparedCorpus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {}
    monkeypatch.setattr(loader, "DataLoader", lambda *_, **given: options.update(given))
    contents = Contents(Clip(num_frames=4, size=16, audio_seconds=1.0), (VIDEO,))
    make_loader(corpus, [0, 1], contents, Batching("uniform", 2), device=device)
    assert options["pin_memory"] is pinned


def test_every_tensor_of_a_batch_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    batch = numbered(0)
    pinned = batch.pin_memory()
    assert_equal([pinned], [batch])
    for one, other in zip(pinned.tensors(), batch.tensors(), strict=True):
        assert one.data_ptr() != other.data_ptr()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_a_gpu_are_those_on_the_host(corpus: PreparedCorpus) -> None:
    batches = load(corpus)
    sent = list(sent_ahead((batch.pin_memory() for batch in batches), torch.device("cuda", 0)))
    for batch in sent:
        for tensors in batch.raw.values():
            tensors |= {name: tensor.cpu() for name, tensor in tensors.items()}
    assert_equal(sent, batches)

"""Batches of raw samples from a prepared corpus: the DataLoader around :mod:`iicl.data.sampling`.

Workers read and decide nothing. They also compare stored bytes with their digests: in training
those of every item once in ``VERIFY_EPOCHS`` epochs, which takes less than 1% of the time; in
evaluation those of every item once.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from iicl import views
from iicl.config import NO_AUGMENTATION
from iicl.constants import VERIFY_EPOCHS
from iicl.data.draws import Contents, Drawing, has_room
from iicl.data.sampling import Batches, Batching, Pick
from iicl.data.store import PreparedCorpus
from iicl.data.transfer import sent_ahead
from iicl.data.view import Drawn, Reading, View
from iicl.data.workers import POLL_SECONDS, Pulse, WorkerError, read_watched, share, start_worker
from iicl.samples import Sample, check_samples, required_views, shuffled

logger = logging.getLogger(__name__)
CPU = torch.device("cpu")
SENT_BYTES = 1 << 16
"""A tensor of so many bytes is sent to the device ahead of its use. A smaller one stays on the host
until then, as views read values of some."""


@dataclass
class RawBatch:
    """Raw data of some items, for :func:`iicl.data.transforms.make_views`.

    Attributes:
        samples: the samples asked for.
        raw: name of each sample -> what ``read`` of its view gave, items along the first dimension.
        positions: (B,) positions of the items in the manifest.
        clip_index: (B,) number of the clip among those of its item.
        num_crops: crops of each picture.
    """

    samples: tuple[Sample, ...]
    raw: dict[str, dict[str, torch.Tensor]]
    positions: torch.Tensor
    clip_index: torch.Tensor
    num_crops: int

    def __len__(self) -> int:
        return len(self.positions)

    def tensors(self) -> list[torch.Tensor]:
        """All of its tensors."""
        raw = [tensor for tensors in self.raw.values() for tensor in tensors.values()]
        return [*raw, self.positions, self.clip_index]

    def pin_memory(self) -> "RawBatch":
        """The batch in page-locked memory; the DataLoader calls this."""
        raw = {
            name: {key: tensor.pin_memory() for key, tensor in tensors.items()}
            for name, tensors in self.raw.items()
        }
        positions, clip_index = self.positions.pin_memory(), self.clip_index.pin_memory()
        return replace(self, raw=raw, positions=positions, clip_index=clip_index)

    def send(self, device: torch.device) -> "RawBatch":
        """The batch with its large raw tensors on their way to the device; see ``SENT_BYTES``."""
        raw = {
            name: {
                key: tensor.to(device, non_blocking=True) if tensor.nbytes >= SENT_BYTES else tensor
                for key, tensor in tensors.items()
            }
            for name, tensors in self.raw.items()
        }
        return replace(self, raw=raw)


def make_loader(
    corpus: PreparedCorpus,
    positions: Sequence[int],
    contents: Contents,
    batching: Batching,
    *,
    num_workers: int = 0,
    device: torch.device = CPU,
) -> "Loader":
    """Batches of all epochs in turn, so that workers start once.

    Args:
        corpus: where to read.
        positions: items to read, from :meth:`PreparedCorpus.select`.
        contents: what is read of an item.
        batching: how items come.
        num_workers: decoding processes; 0 decodes in the caller. They need Linux: elsewhere a fork
            is not safe, and the caller decodes, with a warning.
        device: where the batches are used, see :func:`iicl.data.transfer.sent_ahead`.

    Returns:
        An iterable of :class:`RawBatch` whose ``len`` is the number of batches still to come.

    Raises:
        ValueError: if samples do not go together; if there is nothing to read; if an item lacks a
            view or has no room for an "apart" sample; if the corpus has another sample rate; if
            "uniform" sampling is augmented; if samples of other items are asked for with a single
            item; if a batch has fewer chunks than there are shares; while iterating, if a shard is
            damaged.
        WorkerError: while iterating, see :func:`iicl.data.workers.read_watched`.
    """
    check_samples(contents.samples)
    if contents.pairing == "shuffled":
        contents = replace(contents, samples=shuffled(contents.samples))
    _check_settings(positions, contents, batching)
    _check_items(corpus, positions, contents)
    facts = {}
    for sample in contents.samples:
        view: View = views.get(sample.view)
        facts[sample.name] = view.prepare(corpus, positions, contents.clip)
    batches = Batches(positions, contents.samples, batching)
    if num_workers and sys.platform != "linux":
        logger.warning("num_workers %d needs Linux: this process decodes by itself", num_workers)
        num_workers = 0
    items = _Items(corpus, contents, batching, facts, Pulse(max(1, num_workers)))
    return Loader(items, batches, num_workers, device)


class Loader:
    """The batches that :func:`make_loader` describes, anew at every iteration."""

    def __init__(
        self, items: "_Items", batches: Batches, num_workers: int, device: torch.device
    ) -> None:
        self._items, self._device = items, device
        self._loader = DataLoader(
            items,
            batch_sampler=batches,
            num_workers=num_workers,
            collate_fn=_in_shared_memory,
            worker_init_fn=start_worker,
            pin_memory=device.type == "cuda",
            timeout=POLL_SECONDS if num_workers else 0,
            # A fork costs milliseconds; workers touch neither the GPU nor the parent's threads.
            multiprocessing_context="fork" if num_workers else None,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[RawBatch]:
        if self._loader.num_workers:
            batches = read_watched(self._loader, self._items.pulse)
        else:
            batches = iter(self._loader)
        return sent_ahead(batches, self._device)


@dataclass
class _Items(Dataset):
    """Turns a list of picks into a batch."""

    corpus: PreparedCorpus
    contents: Contents
    batching: Batching
    facts: dict[str, Any]
    pulse: Pulse

    def __getitems__(self, picks: list[Pick]) -> RawBatch:
        period = VERIFY_EPOCHS if self.batching.sampling == "random" else 1
        for pick in picks:
            if pick.clip_index == 0 and (pick.position + pick.epoch) % period == 0:
                self.corpus.verify(pick.position)
                self.pulse.beat()
        raw = {}
        by_sample = zip(*map(self._draw, picks), strict=True)
        for sample, drawn in zip(self.contents.samples, by_sample, strict=True):
            reading = Reading(
                self.corpus,
                self.contents.clip,
                sample,
                self.facts[sample.name],
                self.pulse.beat,
            )
            view: View = views.get(sample.view)
            arrays = view.read(drawn, reading)
            raw[sample.name] = {key: torch.from_numpy(array) for key, array in arrays.items()}
        return RawBatch(
            samples=self.contents.samples,
            raw=raw,
            positions=torch.tensor([pick.position for pick in picks]),
            clip_index=torch.tensor([pick.clip_index for pick in picks]),
            num_crops=self.batching.num_crops,
        )

    def _draw(self, pick: Pick) -> list[Drawn]:
        """All samples of a pick."""
        items, samples = self.corpus.manifest.items, self.contents.samples
        source = {
            sample.name: items[position]
            for sample, position in zip(samples, pick.sources, strict=True)
        }
        drawing = Drawing(self.contents, self.batching, pick.epoch, pick.clip_index)
        drawn = []
        for sample, position in zip(samples, pick.sources, strict=True):
            item = source[sample.name]
            augmented = source.get(drawing.augmented_as(sample).name, items[pick.position])
            drawn.append(Drawn(position, item, drawing.draw(sample, item, augmented)))
        return drawn


def _check_settings(positions: Sequence[int], contents: Contents, batching: Batching) -> None:
    if batching.sampling == "uniform" and contents.augmentation != NO_AUGMENTATION:
        raise ValueError(f"uniform sampling takes no augmentation, got {contents.augmentation}")
    others = [sample.name for sample in contents.samples if sample.item == "other"]
    if others and len(positions) < 2:
        raise ValueError(
            f"{', '.join(others)} of other items needs 2 items or more, got {len(positions)}"
        )
    if batching.num_crops not in (1, 3):
        raise ValueError(f"num_crops must be 1 or 3, got {batching.num_crops}")


def _check_items(corpus: PreparedCorpus, positions: Sequence[int], contents: Contents) -> None:
    if not positions:
        raise ValueError(f"nothing to read from {corpus.path}")
    needed = required_views(contents.samples, contents.silent)
    lacking = sorted(set(positions) - set(corpus.select(needed)))
    if lacking:
        item = corpus.manifest.items[lacking[0]]
        raise ValueError(
            f"{len(lacking)} items lack one of {needed}, the first is {item.id} ({item.reason})"
        )
    items = [corpus.manifest.items[position] for position in sorted(positions)]
    short = [item.id for item in items if not has_room(item, contents.samples, contents.clip)]
    if short:
        asked = [s.name for s in contents.samples if s.whole or s.time == "apart"]
        raise ValueError(
            f"{len(short)} items are too short for {', '.join(asked)}, which must be whole or one"
            f" window apart; the first is {short[0]}"
        )


def _in_shared_memory(batch: Any) -> RawBatch | WorkerError:
    return batch if get_worker_info() is None else share(batch.tensors()) or batch

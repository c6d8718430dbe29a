"""Every view makes its tensor on the device it is told, whatever device it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iicl import views
from iicl.config import Augmentation, Clip
from iicl.data.draws import Contents
from iicl.data.loader import RawBatch, make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.samples import plain, required_views
from tests.iicl.fake_device import CUDA, fake_device

CLIP = Clip(num_frames=8, fps=8.0, size=16, audio_seconds=1.0, spectrogram_frames=50)


def on_host(batch: RawBatch) -> RawBatch:
    return batch


def sent_ahead(batch: RawBatch) -> RawBatch:
    return batch.send(CUDA)


@pytest.mark.parametrize("sent", [on_host, sent_ahead])
@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("name", views.names())
def test_it_mixes_no_devices_and_waits_for_none(
    name: str,
    chunk_size: int | None,
    sent: Callable[[RawBatch], RawBatch],
    corpora: dict[str, Path],
) -> None:
    corpus = PreparedCorpus.open(corpora["audioset"])
    sample = plain(name)
    positions = corpus.select(required_views([sample], "error"))
    contents = Contents(CLIP, (sample,), Augmentation())
    (batch,) = make_loader(
        corpus, positions[:15], contents, Batching("random", 15, epochs=range(1))
    )
    with fake_device() as waits:
        make_views(batch, CLIP, CUDA, chunk_size)  # makes what is kept, as filters
        batch = sent(batch)
        waits.operations.clear()
        (rows,) = make_views(batch, CLIP, CUDA, chunk_size).values()
        assert rows.device.type == "cuda"
        assert len(rows) == 15
        assert waits.operations == []

"""Batches of the small corpus, as the loader gives them."""

import torch

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.draws import Contents
from iicl.data.loader import RawBatch, make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.samples import AUDIO, LABEL, VIDEO

CLIP = Clip(num_frames=8, fps=8, size=32, audio_seconds=1.0, spectrogram_frames=50)


def load(corpus: PreparedCorpus, **options) -> list[RawBatch]:  # type: ignore[no-untyped-def]
    """All batches, with random sampling unless told otherwise."""
    batching = {"sampling": "random", "batch_size": 4, "seed": 3, "epochs": range(2)} | options
    positions = batching.pop("positions", corpus.select(["video", "audio"]))
    num_workers = batching.pop("num_workers", 0)
    contents = {
        "clip": CLIP,
        "samples": (VIDEO, AUDIO, LABEL),
        "augmentation": Augmentation() if batching["sampling"] == "random" else NO_AUGMENTATION,
    }
    content_names = (*contents, "pairing", "silent")
    contents |= {name: batching.pop(name) for name in content_names if name in batching}
    return list(
        make_loader(
            corpus, positions, Contents(**contents), Batching(**batching), num_workers=num_workers
        )
    )


def assert_equal(first: list[RawBatch], second: list[RawBatch]) -> None:
    """Every field of every batch is the same to the bit."""
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert (a.samples, a.num_crops) == (b.samples, b.num_crops)
        assert a.raw.keys() == b.raw.keys()
        for name in a.raw:
            assert a.raw[name].keys() == b.raw[name].keys()
            for key in a.raw[name]:
                assert torch.equal(a.raw[name][key], b.raw[name][key]), (name, key)
        assert torch.equal(a.positions, b.positions)
        assert torch.equal(a.clip_index, b.clip_index)

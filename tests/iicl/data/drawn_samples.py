"""Items of several views and lengths, and the draws of their samples."""

from dataclasses import replace
from typing import Any

import numpy as np

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.draws import Contents, Drawing
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import Batching
from iicl.samples import Sample, check_samples

BOTH = ("video", "audio")
LONG = ManifestItem(
    "a/1.mkv",
    ("a",),
    {},
    "a",
    views=BOTH,
    num_frames=250,
    fps=25.0,
    height=128,
    width=170,
    num_samples=160_000,
)
UPRIGHT = ManifestItem(
    "b/2.mkv",
    ("b",),
    {},
    "b",
    views=BOTH,
    num_frames=90,
    fps=30000 / 1001,
    height=170,
    width=128,
    num_samples=40_000,
)
SOUND = ManifestItem("c/3.wav", ("c",), {}, "c", views=("audio",), num_samples=80_000)
SHORT = ManifestItem(
    "d/4.mkv", ("d",), {}, "d", views=("video",), num_frames=20, fps=10.0, height=96, width=96
)
CLIP = Clip()  # 1.07 s of video, 2 s of sound


def drawing(
    *samples: Sample,
    clip: Clip = CLIP,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    clip_index: int = 0,
    **batching: Any,
) -> Drawing:
    """A clip's draws with random sampling, unless told otherwise."""
    check_samples(samples)
    settings = {"sampling": "random", "batch_size": 1, "num_clips": 2, "seed": seed} | batching
    contents = Contents(clip, samples, augmentation or Augmentation())
    if settings["sampling"] == "uniform":
        contents = replace(contents, augmentation=NO_AUGMENTATION)
    return Drawing(contents, Batching(**settings), epoch, clip_index)


def starts(*samples: Sample, item: ManifestItem = LONG, **options: Any) -> np.ndarray:
    """(200, samples) seconds, over as many epochs."""
    return np.array(
        [
            [drawing(*samples, epoch=epoch, **options).start_seconds(s, item) for s in samples]
            for epoch in range(200)
        ]
    )

"""Mean and standard deviation of the log-mel spectrograms of a prepared corpus."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iicl.config import Clip, Preparation
from iicl.data.manifest import ManifestItem, shard_path

_NUM_ITEMS = 512  # the statistics are taken over at most so many items


def log_mel_statistics(
    items: Sequence[ManifestItem], folder: Path, preparation: Preparation
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the default log-mel spectrogram; None if nothing has sound.

    They are taken over the middle windows of items with sound, evenly chosen from all of them.

    Args:
        items: rows of the manifest.
        folder: folder that holds the shards.
        preparation: gives the sample rate.
    """
    import torch  # here, because it takes seconds and most commands do not need it

    from iicl.data.log_mel import log_mel

    clip = Clip(sample_rate=preparation.sample_rate)
    window = round(clip.audio_seconds * clip.sample_rate)
    sounding = [item for item in items if "audio" in item.views]
    if not sounding:
        return None, None
    chosen = np.unique(
        np.linspace(0, len(sounding) - 1, min(len(sounding), _NUM_ITEMS)).astype(int)
    )
    windows = []
    for item in (sounding[number] for number in chosen):
        with open(shard_path(folder, item.shard), "rb") as stream:
            stream.seek(item.offset + item.num_video_bytes)
            samples = np.frombuffer(stream.read(2 * item.num_samples), "<i2")
        start = max(0, (len(samples) - window) // 2)
        middle = samples[start : start + window].astype(np.int16)
        windows.append(np.pad(middle, (0, window - len(middle))))
    spectrograms = log_mel(torch.from_numpy(np.stack(windows)), clip).double()
    # Rounded, because further digits depend on the number of threads.
    return round(spectrograms.mean().item(), 6), round(spectrograms.std().item(), 6)

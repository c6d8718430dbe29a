"""Sound of an item: a log-mel spectrogram."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from iicl.config import Clip
from iicl.data.manifest import ManifestItem
from iicl.samples import Sample

if TYPE_CHECKING:
    import numpy as np
    import torch

    from iicl.data.store import PreparedCorpus
    from iicl.data.view import Drawn, Reading

REQUIRES = "audio"
MAY_LACK = True
ENCODER = "resnet"
INPUT = "spectrogram"
TAKES = frozenset({"item", "time", "of", "augmentation_of"})


def extent(item: ManifestItem, sample: Sample, clip: Clip) -> tuple[float, float]:
    """Seconds of the item's sound and of the clip's window of sound."""
    return item.num_samples / clip.sample_rate, clip.audio_seconds


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> None:
    """Refuses a corpus whose sound has another rate than the clip's."""
    rate = corpus.manifest.preparation["sample_rate"]
    if clip.sample_rate != rate:
        raise ValueError(f"the corpus is prepared at {rate} Hz, the clip asks {clip.sample_rate}")


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Windows of sound and their gain.

    Returns:
        "sound" (B, samples) int16, filled up with zeros at its end where an item's sound is shorter
        than the window. "gain" (B,) float32 factor of its amplitude.
    """
    import numpy as np

    length = round(reading.clip.audio_seconds * reading.clip.sample_rate)
    sound = np.empty((len(drawn), length), np.int16)
    for out, (position, item, draw) in zip(sound, drawn, strict=True):
        first = first_sample(item, draw.start_seconds, reading.clip)
        out[:] = reading.corpus.read_audio(position, first, length)
        reading.beat()
    return {"sound": sound, "gain": np.array([one.draw.gain for one in drawn], np.float32)}


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B, 1, mel, frames) float32, see :func:`iicl.data.log_mel.log_mel`, not normalised."""
    from iicl.data.log_mel import log_mel

    sound, gain = (raw[name].to(device, non_blocking=True) for name in ("sound", "gain"))
    return log_mel(sound * gain[:, None], clip)


def first_sample(item: ManifestItem, start_seconds: float, clip: Clip) -> int:
    """Number of the sound sample at which a window begins, so that it lies within the sound.

    Args:
        item: its sound is ``num_samples`` long.
        start_seconds: of the window.
        clip: length of the window, and its rate.
    """
    first = round(start_seconds * clip.sample_rate)
    return max(0, min(first, item.num_samples - round(clip.audio_seconds * clip.sample_rate)))

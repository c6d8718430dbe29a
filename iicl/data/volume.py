"""How many bytes prepared items take, and how many a training reads of them. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from iicl import views
from iicl.config import Clip, Preparation
from iicl.constants import GOP, VERIFY_EPOCHS
from iicl.samples import Sample

Seconds = Mapping[Literal["video", "audio"], float]
"""What the manifest knows of an item, ``video`` or ``audio`` -> its mean duration in seconds."""

SOUND_SAMPLE, PACKET_SIZE = 2, 4  # bytes, of a sample of sound and of the stored size of a packet


@dataclass(frozen=True)
class ClipReading:
    """What a training reads of the store for one clip, on average.

    Attributes:
        num_bytes: size of all that it reads.
        num_reads: number of read calls; each opens its file.
        verify_epochs: epochs in which it reads the whole item once, to check its digest; this is
            part of the other numbers.
    """

    num_bytes: float
    num_reads: float
    verify_epochs: int


def item_bytes(seconds: Seconds, video_bytes_per_second: float) -> float:
    """Size of an item in a prepared corpus.

    Args:
        seconds: durations of what it has.
        video_bytes_per_second: size of a second of prepared video.
    """
    sound = SOUND_SAMPLE * Preparation().sample_rate
    return seconds.get("video", 0.0) * video_bytes_per_second + seconds.get("audio", 0.0) * sound


def clip_reading(
    samples: Sequence[Sample], clip: Clip, seconds: Seconds, video_bytes_per_second: float
) -> ClipReading:
    """What a training reads for the samples of one clip.

    A sample of the video begins (GOP - 1) / 2 frames after a key frame on average. It takes two
    reads: the sizes of all packets of the item, and the packets. A sample of the sound takes one.

    Args:
        samples: what the method asks for.
        clip: its frames, its rate and the duration of its sound.
        seconds: durations of the item.
        video_bytes_per_second: size of a second of prepared video.
    """
    num_bytes = item_bytes(seconds, video_bytes_per_second) / VERIFY_EPOCHS
    num_reads = 1 / VERIFY_EPOCHS
    fps = Preparation().max_fps  # most that is stored; a slower original keeps its own rate
    for sample in samples:
        read_from = views.get(sample.view).REQUIRES
        if read_from == "video":
            num_frames = sample.num_frames or clip.num_frames
            decoded = num_frames * sample.stride / clip.fps + (GOP - 1) / 2 / fps
            num_bytes += decoded * video_bytes_per_second + PACKET_SIZE * seconds["video"] * fps
            num_reads += 2
        elif read_from == "audio":
            num_bytes += SOUND_SAMPLE * Preparation().sample_rate * clip.audio_seconds
            num_reads += 1
    return ClipReading(num_bytes, num_reads, VERIFY_EPOCHS)

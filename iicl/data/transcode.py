"""One source file -> short-GOP H.264 packets on a uniform time grid, and 16 kHz mono sound.

Time zero of both is the first video frame kept. Nothing here imports torch: it runs in worker
processes that start often.
"""

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from iicl.config import Preparation
from iicl.data.encode import Encoder
from iicl.data.manifest import UnusableSource
from iicl.data.sound import Sound
from iicl.data.source import Source, open_source

_SHORT_SECONDS = 0.25  # a view that is shorter than it should be by less is complete


@dataclass
class Transcoded:
    """What is kept of one source file.

    Attributes:
        packets: one H.264 Annex-B packet per frame, a key frame every ``encode.GOP``; empty
            without video.
        fps: frames per second of the uniform grid; 0 without video.
        height: of the frames, even.
        width: of the frames, even.
        samples: int16 mono sound from the time of the first frame; None without a sound stream.
        notes: why a view is absent or incomplete.
    """

    packets: list[bytes] = field(default_factory=list)
    fps: float = 0.0
    height: int = 0
    width: int = 0
    samples: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


def transcode(
    path: Path,
    preparation: Preparation,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Transcoded:
    """Reads one file, resamples video and sound in time and re-encodes the video.

    A file that stops early is kept, with a note, if it gave at least one second or half of what it
    announced.

    Args:
        path: the media file.
        preparation: what to keep.
        start_seconds: start of the part wanted; None for the start of the file.
        end_seconds: end of the part wanted; None for the end of the file.

    Raises:
        UnusableSource: if neither video nor sound can be had.
    """
    with open_source(path) as container:
        source = Source(container, preparation.max_seconds, start_seconds, end_seconds)
        return _read(source, preparation)


def _read(source: Source, preparation: Preparation) -> Transcoded:
    encoder = None
    if source.video is not None:
        encoder = Encoder(source.video, preparation, source.origin, source.low, source.high)
    sound = Sound()
    for frame in source.frames():
        if isinstance(frame, av.VideoFrame):
            assert encoder is not None
            encoder.add(frame)
        else:
            sound.add(frame)
    if encoder is not None:
        encoder.finish()
    rate = preparation.sample_rate
    if encoder is not None and encoder.packets:
        fps = float(encoder.fps)
        seconds = len(encoder.packets) / fps
        samples = sound.samples(encoder.zero, seconds, rate)
        result = Transcoded(encoder.packets, fps, encoder.height, encoder.width, samples)
    else:
        seconds = source.seconds
        result = Transcoded(samples=sound.samples(source.low, source.max_seconds, rate))
    result.notes += _stream_notes(source, encoder, sound, result, seconds, rate)
    if not result.packets and result.samples is None:
        raise UnusableSource("; ".join(result.notes))
    if encoder is not None and result.packets:
        _judge_video(source, encoder, result.notes, seconds)
    return result


def _stream_notes(
    source: Source,
    encoder: Encoder | None,
    sound: Sound,
    result: Transcoded,
    seconds: float,
    rate: int,
) -> list[str]:
    """What is absent or damaged."""
    notes = []
    if source.cut_from is not None:
        notes.append(f"the middle {source.max_seconds:.2f} s of {source.cut_from:.2f} s")
    if encoder is None:
        notes.append("no video stream")
    elif not result.packets:
        notes.append("no video frame decodes")
    if source.audio is None:
        notes.append("no audio stream")
    elif result.samples is None:
        notes.append("no sound at the time of the video" if sound.heard else "no sound decodes")
    elif seconds - len(result.samples) / rate > _SHORT_SECONDS:
        notes.append(f"sound ends after {len(result.samples) / rate:.2f} s of {seconds:.2f} s")
    for kind, number in sorted(source.num_errors.items()):
        notes.append(f"decoding fails for {number} of {source.num_packets[kind]} {kind} packets")
    if encoder is not None and encoder.num_corrupt:
        notes.append(f"{encoder.num_corrupt} of {encoder.num_frames} frames decode damaged")
    if source.stopped:
        notes.append(f"reading stops early: {source.stopped}")
    return notes


def _judge_video(source: Source, encoder: Encoder, notes: list[str], seconds: float) -> None:
    """Notes that the video is short; refuses what is mostly broken."""
    short = source.seconds - seconds > max(_SHORT_SECONDS, 2 / float(encoder.fps))
    if short:
        notes.append(f"ends after {seconds:.2f} s of {source.seconds:.2f} s")
    if short and seconds < min(1.0, source.seconds / 2):
        raise UnusableSource("; ".join(notes))
    if 2 * encoder.num_corrupt > encoder.num_frames:
        raise UnusableSource("; ".join(notes))

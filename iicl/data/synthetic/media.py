"""Writes media files, without loss except for MPEG-4, and reads them back."""

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


@dataclass(frozen=True)
class Media:
    """Content of a media file.

    Attributes:
        planes: YUV 4:2:0 planes, uint8 (num_frames, height * 3 / 2, width); None without pictures.
        samples: int16 (num_samples,), in stereo (num_samples, 2); None without sound.
        fps: frames per second.
        sample_rate: samples per second.
    """

    planes: np.ndarray | None
    samples: np.ndarray | None
    fps: int
    sample_rate: int


@dataclass(frozen=True)
class _Container:
    """The codecs that a file format with pictures gets."""

    video_codec: str
    video_options: dict[str, str]
    audio_codec: str
    sample_format: str


_CONTAINERS = {
    ".mp4": _Container(
        "libx264", {"qp": "0", "preset": "ultrafast", "threads": "1"}, "alac", "s16p"
    ),
    ".avi": _Container(
        "mpeg4",
        {
            "flags": "+bitexact+qscale",
            "global_quality": str(2 * 118),
            "threads": "1",
            "dct": "int",
            "idct": "simple",
        },
        "pcm_s16le",
        "s16",
    ),
}


def write(path: Path, media: Media) -> None:
    """Write one file: .mp4 as lossless H.264 and ALAC, .avi as MPEG-4 and PCM, .wav as PCM."""
    if path.suffix == ".wav":
        assert media.planes is None
        assert media.samples is not None
        with wave.open(str(path), "wb") as file:
            file.setnchannels(media.samples.shape[1] if media.samples.ndim == 2 else 1)
            file.setsampwidth(2)
            file.setframerate(media.sample_rate)
            file.writeframes(media.samples.astype("<i2").tobytes())
        return
    assert media.planes is not None
    kind = _CONTAINERS[path.suffix]
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        options = {**kind.video_options, "g": str(media.fps)}
        video: Any = container.add_stream(kind.video_codec, rate=media.fps, options=options)
        video.height, video.width = media.planes.shape[1] * 2 // 3, media.planes.shape[2]
        video.pix_fmt = "yuv420p"
        if media.samples is not None:
            audio: Any = container.add_stream(
                kind.audio_codec, rate=media.sample_rate, layout="mono"
            )
            audio.options = {"flags": "+bitexact", "threads": "1"}
            audio.format = kind.sample_format  # otherwise ALAC uses 24 bits
            block = av.AudioFrame.from_ndarray(
                media.samples[None], format=kind.sample_format, layout="mono"
            )
            block.sample_rate, block.pts = media.sample_rate, 0
            block.time_base = Fraction(1, media.sample_rate)
        for index, plane in enumerate(media.planes):
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, media.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if media.samples is not None:
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))


def decode(path: Path) -> Media:
    """Decode a whole media file that :func:`write` wrote."""
    planes, samples, fps, sample_rate = None, None, 0, 0
    with av.open(str(path)) as container:
        if container.streams.video:
            fps = round(container.streams.video[0].average_rate or 0)
            frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
            planes = np.stack(frames)
    with av.open(str(path)) as container:
        if container.streams.audio:
            stream = container.streams.audio[0]
            sample_rate = stream.rate
            blocks = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
            samples = np.concatenate(blocks)
            if stream.channels > 1:
                samples = samples.reshape(-1, stream.channels)
    return Media(planes, samples, fps, sample_rate)

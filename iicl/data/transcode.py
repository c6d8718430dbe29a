"""One source file -> short-GOP H.264 packets on a uniform time grid, and 16 kHz mono sound.

Time zero of both is the first video frame kept. Nothing here imports torch: it runs in worker
processes that start often.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from iicl.config import Preparation
from iicl.data.encode import Encoder
from iicl.data.manifest import UnusableSource
from iicl.data.sound import Sound

_MARGIN_SECONDS = 0.5  # read before a cut, so that audio codecs have settled


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
    if path.stat().st_size == 0:
        raise UnusableSource("empty file")
    try:
        # "file:" keeps FFmpeg from reading names such as "a:b" as URLs.
        container = av.open(f"file:{os.path.abspath(path)}", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise UnusableSource(f"not readable as media: {_text(error)}") from None
    with container:
        return _Reader(container, preparation, start_seconds, end_seconds).read()


class _Reader:
    """State of one pass over one container."""

    def __init__(
        self,
        container: av.container.InputContainer,
        preparation: Preparation,
        start: float | None,
        end: float | None,
    ) -> None:
        self.container = container
        self.preparation = preparation
        kind = container.format.name
        if kind == "tty" or kind.startswith("image2") or kind.endswith("_pipe"):
            raise UnusableSource(f"text or still image ({kind}), not a clip")
        video: Any = container.streams.best("video")
        if video is not None and video.disposition & av.stream.Disposition.attached_pic:
            video = None  # cover art
        audio: Any = container.streams.best("audio")
        self.video: av.VideoStream | None = video
        self.audio: av.AudioStream | None = audio
        self.streams = [stream for stream in (video, audio) if stream is not None]
        if not self.streams:
            raise UnusableSource("no video stream and no audio stream")
        for stream in self.streams:
            if stream.codec_context is None:
                raise UnusableSource(f"no decoder for its {stream.type} stream")
            stream.codec_context.thread_count = 1
        self.main = self.streams[0]  # whose times count
        self.origin = self._origin()
        self.announced = self._announced()
        self.low, self.high = self._window(start, end)
        self.num_errors = 0
        self.stopped = ""

    def _origin(self) -> float:
        start = self.main.start_time
        if start is not None:
            return float(start * self.main.time_base)
        return (self.container.start_time or 0) / 1e6

    def _announced(self) -> float | None:
        """Seconds from the first frame to the end, as the header or else the packets say."""
        rate = self.video.average_rate if self.video is not None else None
        num_frames = self.video.frames if self.video is not None else 0
        if self.container.format.name == "avi" and rate and num_frames:
            # FFmpeg shortens the duration of a truncated AVI, but not the number of its frames.
            return float(num_frames / rate)
        duration = self.main.duration
        if duration is not None and duration > 0:
            return float(duration * self.main.time_base)
        if self.container.duration is not None and self.container.duration > 0:
            first = (self.container.start_time or 0) / 1e6
            return first + self.container.duration / 1e6 - self.origin
        return None

    def _window(self, start: float | None, end: float | None) -> tuple[float | None, float]:
        """Absolute seconds of the part to keep; the low end is None if that is the first frame."""
        longest = self.preparation.max_seconds
        duration = self.announced if self.announced is not None else self._measured()
        high = duration if end is None else min(end, duration)
        low = start or 0.0
        if low >= high:
            raise UnusableSource(f"segment {start}-{end} s lies outside its {duration:.3f} s")
        if high - low > longest + 1e-3:
            low = (low + high - longest) / 2
            return self.origin + low, self.origin + low + longest
        # A header may announce too little: without a segment or a cut, only the limit ends it.
        return (self.origin + low if start else None), self.origin + (
            low + longest if end is None else high
        )

    def _measured(self) -> float:
        """Seconds to the last time stamp, of a file whose header does not say."""
        last = self.origin
        try:
            for packet in self.container.demux(self.main):
                if packet.pts is not None:
                    last = max(
                        last, float((packet.pts + (packet.duration or 0)) * self.main.time_base)
                    )
        except av.error.FFmpegError:
            pass  # met again, and noted, when it is decoded
        self._seek(self.origin)
        if last <= self.origin:
            raise UnusableSource("no time stamps and no duration")
        return last - self.origin

    def _seek(self, seconds: float) -> None:
        try:
            self.container.seek(round(seconds * 1e6), backward=True)
        except av.error.FFmpegError as error:
            raise UnusableSource(f"cannot seek to {seconds:.1f} s: {_text(error)}") from None

    def read(self) -> Transcoded:
        if self.low is not None:
            self._seek(max(self.low - _MARGIN_SECONDS, self.origin))
        result = Transcoded()
        sound = Sound()
        encoder = None
        if self.video is not None:
            encoder = Encoder(self.video, self.preparation, self.origin, self.low, self.high)
        for frame in self._frames():
            if isinstance(frame, av.VideoFrame):
                assert encoder is not None
                encoder.add(frame)
            else:
                sound.add(frame)
        zero = self.low
        seconds = self.high - (self.origin if self.low is None else self.low)
        if encoder is not None:
            encoder.finish()
        if encoder is not None and encoder.packets:
            result.packets, result.fps = encoder.packets, float(encoder.fps)
            result.height, result.width = encoder.height, encoder.width
            zero = encoder.zero
            seconds = len(encoder.packets) / result.fps
        if self.audio is not None:
            result.samples = sound.samples(zero, seconds, self.preparation.sample_rate)
        self._judge(result, encoder, seconds if result.packets else None)
        return result

    def _judge(
        self, result: Transcoded, encoder: Encoder | None, video_seconds: float | None
    ) -> None:
        """Adds the notes; refuses what is mostly broken."""
        notes = result.notes
        if encoder is None:
            notes.append("no video stream")
        elif not result.packets:
            notes.append("no video frame decodes")
        if self.audio is None:
            notes.append("no audio stream")
        elif result.samples is None or not len(result.samples):
            result.samples = None
            notes.append("no sound decodes at the time of the video")
        if self.num_errors:
            notes.append(f"{self.num_errors} packets do not decode")
        if encoder is not None and encoder.num_corrupt:
            notes.append(f"{encoder.num_corrupt} of {encoder.num_frames} frames are damaged")
        if not result.packets and result.samples is None:
            raise UnusableSource("; ".join(notes + [self.stopped] * bool(self.stopped)))
        if encoder is not None and video_seconds is not None:
            self._judge_length(notes, encoder, video_seconds)

    def _judge_length(self, notes: list[str], encoder: Encoder, seconds: float) -> None:
        wanted = self.high - (self.origin if self.low is None else self.low)
        if self.announced is not None:
            wanted = min(wanted, self.announced)
        short = wanted - seconds > max(0.25, 2 / float(encoder.fps))
        if short or self.stopped:
            reason = f"ends after {seconds:.2f} s of {wanted:.2f} s"
            notes.append(reason + (f" ({self.stopped})" if self.stopped else ""))
        if short and seconds < min(1.0, wanted / 2):
            raise UnusableSource("; ".join(notes))
        if 2 * encoder.num_corrupt > encoder.num_frames:
            raise UnusableSource("; ".join(notes))

    def _frames(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Decoded frames of both streams until both are past the window."""
        open_streams = {stream.index for stream in self.streams}
        packets = self.container.demux(self.streams)
        while open_streams:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.stopped = _text(error)
                return
            if packet.stream.index not in open_streams:
                continue
            try:
                frames: list[Any] = packet.decode()
            except av.error.FFmpegError:
                self.num_errors += 1
                continue
            for frame in frames:
                if frame.time is not None and frame.time >= self.high:
                    open_streams.discard(packet.stream.index)
                yield frame


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

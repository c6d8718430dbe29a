"""One source file as it is: its streams, the times it announces, and its frames as they decode."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from iicl.data.manifest import UnusableSource

_MARGIN_SECONDS = 0.5  # read before a cut, so that audio codecs have settled


def open_source(path: Path) -> av.container.InputContainer:
    """Opens a media file.

    Raises:
        UnusableSource: if it is none, or cannot be read.
    """
    _check_file(path)
    try:
        # "file:" keeps FFmpeg from reading names such as "a:b" as URLs.
        return av.open(f"file:{os.path.abspath(path)}", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise UnusableSource(f"not readable as media: {_text(error)}") from None


def _check_file(path: Path) -> None:
    """Refuses, in plain words, what FFmpeg would refuse in its own, or wait for."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableSource("a folder, a pipe or a device, not a file")
        with open(path, "rb") as stream:
            if not stream.read(1):
                raise UnusableSource("empty file")
    except OSError as error:
        what = "the link leads to no file" if path.is_symlink() else "cannot be opened"
        raise UnusableSource(f"{what}: {error.strerror}") from None


class Source:
    """One pass over the part of a file that is to be kept.

    Args:
        container: of the file.
        longest: seconds; of a longer part, the middle is kept.
        start: seconds from the file's start at which the part begins; None for the file's start.
        end: seconds at which it ends; None for the file's end.

    Attributes:
        video: the video stream, or None; cover art is none.
        audio: the audio stream, or None.
        origin: seconds; time stamp of the start of the file.
        low: time stamp in seconds of the start of the part; None: the first frame is.
        high: time stamp in seconds of its end, if the file does not end before.
        announced: seconds that the file says it lasts, or None.
        cut_from: seconds of the part before it was cut to its middle; None if it was not.
        num_packets: "video" or "audio" -> packets read.
        num_errors: "video" or "audio" -> packets of these that did not decode.
        stopped: why reading ended before the file did, or empty.

    Raises:
        UnusableSource: if there is nothing to decode, or nothing of the part wanted.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        longest: float,
        start: float | None,
        end: float | None,
    ) -> None:
        self._container = container
        self._longest = longest
        kind = container.format.name
        if kind == "tty" or kind.startswith("image2") or kind.endswith("_pipe"):
            raise UnusableSource(f"text or still image ({kind}), not a clip")
        video: Any = container.streams.best("video")
        if video is not None and video.disposition & av.stream.Disposition.attached_pic:
            video = None  # cover art
        audio: Any = container.streams.best("audio")
        self.video: av.VideoStream | None = video
        self.audio: av.AudioStream | None = audio
        self._streams = [stream for stream in (video, audio) if stream is not None]
        if not self._streams:
            raise UnusableSource("no video stream and no audio stream")
        for stream in self._streams:
            if stream.codec_context is None:
                raise UnusableSource(f"no decoder for its {stream.type} stream")
            stream.codec_context.thread_count = 1
        self._main = self._streams[0]  # whose times count
        self.origin = self._origin()
        self.cut_from: float | None = None
        self.announced = self._announced()
        self.low, self.high = self._window(start, end)
        self.num_packets: Counter[str] = Counter()
        self.num_errors: Counter[str] = Counter()
        self.stopped = ""

    @property
    def max_seconds(self) -> float:
        """How long the part may be."""
        return self.high - (self.origin if self.low is None else self.low)

    @property
    def seconds(self) -> float:
        """How long the part should be, as far as the file says."""
        announced = self.max_seconds if self.announced is None else self.announced
        return min(self.max_seconds, announced)

    def frames(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Decoded frames of both streams until both are past the part.

        Raises:
            UnusableSource: if the file cannot be read from the start of the part.
        """
        if self.low is not None:
            self._seek(max(self.low - _MARGIN_SECONDS, self.origin))
        open_streams = {stream.index for stream in self._streams}
        packets = self._container.demux(self._streams)
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
            self.num_packets[packet.stream.type] += packet.size > 0
            try:
                frames: list[Any] = packet.decode()
            except av.error.FFmpegError:
                self.num_errors[packet.stream.type] += 1
                continue
            for frame in frames:
                if frame.time is not None and frame.time >= self.high:
                    open_streams.discard(packet.stream.index)
                yield frame

    def _origin(self) -> float:
        start = self._main.start_time
        if start is not None:
            return float(start * self._main.time_base)
        return (self._container.start_time or 0) / 1e6

    def _announced(self) -> float | None:
        """Seconds from the first frame to the end, as the header or else the packets say."""
        rate = self.video.average_rate if self.video is not None else None
        num_frames = self.video.frames if self.video is not None else 0
        if self._container.format.name == "avi" and rate and num_frames:
            # FFmpeg shortens the duration of a truncated AVI, but not the number of its frames.
            return float(num_frames / rate)
        duration = self._main.duration
        if duration is not None and duration > 0:
            return float(duration * self._main.time_base)
        if self._container.duration is not None and self._container.duration > 0:
            first = (self._container.start_time or 0) / 1e6
            return first + self._container.duration / 1e6 - self.origin
        return None

    def _window(self, start: float | None, end: float | None) -> tuple[float | None, float]:
        """Absolute seconds of the part to keep; the low end is None if that is the first frame."""
        longest = self._longest
        duration = self.announced if self.announced is not None else self._measured()
        high = duration if end is None else min(end, duration)
        low = start or 0.0
        if low >= high:
            raise UnusableSource(f"segment {start}-{end} s lies outside its {duration:.3f} s")
        if high - low > longest + 1e-3:
            self.cut_from = high - low
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
            for packet in self._container.demux(self._main):
                if packet.pts is not None:
                    last = max(
                        last, float((packet.pts + (packet.duration or 0)) * self._main.time_base)
                    )
        except av.error.FFmpegError:
            pass  # met again, and noted, when it is decoded
        self._seek(self.origin)
        if last <= self.origin:
            raise UnusableSource("no time stamps and no duration")
        return last - self.origin

    def _seek(self, seconds: float) -> None:
        try:
            self._container.seek(round(seconds * 1e6), backward=True)
        except av.error.FFmpegError as error:
            raise UnusableSource(f"cannot seek to {seconds:.1f} s: {_text(error)}") from None


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

"""One source file -> short-GOP H.264 packets on a uniform time grid, and 16 kHz mono sound.

Time zero of both is the first video frame kept. Nothing here imports torch: it runs in worker
processes that start often.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from iicl.config import Preparation

GOP = 8  # frames; a clip that starts anywhere decodes 3.5 frames too many on average
MAX_ASPECT = 8.0  # long side / short side
_CRF = "20"
_MARGIN_SECONDS = 0.5  # read before a cut, so that audio codecs have settled
_GAP_SECONDS = 0.1  # a larger step between sound time stamps is a gap, a smaller one is jitter

# Intra refresh every GOP frames and nothing a decoder would wait or search for: no B-frames, no
# CABAC, no deblocking (tune fastdecode). One thread makes the bytes reproducible. The parameter
# sets stand in front of every key frame, so that decoding can start there.
_X264 = {
    "preset": "veryfast",
    "tune": "fastdecode",
    "crf": _CRF,
    "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:bframes=0:threads=1"
    ":repeat-headers=1:rc-lookahead=0:sync-lookahead=0:mbtree=0",
}


class UnusableSource(Exception):
    """A source file that gives neither video nor sound; the text says why."""


@dataclass
class Transcoded:
    """What is kept of one source file.

    Attributes:
        packets: one H.264 Annex-B packet per frame, a key frame every ``GOP``; empty without video.
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
        sound = _Sound()
        encoder = None
        if self.video is not None:
            encoder = _Encoder(self.video, self.preparation, self.origin, self.low, self.high)
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
        self, result: Transcoded, encoder: "_Encoder | None", video_seconds: float | None
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

    def _judge_length(self, notes: list[str], encoder: "_Encoder", seconds: float) -> None:
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


class _Encoder:
    """Picks the frame nearest to each time of the grid, scales and encodes it."""

    def __init__(
        self,
        stream: av.VideoStream,
        preparation: Preparation,
        origin: float,
        low: float | None,
        high: float,
    ) -> None:
        # AVI states no presentation times: what FFmpeg makes up for B-frames is out of order.
        self._decode_order = stream.container.format.name == "avi"
        self._origin = origin
        self.packets: list[bytes] = []
        self.num_frames = self.num_corrupt = 0
        self.zero: float | None = None
        self._low = low
        self.height = self.width = 0
        self._high = high
        self._preparation = preparation
        self._aspect = stream.sample_aspect_ratio or Fraction(1)
        rate = stream.guessed_rate or stream.average_rate
        if rate is None or not 0.5 <= rate <= 1000:
            rate = Fraction(25)
        limit = Fraction(preparation.max_fps).limit_denominator(1001)
        self.fps: Fraction = min(rate, limit)
        self._previous: tuple[float, av.VideoFrame] | None = None
        self._num_encoded = 0
        self._reformatter = VideoReformatter()  # one for all frames: setting up costs 0.5 ms
        self._codec: av.VideoCodecContext | None = None

    def add(self, frame: av.VideoFrame) -> None:
        stamp = frame.dts if self._decode_order or frame.pts is None else frame.pts
        base = frame.time_base
        time = None if stamp is None or base is None else float(stamp * base)
        if self._previous is not None and (time is None or time <= self._previous[0]):
            time = self._previous[0] + 1 / float(self.fps)
        elif time is None:
            time = self._origin
        if self.zero is None:
            # A cut begins with a frame of its own, so that the grid meets the frames that follow.
            if self._low is not None and time < self._low - 0.5 / float(self.fps):
                return
            self.zero = time
            if self._low is not None:
                self._high += time - self._low
        else:
            assert self._previous is not None
            self._emit_until((self._previous[0] + time) / 2)
        self.num_frames += 1
        self.num_corrupt += frame.is_corrupt
        self._previous = (time, frame)

    def finish(self) -> None:
        if self._previous is None:
            return
        time, frame = self._previous
        last = 1 / float(self.fps)
        if frame.duration and frame.time_base is not None:
            last = float(frame.duration * frame.time_base)
        assert self.zero is not None
        # Half a frame less: a grid time exactly at the end belongs to what follows.
        self._emit_until(time + last - 0.5 / float(self.fps))
        if self._codec is not None:
            self.packets += [bytes(packet) for packet in self._codec.encode(None)]
        assert len(self.packets) == self._num_encoded

    def _emit_until(self, end: float) -> None:
        """Encodes the previous frame for every grid time before ``end``."""
        assert self._previous is not None
        assert self.zero is not None
        scaled = None
        end = min(end, self._high - 0.5 / float(self.fps))
        while self.zero + self._num_encoded / float(self.fps) < end + 1e-6:
            if scaled is None:
                scaled = self._scale(self._previous[1])
            scaled.pts = self._num_encoded
            scaled.time_base = 1 / self.fps
            scaled.pict_type = 0
            assert self._codec is not None
            self.packets += [bytes(packet) for packet in self._codec.encode(scaled)]
            self._num_encoded += 1

    def _scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        rotation = frame.rotation % 360
        if self._codec is None:
            self._open(frame, rotation)
        size = (self.height, self.width) if rotation in (90, 270) else (self.width, self.height)
        scaled = self._reformatter.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation="AREA" if size[0] < frame.width else "BICUBIC",
            threads=1,
        )
        return _rotated(scaled, rotation) if rotation else scaled

    def _open(self, frame: av.VideoFrame, rotation: int) -> None:
        width, height = frame.width * float(self._aspect), float(frame.height)
        if rotation in (90, 270):
            width, height = height, width
        if not 1 / MAX_ASPECT <= width / height <= MAX_ASPECT:
            raise UnusableSource(f"aspect ratio of {width:.0f} x {height:.0f} is beyond 8")
        scale = self._preparation.short_side / min(width, height)
        self.width, self.height = (2 * round(side * scale / 2) for side in (width, height))
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = self.width, self.height, "yuv420p"
        codec.framerate, codec.time_base = self.fps, 1 / self.fps
        codec.thread_count = 1
        codec.options = _X264
        self._codec = codec


class _Sound:
    """Collects sound as mono float at the source's rate, at the times its frames state."""

    def __init__(self) -> None:
        self._rate = 0
        self._blocks: list[tuple[int, np.ndarray]] = []
        self._next = 0

    def add(self, frame: av.AudioFrame) -> None:
        self._rate = self._rate or frame.sample_rate
        if frame.sample_rate != self._rate:
            raise UnusableSource(f"sound changes from {self._rate} to {frame.sample_rate} Hz")
        if frame.time is not None:
            stated = round(frame.time * self._rate)
            if not self._blocks or abs(stated - self._next) > _GAP_SECONDS * self._rate:
                self._next = stated
        mono = _mono(frame)
        self._blocks.append((self._next, mono))
        self._next += len(mono)

    def samples(self, zero: float | None, seconds: float, rate: int) -> np.ndarray | None:
        """Int16 sound from ``zero`` (None: where the sound begins), at most ``seconds`` long."""
        if not self._blocks:
            return None
        first = self._blocks[0][0] if zero is None else round(zero * self._rate)
        end = min(first + round(seconds * self._rate), max(b + len(x) for b, x in self._blocks))
        if end <= first:
            return None
        sound = np.zeros(end - first, np.float32)
        for begin, block in self._blocks:
            low, high = max(begin, first), min(begin + len(block), end)
            if low < high:
                sound[low - first : high - first] = block[low - begin : high - begin]
        return _resampled(sound, self._rate, rate)


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """Mean of a frame's channels, (n,) float32 within -1 to 1."""
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) * 256 - 32768
    mono = samples.mean(axis=0) if len(samples) > 1 else samples[0]
    full = 2 ** (8 * samples.dtype.itemsize - 1) if samples.dtype.kind == "i" else 1
    return (mono / full).astype(np.float32)


def _resampled(sound: np.ndarray, source_rate: int, rate: int) -> np.ndarray:
    """(n,) float32 -> int16 at another rate, clipped."""
    sound = np.clip(sound, -1, 1)
    if source_rate == rate:
        return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate = source_rate
    resampler = av.AudioResampler("s16", "mono", rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return samples[: round(len(sound) * rate / source_rate)]


def _rotated(frame: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Turns a yuv420p frame counter-clockwise by a multiple of 90 degrees."""
    height, width = frame.height, frame.width
    packed = frame.to_ndarray().ravel()
    luma, rest = packed[: height * width], packed[height * width :]
    planes = [luma.reshape(height, width), *rest.reshape(2, height // 2, width // 2)]
    turned = [np.rot90(plane, rotation // 90) for plane in planes]
    stacked = np.concatenate([plane.ravel() for plane in turned])
    return av.VideoFrame.from_ndarray(stacked.reshape(-1, turned[0].shape[1]), format="yuv420p")


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

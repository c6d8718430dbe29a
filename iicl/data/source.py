"""One source file: its streams, the part of it that is to be kept, and its decoded frames."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from iicl.data.clock import MIN_JUMP_SECONDS, REORDER_STEPS
from iicl.data.manifest import UnusableSource
from iicl.data.packets import Scan, Track, error_text, is_end, scan
from iicl.data.sound import MAX_RATE

_MARGIN_SECONDS = 0.5  # decoded before a cut, so that the codec has settled
_MAX_PIXELS = 8192 * 4608  # of a frame; some 50 MB each
_SAMPLE_RATES = (1_000, MAX_RATE)  # Hz; of sound that is taken for sound
_MAX_CHANNELS = 64
# Formats with a length in their header; for others FFmpeg guesses one from time stamps or bit rate.
_STATING_LENGTH = frozenset(
    ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "wav", "flac", "aiff"]
)
# These open other files or the network whatever the protocols allowed, or draw text.
_FOLLOWERS = {"concat", "dash", "hls", "image2", "imf", "rtp", "rtsp", "sap", "sdp", "tty"}
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(set(av.formats_available) - _FOLLOWERS)),
}
_TEXT_BYTES = 4096  # at the beginning of a file, by which text is known
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r")


def open_source(path: Path) -> av.container.InputContainer:
    """Opens a media file.

    Raises:
        UnusableSource: if it is none, or cannot be read.
    """
    _check_file(path)
    try:
        # "file:" keeps FFmpeg from reading names such as "a:b" as URLs.
        return av.open(
            f"file:{os.path.abspath(path)}",
            metadata_errors="replace",
            container_options=_OPTIONS,
        )
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise UnusableSource(f"not readable as media: {error_text(error)}") from None


def _check_file(path: Path) -> None:
    """Refuses, in plain words, what FFmpeg would refuse in its own, wait for, or follow."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableSource("a folder, a pipe or a device, not a file")
        with open(path, "rb") as stream:
            beginning = stream.read(_TEXT_BYTES)
    except OSError as error:
        what = "the link leads to no file" if path.is_symlink() else "cannot be opened"
        raise UnusableSource(f"{what}: {error.strerror}") from None
    if not beginning:
        raise UnusableSource("empty file")
    if _is_text(beginning):
        raise UnusableSource("not readable as media: a playlist or another text")


def _is_text(beginning: bytes) -> bool:
    """Whether a file that begins so is text."""
    if not _CONTROLS.isdisjoint(beginning) or beginning.startswith(b"YUV4MPEG2 "):
        return False  # the latter are raw pictures, which may consist of any bytes
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start > _TEXT_BYTES - 4  # the last character is cut in two
    return True


class Source:
    """The part of a file that is to be kept: first all its packets, then the frames of the part.

    Args:
        container: of the file, opened just now; it must stay open.
        path: of the file.
        longest: seconds; of a longer part, the middle is kept.
        start: seconds from the file's start at which the part begins; None for the file's start.
        end: seconds at which it ends; None for the file's end.

    Attributes:
        tracks: "video" and "audio" -> what is known of the packets of those that can be decoded.
        absent: "video" and "audio" -> why nothing of it can be decoded.
        rate: frames per second that the file states of its video, or None.
        aspect: of one pixel, width / height.
        origin: seconds; time stamp of the start of the file.
        low: time stamp in seconds of the start of the part; None: the first frame is.
        high: time stamp in seconds of its end, if the file does not end before.
        end: time stamp in seconds of the end of the file, as far as it says.
        expected: seconds that the part should last.
        cut_from: seconds of the part before it was cut to its middle; None if it was not.
        num_packets: "video" or "audio" -> packets decoded.
        num_errors: "video" or "audio" -> packets of these that did not decode.
        stopped: why reading ended before the file did, or empty.

    Raises:
        UnusableSource: if there is nothing to decode, or nothing of the part wanted.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        path: Path,
        longest: float,
        start: float | None,
        end: float | None,
    ) -> None:
        self._path = path
        self.absent: dict[str, str] = {}
        self.num_packets: Counter[str] = Counter()
        self.num_errors: Counter[str] = Counter()
        self.stopped = ""
        streams = self._streams(container)
        announced = _announced(container, streams[0])
        self._scan = self._scanned(container, streams, announced)
        self.tracks = self._scan.tracks
        if not self.tracks:
            raise UnusableSource("; ".join(self.absent.values()))
        main = next(stream for stream in streams if stream.type in self.tracks)
        self.rate = self.aspect = None
        if isinstance(main, av.VideoStream):
            self.rate = main.guessed_rate or main.average_rate
            self.aspect = main.sample_aspect_ratio
        track = self.tracks[main.type]
        others = [t for t in self.tracks.values() if t is not track and t.is_timed]
        self.origin, own_end = _origin(main, track), track.end
        if others and not track.is_timed:  # pictures without times begin with the sound
            self.origin = others[0].begin
            own_end = self.origin + len(track) * track.step
        self.end = own_end
        if announced is not None:  # a last picture may claim more than that and the sound
            ends = [t.end for kind, t in self.tracks.items() if kind != main.type]
            self.end = min(own_end, max([self.origin + announced, *ends]))
        length = self.end - self.origin
        if length <= 0:  # as good as no stamp can be believed
            length = len(track) * track.step
        self._bases = {s.type: float(s.time_base or 0) for s in streams}
        self.cut_from: float | None = None
        self.low, self.high = self._part(start, end, length, longest)
        whole = max(length, announced or 0.0)
        self.expected = (whole if end is None else end) - (start or 0.0)
        if self.cut_from is not None:
            self.expected = longest

    @property
    def max_seconds(self) -> float:
        """How long the part may be."""
        return self.high - (self.origin if self.low is None else self.low)

    def frames(self) -> Iterator[tuple[av.VideoFrame | av.AudioFrame, float | None]]:
        """Decoded frames of both streams until both are past the part.

        Yields:
            A frame and its time in seconds; None if its packet has no time.
        """
        open_kinds = set(self.tracks)
        number = dict.fromkeys(self.tracks, -1)  # of the packet in its stream
        first = {kind: self._first_packet(kind) for kind in self.tracks}
        for packet in self._packets():
            kind = packet.stream.type
            if kind not in open_kinds:
                continue
            if not is_end(packet):
                number[kind] += 1
                # A packet of no bytes says that the last picture stays.
                if number[kind] < first[kind] or not packet.size:
                    continue
                _set_time(packet, self.tracks[kind], number[kind])
            base = self._bases[kind]
            for frame in self._decode(packet, kind):
                stamp = frame.dts if self.tracks[kind].by_decoding else frame.pts
                time = None if stamp is None else stamp * base
                if time is not None and time >= self.high:
                    open_kinds.discard(kind)
                yield frame, time
            if not open_kinds:
                return

    def _packets(self) -> Iterator[av.Packet]:
        """The packets of the tracks: those that were kept, or else read again."""
        if self._scan.packets is not None:
            yield from (p for p in self._scan.packets if p.stream.type in self.tracks)
            self.stopped = self._scan.stopped
            return
        with open_source(self._path) as container:
            streams = [s for s in self._streams(container) if s.type in self.tracks]
            try:
                yield from container.demux(streams)
            except av.error.FFmpegError as error:
                self.stopped = error_text(error)

    def _decode(self, packet: av.Packet, kind: str) -> list[Any]:
        self.num_packets[kind] += packet.size > 0
        try:
            return packet.decode()
        except av.error.FFmpegError:
            self.num_errors[kind] += packet.size > 0
            return []

    def _first_packet(self, kind: str) -> int:
        """Where decoding begins, so that the part is whole from its start on."""
        if self.low is None:
            return 0
        track = self.tracks[kind]
        # By its decoding time, a key frame is shown later, behind the pictures that it reorders.
        late = REORDER_STEPS * track.step if track.by_decoding else 0.0
        return track.packet_before(self.low - max(_MARGIN_SECONDS, late), kind == "video")

    def _streams(self, container: av.container.InputContainer) -> list[Any]:
        """The video and the audio stream, those that can be decoded; of others says why not."""
        name = container.format.name
        if name.endswith("_pipe"):
            raise UnusableSource(f"a still image ({name}), not a clip")
        streams = []
        for kind in ("video", "audio"):
            stream: Any = container.streams.best(kind)
            if stream is not None and stream.disposition & av.stream.Disposition.attached_pic:
                stream = None  # cover art
            why = f"no {kind} stream" if stream is None else _undecodable(stream)
            if why:
                self.absent[kind] = why
            else:
                stream.codec_context.thread_count = 1
                streams.append(stream)
        if not streams:
            raise UnusableSource("; ".join(self.absent.values()))
        return streams

    def _scanned(
        self,
        container: av.container.InputContainer,
        streams: list[Any],
        announced: float | None,
    ) -> Scan:
        result = scan(container, streams, announced)
        tracks = result.tracks
        for stream in streams:
            if stream.type not in tracks:
                self.absent[stream.type] = f"no {stream.type} in its {stream.type} stream"
        if "video" in tracks and len(tracks["video"]) == 1:
            del tracks["video"]
            self.absent["video"] = "a still image, not a clip: its video is a single picture"
        return result

    def _part(
        self, start: float | None, end: float | None, length: float, longest: float
    ) -> tuple[float | None, float]:
        """Absolute seconds of the part to keep; the low end is None if that is the first frame."""
        low, high = start or 0.0, length if end is None else min(end, length)
        if low >= high:
            raise UnusableSource(f"segment {start}-{end} s lies outside its {length:.3f} s")
        if high - low > longest + 1e-3:
            self.cut_from = high - low
            low = (low + high - longest) / 2
            return self.origin + low, self.origin + low + longest
        # Without a segment or a cut, only the limit ends the file.
        return (self.origin + low if start else None), self.origin + (
            low + longest if end is None else high
        )


def _undecodable(stream: Any) -> str:
    """Why a stream cannot be decoded, or empty; absurd headers would take all memory."""
    codec = stream.codec_context
    if codec is None:
        return f"no decoder for its {stream.type} stream"
    if stream.type == "video" and codec.width * codec.height > _MAX_PIXELS:
        return f"video of {codec.width} x {codec.height} pixels is too large"
    if stream.type == "audio":
        low, high = _SAMPLE_RATES
        if not low <= codec.sample_rate <= high:
            return f"audio of {codec.sample_rate} Hz is none of {low} to {high} Hz"
        if codec.channels > _MAX_CHANNELS:
            return f"audio of {codec.channels} channels is more than {_MAX_CHANNELS}"
    return ""


def _set_time(packet: av.Packet, track: Track, number: int) -> None:
    """Gives a packet its mended time, which its frame will bear."""
    time = track.times[number]
    if time == track.stated[number]:
        return  # as stated: decoders shift the time of a packet of which they skip a part
    base = packet.stream.time_base
    ticks = None if np.isnan(time) or not base else round(float(time) / float(base))
    if track.by_decoding:
        packet.dts = ticks
    else:
        packet.pts = ticks


def _origin(main: Any, track: Track) -> float:
    """The start that the file states, if its packets agree."""
    if main.start_time is None:
        return track.begin
    stated = float(main.start_time * main.time_base)
    near = max(MIN_JUMP_SECONDS, REORDER_STEPS * track.step)
    return stated if abs(stated - track.begin) <= near else track.begin


def _announced(container: av.container.InputContainer, main: Any) -> float | None:
    """Seconds from the first frame to the end as the header says, or None."""
    rate = main.average_rate if main.type == "video" else None
    if container.format.name == "avi" and rate and main.frames:
        # FFmpeg shortens the duration of a truncated AVI, but not the number of its frames.
        return float(main.frames / rate)
    if container.format.name not in _STATING_LENGTH:
        return None
    if main.duration is not None and main.duration > 0:
        return float(main.duration * main.time_base)
    if container.duration is not None and container.duration > 0:
        begin = (container.start_time or 0) / 1e6
        own = begin if main.start_time is None else float(main.start_time * main.time_base)
        return begin + container.duration / 1e6 - own
    return None

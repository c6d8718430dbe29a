"""One source file: its streams, the part of it to keep, and the decoded frames of that part."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from iicl.data.manifest import UnusableSource
from iicl.data.media.clock import MIN_JUMP_SECONDS, REORDER_STEPS
from iicl.data.media.opening import open_source
from iicl.data.media.packets import Scan, error_text, is_end, scan
from iicl.data.media.sound import MAX_RATE
from iicl.data.media.track import Track

_MARGIN_SECONDS = 0.5  # of packets decoded before the part, so that the codec has settled
_MAX_PIXELS = 8192 * 4608  # per frame, which then takes some 50 MB
_SAMPLE_RATES = (1_000, MAX_RATE)  # Hz; lowest and highest that is accepted
_MAX_CHANNELS = 64
# Formats whose header states a length. For other formats FFmpeg guesses the length from time stamps
# or the bit rate.
_STATING_LENGTH = frozenset(
    ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "wav", "flac", "aiff"]
)


class Source:
    """The part of a file to keep: reads all packets when it is made, then decodes the part.

    Args:
        container: the file, opened just now; it must stay open.
        path: path of the file.
        longest: seconds; if the part is longer, only its middle is kept.
        start: seconds from the file's start at which the part begins; None for the file's start.
        end: seconds from the file's start at which it ends; None for the file's end.

    Attributes:
        tracks: "video" and "audio" -> the packets of that stream, if it can be decoded.
        absent: "video" and "audio" -> why that stream cannot be decoded, if it cannot.
        rate: frames per second of the video as the file states them, or None.
        aspect: width / height of one pixel, or None.
        origin: seconds; time stamp of the start of the file.
        low: seconds; time stamp of the start of the part; None if it starts with the first frame.
        high: seconds; time stamp of the end of the part, which may be behind the end of the file.
        end: seconds; time stamp of the end of the file as its packets and its header say.
        expected: seconds that the part should last.
        cut_from: seconds of the part before it was cut to its middle; None if it was not cut.
        num_packets: "video" or "audio" -> number of packets given to the decoder.
        num_errors: "video" or "audio" -> number of these that could not be decoded.
        stopped: why reading ended before the file did, or empty.

    Raises:
        UnusableSource: if nothing can be decoded, or the part lies outside the file.
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
        if announced is not None:  # the last picture may claim to last longer than header and sound
            ends = [t.end for kind, t in self.tracks.items() if kind != main.type]
            self.end = min(own_end, max([self.origin + announced, *ends]))
        length = self.end - self.origin
        if length <= 0:  # then hardly any time stamp can be trusted
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
        """The greatest length of the part."""
        return self.high - (self.origin if self.low is None else self.low)

    def frames(self) -> Iterator[tuple[av.VideoFrame | av.AudioFrame, float | None]]:
        """Decodes both streams until both have passed the end of the part.

        Yields:
            A frame, and its time in seconds or None if its packet has no time.
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
                # An empty packet means that the last picture stays.
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
        """The packets of the tracks: from memory if they were kept, else from the file again."""
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
        """Number of the packet at which decoding must begin for the part to be complete."""
        if self.low is None:
            return 0
        track = self.tracks[kind]
        # A key frame is presented after its decoding time, because pictures are reordered.
        late = REORDER_STEPS * track.step if track.by_decoding else 0.0
        return track.packet_before(self.low - max(_MARGIN_SECONDS, late), kind == "video")

    def _streams(self, container: av.container.InputContainer) -> list[Any]:
        """The video and the audio stream if they can be decoded; otherwise stores why not."""
        name = container.format.name
        if name.endswith("_pipe"):
            raise UnusableSource(f"a still image ({name}), not a clip")
        streams = []
        for kind in ("video", "audio"):
            stream: Any = container.streams.best(kind)
            if stream is not None and stream.disposition & av.stream.Disposition.attached_pic:
                stream = None  # cover art
            reason = f"no {kind} stream" if stream is None else _undecodable(stream)
            if reason:
                self.absent[kind] = reason
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
        """Reads all packets, and sets aside streams without packets and single pictures."""
        packets = scan(container, streams, announced)
        tracks = packets.tracks
        for stream in streams:
            if stream.type not in tracks:
                self.absent[stream.type] = f"no {stream.type} in its {stream.type} stream"
        if "video" in tracks and len(tracks["video"]) == 1:
            del tracks["video"]
            self.absent["video"] = "a still image, not a clip: its video is a single picture"
        return packets

    def _part(
        self, start: float | None, end: float | None, length: float, longest: float
    ) -> tuple[float | None, float]:
        """Time stamps in seconds of start and end of the part; start None: at the first frame."""
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
    """Why a stream cannot be decoded, or empty.

    Absurd sizes and rates are refused, because decoding would take all memory.
    """
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
    """Sets the time of a packet to its mended time; its frame takes it over."""
    time = track.times[number]
    if time == track.stated[number]:
        return  # unchanged, because decoders shift the time of a packet if they skip a part of it
    base = packet.stream.time_base
    ticks = None if np.isnan(time) or not base else round(float(time) / float(base))
    if track.by_decoding:
        packet.dts = ticks
    else:
        packet.pts = ticks


def _origin(main: Any, track: Track) -> float:
    """Seconds; the start that the file states if its packets agree, else their earliest time."""
    if main.start_time is None:
        return track.begin
    stated = float(main.start_time * main.time_base)
    near = max(MIN_JUMP_SECONDS, REORDER_STEPS * track.step)
    return stated if abs(stated - track.begin) <= near else track.begin


def _announced(container: av.container.InputContainer, main: Any) -> float | None:
    """Seconds from the first frame to the end of the file as the header says, or None."""
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
        main_begin = begin if main.start_time is None else float(main.start_time * main.time_base)
        return begin + container.duration / 1e6 - main_begin
    return None

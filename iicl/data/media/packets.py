"""Reads all packets of a file once, without decoding, to learn the times of its streams.

This comes before any decoding, because only all packets together show whether a time stamp is wrong
or marks a pause, how long the file really is, and at which key frame a part of it can begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import av
import av.error

from iicl.data.media.mending import mend
from iicl.data.media.track import StreamStamps, Track

_KEPT_BYTES = 1 << 26  # packets of smaller files stay in memory, larger files are read again
_NONE = float("nan")


@dataclass(frozen=True)
class Scan:
    """What the packets of a file say.

    Attributes:
        tracks: "video" or "audio" -> its packets; streams without a packet are left out.
        packets: all packets as they were read; None if they would take too much memory.
        stopped: why reading ended before the file did, or empty.
    """

    tracks: dict[str, Track]
    packets: list[av.Packet] | None
    stopped: str


def scan(
    container: av.container.InputContainer,
    streams: Sequence[av.stream.Stream],
    announced: float | None,
) -> Scan:
    """Reads all packets of a file.

    Args:
        container: the file, opened just now.
        streams: one video stream, one audio stream, or one of both; video first.
        announced: length of the file in seconds as its header says, or None.
    """
    stamps = {stream.index: StreamStamps() for stream in streams}
    packets: list[av.Packet] = []
    num_bytes, stopped = 0, ""
    try:
        for place, packet in enumerate(container.demux(list(streams))):
            num_bytes += packet.size
            if num_bytes <= _KEPT_BYTES:
                packets.append(packet)
            if not is_end(packet):
                _add(stamps[packet.stream_index], packet, place)
    except av.error.FFmpegError as error:
        stopped = error_text(error)
    tracks = mend(
        [(stream, stamps[stream.index]) for stream in streams if stamps[stream.index].places],
        # AVI states no presentation times; the decoding times count.
        decode_order=container.format.name == "avi",
        wraps=container.format.name in ("mpeg", "mpegts"),
        announced=announced,
    )
    return Scan(tracks, packets if num_bytes <= _KEPT_BYTES else None, stopped)


def _add(stamps: StreamStamps, packet: av.Packet, place: int) -> None:
    stamps.presentation.append(_NONE if packet.pts is None else packet.pts)
    stamps.decoding.append(_NONE if packet.dts is None else packet.dts)
    stamps.durations.append(packet.duration or _NONE)
    stamps.keys.append(packet.is_keyframe)
    stamps.hidden.append(packet.is_discard)
    stamps.places.append(place)


def is_end(packet: av.Packet) -> bool:
    """Whether a packet only tells the decoder that the file is over."""
    return packet.size == 0 and packet.dts is None and packet.pts is None


def error_text(error: Exception) -> str:
    """The message of an FFmpeg error."""
    return getattr(error, "strerror", None) or str(error)

"""What the packets of a file say of its times, and how they are mended. No packet is decoded here.

All packets are looked at once before the first is decoded: only then is it known whether a time
stamp is wrong or a pause, how long the file is whatever its header says, and from which key frame
a part of it can be decoded.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import av
import av.error
import numpy as np

from iicl.data.clock import (
    NUM_WITNESSES,
    Jump,
    Seconds,
    removable,
    shifts,
    typical_step,
    without_wild_stamps,
)

_SAME_LEAP_SECONDS = 1.0  # two streams whose clocks leap by as much leap together
_MAX_SECONDS = 1e8  # three years; stamps beyond are none, and floats could not tell frames apart
_NEARBY_PACKETS = 500  # between the two places in the file


@dataclass
class Track:
    """The packets of one stream in the order of the file.

    Attributes:
        times: (n,) seconds, mended; NaN where a packet has no stamp that can be believed.
        ends: (n,) seconds at which each packet's picture or sound ends, as far as is known.
        keys: (n,) whether decoding may begin with the packet.
        step: seconds from one packet to the next as a rule.
        by_decoding: the stamps are decoding times; the file states no presentation times.
        is_timed: some packet bears a stamp.
        leaps: those that were taken out of the clock.
        num_wild: stamps that were taken out.
    """

    times: Seconds
    ends: Seconds
    keys: np.ndarray
    step: float
    by_decoding: bool
    is_timed: bool
    leaps: list[Jump] = field(default_factory=list)
    num_wild: int = 0

    def __len__(self) -> int:
        return len(self.times)

    @property
    def begin(self) -> float:
        """Seconds; the earliest time of a packet, 0 without any."""
        return float(np.nanmin(self.times)) if not np.isnan(self.times).all() else 0.0

    @property
    def end(self) -> float:
        """Seconds; the latest end of a packet."""
        if not np.isnan(self.ends).all():
            return float(np.nanmax(self.ends))
        return self.begin + len(self.times) * self.step

    def packet_before(self, seconds: float, keys_only: bool) -> int:
        """The last packet, or key packet, that is not later; the first one if there is none."""
        wanted = self.times <= seconds + 1e-6
        if keys_only:
            wanted &= self.keys
        return int(np.flatnonzero(wanted)[-1]) if wanted.any() else 0


@dataclass
class _Raw:
    """Stamps and durations of a stream as the file states them, in seconds; NaN: not stated."""

    shown: array = field(default_factory=lambda: array("d"))
    decoding: array = field(default_factory=lambda: array("d"))
    durations: array = field(default_factory=lambda: array("d"))
    keys: array = field(default_factory=lambda: array("b"))
    places: array = field(default_factory=lambda: array("q"))  # among all packets of the file


def scan(
    container: av.container.InputContainer,
    streams: Sequence[av.stream.Stream],
    decode_order: bool,
) -> dict[str, Track]:
    """Looks at all packets of a file.

    Args:
        container: at its start.
        streams: one of video, one of audio, or one of both; video first.
        decode_order: the container states no presentation times; the decoding times count.

    Returns:
        "video" or "audio" -> its packets; streams without a packet are left out.
    """
    raw = {stream.index: _Raw() for stream in streams}
    for place, packet in enumerate(_packets(container, streams)):
        if is_end(packet):
            continue
        base = packet.time_base or packet.stream.time_base
        seconds = float(base) if base else 0.0
        held = raw[packet.stream.index]
        hidden = packet.is_discard
        held.shown.append(_seconds(None if hidden else packet.pts, seconds))
        held.decoding.append(_seconds(None if hidden else packet.dts, seconds))
        held.durations.append(_seconds(packet.duration or None, seconds))
        held.keys.append(packet.is_keyframe)
        held.places.append(place)
    kept = [(stream, raw[stream.index]) for stream in streams if raw[stream.index].shown]
    return _mended(kept, decode_order)


def is_end(packet: av.Packet) -> bool:
    """Whether a packet only tells the decoder that the file is over."""
    return packet.size == 0 and packet.dts is None and packet.pts is None


def _packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream]
) -> Iterator[av.Packet]:
    packets = container.demux(list(streams))
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return  # met again, and noted, when the file is decoded
        if packet is None:
            return
        yield packet


def _seconds(ticks: int | None, tick: float) -> float:
    seconds = float("nan") if ticks is None else ticks * tick
    return seconds if abs(seconds) < _MAX_SECONDS else float("nan")


def _mended(found: list[tuple[av.stream.Stream, _Raw]], decode_order: bool) -> dict[str, Track]:
    """Wild stamps and leaps are taken out, the same leaps of both streams alike."""
    tracks: dict[str, Track] = {}
    jumps: dict[str, list[Jump]] = {}
    places: dict[str, np.ndarray] = {}
    for stream, raw in found:
        shown, decoding = np.array(raw.shown), np.array(raw.decoding)
        durations = np.array(raw.durations)
        step = typical_step(decoding, shown, _stated_step(stream, durations))
        by_decoding = stream.type == "video" and (decode_order or bool(np.isnan(shown).all()))
        stamps = decoding if by_decoding else shown
        clean, jumps[stream.type] = without_wild_stamps(stamps, step)
        ends = clean + np.where(np.isnan(durations), step, durations)
        tracks[stream.type] = Track(
            times=clean,
            ends=ends,
            keys=np.array(raw.keys, bool),
            step=step,
            by_decoding=by_decoding,
            is_timed=not np.isnan(stamps).all(),
            num_wild=int(np.isnan(clean).sum() - np.isnan(stamps).sum()),
        )
        places[stream.type] = np.array(raw.places)
    stamps_of = {kind: track.times.copy() for kind, track in tracks.items()}
    for kind, track in tracks.items():
        other = next((stamps for name, stamps in stamps_of.items() if name != kind), None)
        faults = removable(jumps[kind], len(track), other)
        track.leaps = [j for j, fault in zip(jumps[kind], faults, strict=True) if fault]
        first = track.leaps[0] if track.leaps else None
        if first is not None and first.index < NUM_WITNESSES and first.seconds > 0:
            # The few before it are the wild ones: all others stay where they are.
            track.times[: first.index] = track.ends[: first.index] = np.nan
            track.num_wild += first.index
            del track.leaps[0]
    if "video" in tracks and "audio" in tracks:
        _leap_together(tracks["video"], tracks["audio"], places)
    _distrust_absurd_steps(tracks)
    for track in tracks.values():
        shift = shifts(track.leaps, len(track))
        track.times = track.times + shift
        track.ends = track.ends + shift
    for kind, track in tracks.items():
        others = [other.times for name, other in tracks.items() if name != kind]
        track.ends = _bounded_ends(track, others)
    return tracks


def _stated_step(stream: av.stream.Stream, durations: Seconds) -> float:
    """Seconds between packets of a stream without stamps."""
    known = durations[~np.isnan(durations)]
    if len(known):
        return float(np.median(known))
    rate = getattr(stream, "guessed_rate", None) or getattr(stream, "average_rate", None)
    return float(1 / rate) if rate and 0.1 <= rate <= 1000 else 0.04


def _leap_together(video: Track, audio: Track, places: dict[str, np.ndarray]) -> None:
    """Takes the same leap out of the sound as out of the picture, so that they stay in step."""
    for leap in video.leaps:
        at = places["video"][leap.index]
        for number, other in enumerate(audio.leaps):
            near = abs(places["audio"][other.index] - at) <= _NEARBY_PACKETS
            alike = abs(other.seconds - leap.seconds) < _SAME_LEAP_SECONDS
            if near and alike:
                begin = other.after - leap.seconds
                audio.leaps[number] = Jump(other.index, begin, other.after)


def _distrust_absurd_steps(tracks: dict[str, Track]) -> None:
    """Spreads pictures over the sound if each lasts longer than all of it by their own stamps."""
    video, audio = tracks.get("video"), tracks.get("audio")
    if video is None or audio is None or np.isnan(audio.times).all():
        return
    length = audio.end - audio.begin
    if length < video.step and len(video) > 2:
        video.step, video.is_timed, video.leaps = length / len(video), False, []
        video.times = np.full(len(video), np.nan)
        video.ends = video.times.copy()


def _bounded_ends(track: Track, others: list[Seconds]) -> Seconds:
    """No packet lasts longer than twice the longest step, unless the other stream goes on."""
    steps = np.diff(np.sort(track.times[~np.isnan(track.times)]))
    longest = 2 * max(track.step, float(steps.max(initial=0.0)))
    other_end = max((float(np.nanmax(t)) for t in others if not np.isnan(t).all()), default=-np.inf)
    return np.minimum(track.ends, np.maximum(track.times + longest, other_end))

"""What the packets of a file say of its times, and how they are mended. No packet is decoded here.

All packets are looked at once before the first is decoded: only then is it known whether a time
stamp is wrong or a pause, how long the file is whatever its header says, and from which key frame
a part of it can be decoded.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import av
import av.error
import numpy as np

from iicl.data.clock import (
    MAX_PAUSE_SECONDS,
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
_PICTURE_SECONDS = (0.001, 600.0)  # for which a picture may be on screen as a rule
_CLOCK_SECONDS = 2**33 / 90_000  # after which the clock of MPEG streams begins anew at 0
_MAX_PACKET_SECONDS = 10.0  # that a packet of sound may last as a rule
_DEFAULT_STEP = 0.04  # seconds between pictures of which nothing is known
_ENOUGH_SECONDS = 0.5  # of sound by which pictures can be measured
_KEPT_BYTES = 1 << 26  # packets of smaller files stay in memory, larger files are read again
_NONE = float("nan")
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
        stated: (n,) seconds, as the file has them.
    """

    times: Seconds
    ends: Seconds
    keys: np.ndarray
    step: float
    by_decoding: bool
    is_timed: bool
    leaps: list[Jump] = field(default_factory=list)
    num_wild: int = 0
    stated: Seconds = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def begin(self) -> float:
        """Seconds; the earliest time of a packet, 0 without any."""
        return float(np.nanmin(self.times)) if not np.isnan(self.times).all() else 0.0

    @property
    def end(self) -> float:
        """Seconds; the latest end of a packet."""
        even = self.begin + len(self.times) * self.step
        known = self.ends[~np.isnan(self.ends)]
        if 2 * len(known) < len(self.times):
            return max(even, float(known.max(initial=-np.inf)))
        return float(known.max())

    def packet_before(self, seconds: float, keys_only: bool) -> int:
        """The last packet, or key packet, that is not later; the first one if there is none."""
        wanted = self.times <= seconds + 1e-6
        if keys_only:
            wanted &= self.keys
        return int(np.flatnonzero(wanted)[-1]) if wanted.any() else 0


@dataclass
class _Raw:
    """Stamps of a stream as they are, in ticks; NaN where there is none."""

    shown: array = field(default_factory=lambda: array("d"))
    decoding: array = field(default_factory=lambda: array("d"))
    durations: array = field(default_factory=lambda: array("d"))
    keys: array = field(default_factory=lambda: array("b"))
    hidden: array = field(default_factory=lambda: array("b"))
    places: array = field(default_factory=lambda: array("q"))  # among all packets of the file


@dataclass(frozen=True)
class Scan:
    """What a look at all packets of a file gives.

    Attributes:
        tracks: "video" or "audio" -> its packets; streams without a packet are left out.
        packets: all of them, as they were read; None if they take more memory than is good.
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
    """Looks at all packets of a file.

    Args:
        container: at its start.
        streams: one of video, one of audio, or one of both; video first.
        announced: seconds that the header says the file lasts, or None.
    """
    raw = {stream.index: _Raw() for stream in streams}
    packets: list[av.Packet] = []
    num_bytes, stopped = 0, ""
    try:
        for place, packet in enumerate(container.demux(list(streams))):
            num_bytes += packet.size
            if num_bytes <= _KEPT_BYTES:
                packets.append(packet)
            if is_end(packet):
                continue
            held = raw[packet.stream_index]
            held.shown.append(_NONE if packet.pts is None else packet.pts)
            held.decoding.append(_NONE if packet.dts is None else packet.dts)
            held.durations.append(packet.duration or _NONE)
            held.keys.append(packet.is_keyframe)
            held.hidden.append(packet.is_discard)
            held.places.append(place)
    except av.error.FFmpegError as error:
        stopped = error_text(error)
    read = [(stream, raw[stream.index]) for stream in streams if raw[stream.index].shown]
    is_kept = num_bytes <= _KEPT_BYTES
    name = container.format.name
    # AVI states no presentation times; the decoding times count.
    tracks = _mended(read, name == "avi", name in ("mpeg", "mpegts"), announced)
    return Scan(tracks, packets if is_kept else None, stopped)


def is_end(packet: av.Packet) -> bool:
    """Whether a packet only tells the decoder that the file is over."""
    return packet.size == 0 and packet.dts is None and packet.pts is None


def error_text(error: Exception) -> str:
    """What an error of FFmpeg says."""
    return getattr(error, "strerror", None) or str(error)


def _seconds(ticks: array, base: float) -> Seconds:
    """Times, NaN for those that cannot be; a clock most of whose times cannot be is none."""
    seconds = np.array(ticks) * base
    absurd = np.abs(seconds) >= _MAX_SECONDS
    if 2 * absurd.sum() > (~np.isnan(seconds)).sum():
        absurd[:] = True
    seconds[absurd] = np.nan
    return seconds


def _unwrapped(shown: Seconds, decoding: Seconds, first: float) -> tuple[Seconds, Seconds]:
    """Stamps of an MPEG stream on a clock that goes on, within half its period from ``first``."""
    result = []
    for stamps in (shown, decoding):
        known = ~np.isnan(stamps)
        unwrapped = stamps.copy()
        unwrapped[known] = np.unwrap(np.r_[first, stamps[known]], period=_CLOCK_SECONDS)[1:]
        result.append(unwrapped)
    return result[0], result[1]


def _mended(
    found: list[tuple[av.stream.Stream, _Raw]],
    decode_order: bool,
    wraps: bool,
    announced: float | None,
) -> dict[str, Track]:
    """Wild stamps and leaps are taken out, the same leaps of both streams alike."""
    tracks: dict[str, Track] = {}
    jumps: dict[str, list[Jump]] = {}
    places: dict[str, np.ndarray] = {}
    first_stamp = _NONE
    for stream, raw in found:
        base, hidden = float(stream.time_base or 0), np.array(raw.hidden, bool)
        shown, decoding = _seconds(raw.shown, base), _seconds(raw.decoding, base)
        if np.isnan(first_stamp):
            known = np.concatenate([decoding, shown])
            first_stamp = float(next(iter(known[~np.isnan(known)]), _NONE))
        stated = shown, decoding
        if wraps and not np.isnan(first_stamp):
            shown, decoding = _unwrapped(shown, decoding, first_stamp)
        shown[hidden] = decoding[hidden] = np.nan
        durations = _seconds(raw.durations, base)
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
            stated=stated[by_decoding],
        )
        places[stream.type] = np.array(raw.places)
    stamps_of = {kind: track.times.copy() for kind, track in tracks.items()}
    for kind, track in tracks.items():
        other = next((stamps for name, stamps in stamps_of.items() if name != kind), None)
        longest = MAX_PAUSE_SECONDS
        if other is None and announced is not None and track.begin + announced + 1 >= track.end:
            longest = announced
        faults = removable(jumps[kind], len(track), other, longest)
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
    for kind, track in tracks.items():
        shift = shifts(track.leaps, len(track))
        track.times = track.times + shift
        track.ends = track.ends + shift
        if kind == "audio" and len(tracks) == 1 and track.leaps:
            # Without a picture, samples tell better than stamps where joined sounds go on.
            track.times[track.leaps[0].index :] = np.nan
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
    return float(1 / rate) if rate and 0.1 <= rate <= 1000 else _DEFAULT_STEP


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
    """Forgets the stamps of sound and pictures if by them each lasts for an absurd time.

    For a picture that is longer than all of the sound, or than in any slide show.
    """
    video, audio = tracks.get("video"), tracks.get("audio")
    if audio is not None and audio.step > _MAX_PACKET_SECONDS:
        _forget_times(audio, 0.0)
    if video is None or len(video) <= 2:
        return
    length = 0.0 if audio is None or np.isnan(audio.times).all() else audio.end - audio.begin
    low, high = _PICTURE_SECONDS
    high = length if length > _ENOUGH_SECONDS else high
    known = np.sort(video.times[~np.isnan(video.times)])
    pace = float(known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 0.0
    if pace < low or video.step > high:
        steps = (video.step, length / len(video), _DEFAULT_STEP)
        _forget_times(video, next(step for step in steps if low <= step <= high))


def _forget_times(track: Track, step: float) -> None:
    track.step, track.is_timed, track.leaps = step, False, []
    track.times = np.full(len(track), np.nan)
    track.ends = track.times.copy()


def _bounded_ends(track: Track, others: list[Seconds]) -> Seconds:
    """No packet lasts longer than twice the longest step, unless the other stream goes on."""
    steps = np.diff(np.sort(track.times[~np.isnan(track.times)]))
    longest = 2 * max(track.step, float(steps.max(initial=0.0)))
    other_end = max((float(np.nanmax(t)) for t in others if not np.isnan(t).all()), default=-np.inf)
    return np.minimum(track.ends, np.maximum(track.times + longest, other_end))

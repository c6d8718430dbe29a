"""From the time stamps that packets state to times that can be trusted.

Wild stamps and false leaps of the clock are taken out, and a leap that both streams share is taken
out of both by the same amount. The rules for a single stream are in :mod:`iicl.data.media.clock`.
"""

from array import array
from collections.abc import Sequence

import av
import numpy as np

from iicl.data.media.clock import (
    MAX_PAUSE_SECONDS,
    NUM_WITNESSES,
    Jump,
    Seconds,
    removable,
    shifts,
    typical_step,
    without_wild_stamps,
)
from iicl.data.media.track import StreamStamps, Track

_SAME_LEAP_SECONDS = 1.0  # leaps of two streams that differ by less are one leap
_NEARBY_PACKETS = 500  # two leaps that are further apart in the file are not one leap
_MAX_SECONDS = 1e8  # three years; a later stamp is wrong, and floats could not tell frames apart
_PICTURE_SECONDS = (0.001, 600.0)  # shortest and longest plausible step between pictures
_CLOCK_SECONDS = 2**33 / 90_000  # period of the clock of MPEG streams
_MAX_PACKET_SECONDS = 10.0  # longest plausible step between packets of sound
_DEFAULT_STEP = 0.04  # seconds between pictures of which nothing is known
_ENOUGH_SECONDS = 0.5  # pictures are compared with the length of the sound if it has as much
_NONE = float("nan")


def mend(
    streams: Sequence[tuple[av.stream.Stream, StreamStamps]],
    *,
    decode_order: bool,
    wraps: bool,
    announced: float | None,
) -> dict[str, Track]:
    """Makes the track of each stream.

    Args:
        streams: at most one video and one audio stream, and what their packets state.
        decode_order: use the decoding times of pictures.
        wraps: the clock is that of MPEG streams, which starts again from 0 after 26.5 hours.
        announced: length of the file in seconds as its header says, or None.

    Returns:
        "video" or "audio" -> its track.
    """
    clock_start = _first_time(streams) if wraps else _NONE
    tracks: dict[str, Track] = {}
    jumps: dict[str, list[Jump]] = {}
    for stream, stamps in streams:
        tracks[stream.type], jumps[stream.type] = _track(stream, stamps, decode_order, clock_start)
    _choose_leaps(tracks, jumps, announced)
    if "video" in tracks and "audio" in tracks:
        places = {str(stream.type): np.array(stamps.places) for stream, stamps in streams}
        _leap_together(tracks["video"], tracks["audio"], places)
    _distrust_absurd_steps(tracks)
    _take_out_leaps(tracks)
    for kind, track in tracks.items():
        others = [other.times for name, other in tracks.items() if name != kind]
        track.ends = _bounded_ends(track, others)
    return tracks


def _first_time(streams: Sequence[tuple[av.stream.Stream, StreamStamps]]) -> float:
    """Seconds; the first time that a packet states, NaN if none does."""
    for stream, stamps in streams:
        base = float(stream.time_base or 0)
        for ticks in (stamps.decoding, stamps.presentation):
            seconds = _seconds(ticks, base)
            known = seconds[~np.isnan(seconds)]
            if len(known):
                return float(known[0])
    return _NONE


def _track(
    stream: av.stream.Stream, stamps: StreamStamps, decode_order: bool, clock_start: float
) -> tuple[Track, list[Jump]]:
    """The track of one stream without its wild stamps, and all leaps of its clock."""
    base, hidden = float(stream.time_base or 0), np.array(stamps.hidden, bool)
    presentation = _seconds(stamps.presentation, base)
    decoding = _seconds(stamps.decoding, base)
    stated = presentation, decoding
    if not np.isnan(clock_start):
        presentation = _unwrapped(presentation, clock_start)
        decoding = _unwrapped(decoding, clock_start)
    presentation[hidden] = decoding[hidden] = np.nan
    durations = _seconds(stamps.durations, base)
    step = typical_step(decoding, presentation, _stated_step(stream, durations))
    by_decoding = stream.type == "video" and (decode_order or bool(np.isnan(presentation).all()))
    times = decoding if by_decoding else presentation
    clean, jumps = without_wild_stamps(times, step)
    track = Track(
        times=clean,
        ends=clean + np.where(np.isnan(durations), step, durations),
        keys=np.array(stamps.keys, bool),
        step=step,
        by_decoding=by_decoding,
        is_timed=not np.isnan(times).all(),
        num_wild=int(np.isnan(clean).sum() - np.isnan(times).sum()),
        stated=stated[by_decoding],
    )
    return track, jumps


def _seconds(ticks: array, base: float) -> Seconds:
    """Ticks in seconds; impossible times become NaN, all times if most are impossible."""
    seconds = np.array(ticks) * base
    absurd = np.abs(seconds) >= _MAX_SECONDS
    if 2 * absurd.sum() > (~np.isnan(seconds)).sum():
        absurd[:] = True
    seconds[absurd] = np.nan
    return seconds


def _unwrapped(stamps: Seconds, first: float) -> Seconds:
    """Stamps of an MPEG stream on a clock that goes on, within half its period from ``first``."""
    known = ~np.isnan(stamps)
    unwrapped = stamps.copy()
    unwrapped[known] = np.unwrap(np.r_[first, stamps[known]], period=_CLOCK_SECONDS)[1:]
    return unwrapped


def _stated_step(stream: av.stream.Stream, durations: Seconds) -> float:
    """Seconds between packets as the file states them apart from its time stamps."""
    known = durations[~np.isnan(durations)]
    if len(known):
        return float(np.median(known))
    rate = getattr(stream, "guessed_rate", None) or getattr(stream, "average_rate", None)
    return float(1 / rate) if rate and 0.1 <= rate <= 1000 else _DEFAULT_STEP


def _choose_leaps(
    tracks: dict[str, Track], jumps: dict[str, list[Jump]], announced: float | None
) -> None:
    """Stores the leaps of each track that are faults and not pauses."""
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
            # The few stamps before the leap are the wild ones: all others stay where they are.
            track.times[: first.index] = track.ends[: first.index] = np.nan
            track.num_wild += first.index
            del track.leaps[0]


def _leap_together(video: Track, audio: Track, places: dict[str, np.ndarray]) -> None:
    """Takes the same leap out of the sound as out of the picture, so that they stay in step."""
    for leap in video.leaps:
        video_place = places["video"][leap.index]
        for number, other in enumerate(audio.leaps):
            near = abs(places["audio"][other.index] - video_place) <= _NEARBY_PACKETS
            alike = abs(other.seconds - leap.seconds) < _SAME_LEAP_SECONDS
            if near and alike:
                begin = other.after - leap.seconds
                audio.leaps[number] = Jump(other.index, begin, other.after)


def _distrust_absurd_steps(tracks: dict[str, Track]) -> None:
    """Drops the times of a stream if they make each picture or packet of sound last absurdly long.

    A picture lasts absurdly long if it lasts longer than all of the sound, or longer than in any
    slide show.
    """
    video, audio = tracks.get("video"), tracks.get("audio")
    if audio is not None and audio.step > _MAX_PACKET_SECONDS:
        audio.forget_times(0.0)
    if video is None or len(video) <= 2:
        return
    length = 0.0 if audio is None or np.isnan(audio.times).all() else audio.end - audio.begin
    low, high = _PICTURE_SECONDS
    high = length if length > _ENOUGH_SECONDS else high
    known = np.sort(video.times[~np.isnan(video.times)])
    pace = float(known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 0.0
    if pace < low or video.step > high:
        steps = (video.step, length / len(video), _DEFAULT_STEP)
        video.forget_times(next(step for step in steps if low <= step <= high))


def _take_out_leaps(tracks: dict[str, Track]) -> None:
    """Shifts the times behind each leap so that the leap is gone."""
    for kind, track in tracks.items():
        shift = shifts(track.leaps, len(track))
        track.times = track.times + shift
        track.ends = track.ends + shift
        if kind == "audio" and len(tracks) == 1 and track.leaps:
            # Without pictures, the number of samples tells better than stamps where a joined sound
            # goes on.
            track.times[track.leaps[0].index :] = np.nan


def _bounded_ends(track: Track, others: list[Seconds]) -> Seconds:
    """Ends of packets: at most two of the longest steps, unless the other stream goes on."""
    steps = np.diff(np.sort(track.times[~np.isnan(track.times)]))
    longest = 2 * max(track.step, float(steps.max(initial=0.0)))
    other_end = max((float(np.nanmax(t)) for t in others if not np.isnan(t).all()), default=-np.inf)
    return np.minimum(track.ends, np.maximum(track.times + longest, other_end))

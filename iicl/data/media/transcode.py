"""Turns one source file into H.264 packets on a uniform grid of times, and mono sound.

The time of the first video frame kept is time zero of both. Nothing here imports torch, because
worker processes run it and start often.
"""

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from iicl.config import Preparation
from iicl.data.manifest import UnusableSource
from iicl.data.media.encode import Encoder
from iicl.data.media.opening import open_source
from iicl.data.media.sound import Sound
from iicl.data.media.source import Source

VERSION = 3  # version of the rules for what is kept of a file; it is part of a corpus's identity
_SHORT_SECONDS = 0.25  # a view that lacks less at its end counts as complete
_DELAY = 16  # the last frames of a stream with decoding times only have no time stamp
_ENOUGH_SECONDS = 1.0  # a shorter view is kept only if it is at least half of what it should be


@dataclass
class Transcoded:
    """What is kept of one source file.

    Attributes:
        packets: one H.264 Annex-B packet per frame, a key frame every
            :data:`iicl.constants.GOP` frames; empty without video.
        fps: frames per second of the uniform grid; 0 without video.
        height: height of the frames, even.
        width: width of the frames, even.
        samples: int16 mono sound from the time of the first frame; None without sound.
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

    If a file stops early, it is kept with a note, provided that it gave at least one second or
    half of the length that it announces.

    Args:
        path: the media file.
        preparation: what to keep.
        start_seconds: start of the part to keep; None for the start of the file.
        end_seconds: end of the part to keep; None for the end of the file.

    Raises:
        UnusableSource: if the file gives neither video nor sound.
    """
    with open_source(path) as container:
        longest = preparation.max_seconds
        source = Source(container, path, longest, start_seconds, end_seconds)
        return _transcoded(source, preparation)


def _transcoded(source: Source, preparation: Preparation) -> Transcoded:
    encoder = Encoder(source, preparation) if "video" in source.tracks else None
    sound = Sound()
    _read(source, encoder, sound)
    result = Transcoded()
    if encoder is not None and "video" not in source.absent:
        _keep_video(source, encoder, result)
    seconds = len(result.packets) / result.fps if result.packets else source.expected
    if "audio" not in source.absent:
        zero = encoder.zero if encoder is not None and result.packets else source.low
        length = seconds if result.packets else source.max_seconds
        result.samples = sound.samples(zero, length, preparation.sample_rate)
        _judge_sound(source, sound, result, seconds, preparation.sample_rate)
    notes = [source.absent[kind] for kind in ("video", "audio") if kind in source.absent]
    if source.cut_from is not None:
        notes.insert(0, f"the middle {source.max_seconds:.2f} s of {source.cut_from:.2f} s")
    result.notes = notes + result.notes + _clock_notes(source, encoder) + sound.notes
    result.notes += _damage_notes(source, encoder)
    if not result.packets and result.samples is None:
        raise UnusableSource("; ".join(result.notes))
    return result


def _read(source: Source, encoder: Encoder | None, sound: Sound) -> None:
    """Decodes the part. If one view fails, only that view is lost, and the reason is stored."""
    for frame, time in source.frames():
        kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
        if kind in source.absent:
            continue
        try:
            if isinstance(frame, av.VideoFrame):
                assert encoder is not None
                encoder.add(frame, time)
            else:
                sound.add(frame, time)
        except Exception as error:  # a codec may raise anything; the cause is the file
            source.absent[kind] = _failure(kind, error)
    if encoder is not None and "video" not in source.absent:
        try:
            encoder.finish()
        except Exception as error:
            source.absent["video"] = _failure("video", error)


def _failure(kind: str, error: Exception) -> str:
    """Why a view is given up."""
    prefix = "" if isinstance(error, UnusableSource) else f"decoder fails: {type(error).__name__}: "
    return f"no {kind}: {prefix}{' '.join(str(error).split())[:200]}"


def _keep_video(source: Source, encoder: Encoder, result: Transcoded) -> None:
    """Stores the video in ``result``, unless it is far too short or most of it is damaged."""
    if not encoder.packets:
        result.notes.append("no video frame decodes")
        return
    seconds = len(encoder.packets) / float(encoder.fps)
    missing = source.expected - seconds
    if missing > max(_SHORT_SECONDS, 2 / float(encoder.fps)):
        result.notes.append(f"video ends after {seconds:.2f} s of {source.expected:.2f} s")
        if seconds < min(_ENOUGH_SECONDS, source.expected / 2):
            return
    if 2 * encoder.num_corrupt > encoder.num_frames:
        return  # the notes on damage say so
    result.packets, result.fps = encoder.packets, float(encoder.fps)
    result.height, result.width = encoder.height, encoder.width


def _judge_sound(
    source: Source, sound: Sound, result: Transcoded, seconds: float, rate: int
) -> None:
    """Adds a note if the sound is absent or short; far too short sound without video is dropped."""
    if result.samples is None:
        if not any(note.startswith(("silent", "no audio")) for note in sound.notes):
            reason = "no sound at the time of the video" if sound.heard else "no sound decodes"
            result.notes.append(reason)
        return
    length = len(result.samples) / rate
    if seconds - length > _SHORT_SECONDS:
        result.notes.append(f"sound ends after {length:.2f} s of {seconds:.2f} s")
        if not result.packets and length < min(_ENOUGH_SECONDS, seconds / 2):
            result.samples = None


def _clock_notes(source: Source, encoder: Encoder | None) -> list[str]:
    """What is wrong with the times that the file states, and what was done about it."""
    notes = []
    for kind, track in source.tracks.items():
        name = "picture" if kind == "video" else "sound"
        if track.leaps:
            leaps = [f"{x.seconds:+.2f} s at {x.before - source.origin:.2f} s" for x in track.leaps]
            text = f"leaps of the {name}'s clock are taken out: {', '.join(leaps[:2])}"
            notes.append(text + (f" and {len(leaps) - 2} more" if len(leaps) > 2 else ""))
        if kind == "audio" and not track.is_timed:
            notes.append("the sound has no usable time stamps: its frames follow each other")
        elif kind == "audio" and track.num_wild:
            notes.append(f"{track.num_wild} sound time stamps are wrong and not used")
    if encoder is not None:
        order, track = encoder.order, source.tracks["video"]
        if not track.is_timed:
            notes.append(
                f"the picture has no usable time stamps: {1 / track.step:.5g} a second assumed"
            )
        elif order.num_filled > (_DELAY if track.by_decoding else 0):
            notes.append(f"{order.num_filled} pictures without a usable time stamp, spaced evenly")
        if order.num_reordered:
            notes.append(f"{order.num_reordered} pictures with time stamps out of order, reordered")
        if encoder.rotation_ignored:
            notes.append("the picture's rotation is no quarter turn and not applied")
    return notes


def _damage_notes(source: Source, encoder: Encoder | None) -> list[str]:
    notes = []
    for kind, number in sorted(source.num_errors.items()):
        if number:
            total = source.num_packets[kind]
            notes.append(f"decoding fails for {number} of {total} {kind} packets")
    if encoder is not None and encoder.num_corrupt:
        notes.append(f"{encoder.num_corrupt} of {encoder.num_frames} frames decode damaged")
    if source.stopped:
        notes.append(f"reading stops early: {source.stopped}")
    return notes

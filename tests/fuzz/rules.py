"""The rules that a prepared item must keep, given what FFmpeg reads in the same mutated file.

A *note* is one part of an item's reason; notes are separated by "; ". A note names the sound if it
contains "sound" or "audio", and the picture if it contains "picture", "video" or "frame". A note
with none of these words, such as "ends after 1.00 s of 2.00 s", names both. A *frame* is the
longest of three times: a frame of the clip, 1/30 s, and the median step between FFmpeg's frames (at
most a second).

1. *ends*: no file crashes its worker process, hangs it, or asks for more memory than it may have.
2. *reason*: an item without video or without audio has a reason. A reason is one line of at most
   500 characters without control characters, and never an exception of Python.
3. *kept*: if FFmpeg decodes at least 0.5 s of a view, the item has this view or a note that names
   it. A sound that consists of zeros is no sound.
4. *true*: no note is refuted. A refuted note excuses nothing. FFmpeg refutes a note that

   - states the limit of the preparation as the length of a file, or that the file was cut to its
     middle, if the file neither announces nor holds as much;
   - calls a sound silent that has other values than zero;
   - ends a sound more than 0.3 s before FFmpeg's, both by its samples and by its time stamps;
   - says that there is no such stream, that nothing of it decodes, that the file is not readable or
     cannot be sought, or that the part lies outside the file, if FFmpeg decodes 0.5 s of the view;
   - says that some of a view fails to decode, if FFmpeg decodes 0.5 s of the view and does not
     complain.
5. *length*: the stored picture is as long as FFmpeg's, from its first frame to the end of its last,
   or a note names the picture. A difference of a frame is allowed. More lengths are accepted:

   - if FFmpeg's time stamps do not rise or leave out more than 2.5 s: the sum of the stretches
     between such places, and the number of frames times their median step;
   - if the mutation changes only stamps or the header: the length of the undamaged clip;
   - if FFmpeg complains of damage: all lengths between FFmpeg's and the undamaged clip's.
6. *sound length*: if a stored sound ends more than 0.25 s before the picture (or, without a
   picture, before FFmpeg's sound), a note names the sound.
7. *step*: if FFmpeg sees as many flashes as it hears clicks, at least one of each, the item has as
   many of both. Each click is as far behind its flash as FFmpeg's or, if the mutation changes only
   stamps or the header, as the undamaged clip's. A difference of a frame and 0.02 s is allowed,
   because codecs and the measurement smear a click. Otherwise a note names one of the two views; a
   note that one ends early does not count. A sound is not compared if its noise is 0.3 to 0.75
   times as loud as its loudest click, or if it has samples far beyond full scale. An item with one
   view is measured from its first frame or sample.
8. *silence*: a sound that FFmpeg reads as zeros is no view. If FFmpeg hears a click, the stored
   sound has it, too, provided that it is long enough, or a note names the sound.

If a note excuses an item from a rule, the report counts it as excused, to show how many items are
really compared.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.fuzz.clips import Clip
from tests.fuzz.notes import EXCEPTION, SOUND_SECONDS, Stored, is_good, is_refuted, views_named
from tests.fuzz.reading import SAMPLE_RATE, Picture, Reading, Sound

MEASURE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 2.5

_CRASH = re.compile(r"decoder (crashes|hangs)|MemoryError")


@dataclass(frozen=True)
class Verdict:
    """The verdict of one rule on one item: "holds", "excused" by a note, or "fails"."""

    rule: str
    outcome: str
    detail: str = ""


def judge(clip: Clip, keeps_times: bool, reading: Reading, stored: Stored) -> list[Verdict]:
    """Applies all rules.

    Args:
        clip: the clip before the mutation.
        keeps_times: whether the mutation does not change flash, click and length.
        reading: FFmpeg's reading of the mutated file.
        stored: the prepared item of the mutated file.
    """
    if _CRASH.search(stored.reason):
        return [Verdict("ends", "fails", stored.reason)]
    verdicts = [Verdict("ends", "holds"), *_reason(stored)]
    if reading.failure:
        return verdicts
    refuted = [note for note in stored.notes if is_refuted(note, reading, stored)]
    verdicts += [Verdict("true", "fails" if refuted else "holds", "; ".join(refuted))]
    notes = {
        view: [n for n in stored.notes if n not in refuted and view in views_named(n)]
        for view in ("video", "audio")
    }
    verdicts += [
        *_kept(clip, reading, stored, notes),
        *_length(clip, keeps_times, reading, stored, notes["video"]),
        *_sound_length(reading, stored, notes["audio"]),
        *_step(clip, keeps_times, reading, stored, notes),
        *_silence(reading, stored, notes["audio"]),
    ]
    return verdicts


def _verdict(rule: str, holds: bool, notes: list[str], detail: str) -> Verdict:
    if holds:
        return Verdict(rule, "holds")
    return Verdict(rule, "excused" if notes else "fails", detail)


def _reason(stored: Stored) -> Iterator[Verdict]:
    lacks = stored.picture is None or stored.sound is None
    clean = stored.reason.isprintable() and len(stored.reason) <= 500
    holds = clean and not EXCEPTION.search(stored.reason) and bool(stored.reason or not lacks)
    yield _verdict("reason", holds, [], repr(stored.reason[:200]))


def _kept(
    clip: Clip, reading: Reading, stored: Stored, notes: dict[str, list[str]]
) -> Iterator[Verdict]:
    for view, content in (("video", stored.picture), ("audio", stored.sound)):
        if is_good(reading, view):
            detail = f"FFmpeg decodes the {view}; reason {stored.reason!r}"
            yield _verdict("kept", content is not None, notes[view], detail)


def _frame(clip: Clip, picture: Picture | None) -> float:
    """Seconds by which two readings may differ."""
    step = picture.step if picture is not None else float("nan")
    return max(1 / clip.fps, 1 / 30, min(step, 1.0) if step == step else 0.0)


def _is_regular(times: np.ndarray) -> bool:
    steps = np.diff(times)
    return bool((steps > 0).all() and (steps < LONGEST_PAUSE_SECONDS).all())


def _length(
    clip: Clip, keeps_times: bool, reading: Reading, stored: Stored, notes: list[str]
) -> Iterator[Verdict]:
    picture = reading.picture
    if picture is None or stored.picture is None:
        return
    step = picture.step if picture.step == picture.step else 1 / clip.fps
    lengths = [float(picture.times[-1] - picture.times[0]) + step]
    if not _is_regular(picture.times):
        lengths += [len(picture.times) * step, _stretches_seconds(picture.times, step)]
    if keeps_times:
        lengths += [true_seconds(clip)]
    lengths = [min(length, stored.longest) for length in lengths]
    length = _stored_seconds(stored.picture)
    frame = _frame(clip, picture)
    holds = any(abs(length - expected) <= frame + 1e-3 for expected in lengths)
    if reading.num_complaints:
        limits = [lengths[0], true_seconds(clip)]
        holds |= min(limits) - frame <= length <= max(limits) + frame
    expected = " or ".join(f"{value:.2f}" for value in lengths)
    detail = f"stored {length:.2f} s, expected {expected} s; reason {stored.reason!r}"
    yield _verdict("length", holds, notes, detail)


def _stretches_seconds(times: np.ndarray, step: float) -> float:
    """Total length of the stretches in which the time stamps rise without long pauses."""
    steps = np.diff(times)
    breaks = ~((steps > 0) & (steps < LONGEST_PAUSE_SECONDS))
    return float(steps[~breaks].sum() + step * (1 + breaks.sum()))


def true_seconds(clip: Clip) -> float:
    """Length of the undamaged clip's picture."""
    once = clip.seconds - max(clip.picture_starts, -clip.clock_starts)
    return 2 * once if clip.is_joined else once


def _stored_seconds(picture: Picture) -> float:
    return len(picture.times) * (picture.times[1] if len(picture.times) > 1 else 0.04)


def _sound_length(reading: Reading, stored: Stored, notes: list[str]) -> Iterator[Verdict]:
    if stored.sound is None:
        return
    length = len(stored.sound.times) / SAMPLE_RATE
    if stored.picture is not None:
        expected = _stored_seconds(stored.picture)
    elif reading.sound is not None:
        expected = min(len(reading.sound.times) / SAMPLE_RATE, stored.longest)
    else:
        return
    holds = expected - length <= SOUND_SECONDS + 0.01
    detail = f"sound of {length:.2f} s, expected {expected:.2f} s; reason {stored.reason!r}"
    yield _verdict("sound length", holds, notes, detail)


def _step(
    clip: Clip,
    keeps_times: bool,
    reading: Reading,
    stored: Stored,
    notes_by_view: dict[str, list[str]],
) -> Iterator[Verdict]:
    events = _events(reading.picture, reading.sound, clip)
    if events is None or (reading.sound is not None and not reading.sound.is_clear):
        return
    frame = _frame(clip, reading.picture)
    views = [view for view, codec in (("video", clip.video), ("audio", clip.audio)) if codec]
    notes = [note for view in views for note in notes_by_view[view]]
    has_both = stored.picture is not None and stored.sound is not None
    if (len(views) == 2 and not has_both) or (stored.picture is None and stored.sound is None):
        return  # the rule "kept" judges a view that is lost
    own = _events(stored.picture, stored.sound, clip)
    if own is None or len(own) != len(events):
        yield _verdict("step", False, notes, f"events {own} for {events}: {stored.reason!r}")
        return
    tolerance = frame + MEASURE_SECONDS
    holds = bool((np.abs(own - events) <= tolerance).all())
    if keeps_times and not holds:
        holds = bool((np.abs(own - true_events(clip)) <= tolerance).all())
    detail = f"click - flash {np.round(own, 3)}, FFmpeg {np.round(events, 3)}: {stored.reason!r}"
    notes = [note for note in notes if "ends after" not in note]
    yield _verdict("step", holds, notes, detail)


def _events(picture: Picture | None, sound: Sound | None, clip: Clip) -> np.ndarray | None:
    """Seconds from each flash to its click, or from the start if the clip has one view."""
    if clip.video and clip.audio:
        if picture is None or sound is None:
            return None
        flashes, clicks = picture.flashes(), sound.clicks()
        if not len(flashes) or len(flashes) != len(clicks):
            return None
        return clicks - flashes
    view = picture if clip.video else sound
    if view is None:
        return None
    begins = view.flashes() if isinstance(view, Picture) else view.clicks()
    return begins - view.times[0] if len(begins) else None


def true_events(clip: Clip) -> np.ndarray:
    """What :func:`_events` gives for the undamaged clip."""
    return np.array([0.0 if clip.video and clip.audio else 1.2])


def _begin_within(reading: Reading, sound: Sound) -> bool:
    """Whether one of FFmpeg's clicks begins before the stored sound ends."""
    assert reading.sound is not None
    first = reading.picture.times[0] if reading.picture is not None else reading.sound.times[0]
    return bool((reading.sound.clicks() - first < len(sound.times) / SAMPLE_RATE - 0.05).any())


def _silence(reading: Reading, stored: Stored, notes: list[str]) -> Iterator[Verdict]:
    if reading.sound is None or stored.sound is None:
        return
    if reading.sound.peak == 0:
        yield _verdict("silence", False, [], f"zeros are a view; reason {stored.reason!r}")
    elif _begin_within(reading, stored.sound) and reading.sound.is_clear:
        heard = bool(len(stored.sound.clicks()))
        yield _verdict("silence", heard, notes, f"the click is lost; reason {stored.reason!r}")

"""What a prepared item must show of a mutated file, given what FFmpeg reads in the same file.

A *note* is one part of an item's reason; "; " stands between two. A note names the sound if the
word "sound" or "audio" is in it, and the picture if "picture", "video" or "frame" is. One with
neither, such as "ends after 1.00 s of 2.00 s", names both. A *frame* is the longer one of the
clip's, of 1/30 s and of the median step between FFmpeg's frames, which counts up to a second.

1. *ends*: no file crashes its worker process or hangs it.
2. *reason*: an item without video or without audio bears a reason. A reason is one line of at most
   500 characters without control characters, and never an exception of Python.
3. *kept*: if FFmpeg decodes at least 0.5 s of a view without complaint, the item has the view or a
   note that names it and that FFmpeg does not refute. FFmpeg refutes "no video stream", "no frame
   decodes", "decoding fails", "not readable", "outside" and the same of sound. FFmpeg refutes that
   a sound is silent if the sound is not all zeros.
4. *true*: no note gives the limit of a preparation as the length of the file, unless FFmpeg reads
   in the header, or decodes, that much.
5. *length*: the stored picture is within a frame as long as FFmpeg's, from its first frame to the
   end of its last, or a note names the picture. Where FFmpeg's time stamps do not rise, or leave
   out more than 2.5 s, the number of its frames times their median step counts as well. If the
   mutation changes only stamps or the header, the length of the undamaged clip counts as well.
6. *sound length*: a stored sound that ends over 0.25 s before the picture, or over 0.25 s before
   FFmpeg's sound if there is no picture, bears a note that names the sound.
7. *step*: where FFmpeg sees as many flashes as it hears clicks, at least one of each, the item has
   as many of both, and each click is as far behind its flash as FFmpeg's or as the undamaged
   clip's, within a frame and 0.02 s, by which codecs and the measurement smear a click. Otherwise a
   note names one of the two. An item of one view alone is measured from its first frame or sample.
8. *silence*: sound that FFmpeg reads as zeros alone is no view. Sound with a click that FFmpeg
   hears is not stored without it, unless a note names the sound.

A rule that a note excuses is counted as excused, so that the report shows how much it compares.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.fuzz.clips import Clip
from tests.fuzz.reading import Picture, Reading, Sound

GOOD_SECONDS = 0.5
MEASURE_SECONDS = 0.02
SOUND_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.5

_CRASH = re.compile(r"decoder (crashes|hangs)")
_EXCEPTION = re.compile(r"\w*(Error|Exception|Interrupt)\(")
_REFUTED = {
    "video": re.compile(r"no (video|picture)|no .*decodes|decod\w+ fails|not readable|outside"),
    "audio": re.compile(r"no (audio|sound)|no .*decodes|decod\w+ fails|not readable|outside"),
}
_LENGTHS = re.compile(r"of (\d+\.\d+) s")


@dataclass(frozen=True)
class Stored:
    """A prepared item as it is read back.

    Attributes:
        reason: of the item.
        picture: its frames at the times of their grid, or None.
        sound: at the preparation's rate from time 0 on, or None.
        longest: seconds; the limit of the preparation.
    """

    reason: str
    picture: Picture | None
    sound: Sound | None
    longest: float

    @property
    def notes(self) -> list[str]:
        """The parts of the reason."""
        return [note for note in self.reason.split("; ") if note]

    def notes_of(self, view: str) -> list[str]:
        """The notes that name a view."""
        return [note for note in self.notes if view in _views_named(note)]


@dataclass(frozen=True)
class Verdict:
    """What one rule says of one item: "holds", "excused" by a note, or "fails"."""

    rule: str
    outcome: str
    detail: str = ""


def _views_named(note: str) -> set[str]:
    named = set()
    if re.search(r"sound|audio|silent", note):
        named.add("audio")
    if re.search(r"picture|video|frame", note):
        named.add("video")
    return named or {"video", "audio"}


def judge(clip: Clip, keeps_times: bool, reading: Reading, stored: Stored) -> list[Verdict]:
    """Applies all rules.

    Args:
        clip: what was mutated.
        keeps_times: whether its flash, click and length are as they were.
        reading: FFmpeg's of the mutated file.
        stored: what the preparation made of the mutated file.
    """
    if _CRASH.search(stored.reason):
        return [Verdict("ends", "fails", stored.reason)]
    verdicts = [Verdict("ends", "holds"), *_reason(stored)]
    if reading.failure:
        return verdicts
    verdicts += [*_kept(clip, reading, stored), *_true(reading, stored)]
    if reading.picture is not None and stored.picture is not None:
        verdicts += _length(clip, keeps_times, reading.picture, stored)
    verdicts += _sound_length(reading, stored)
    verdicts += _step(clip, keeps_times, reading, stored)
    verdicts += _silence(reading, stored)
    return verdicts


def _verdict(rule: str, holds: bool, notes: list[str], detail: str) -> Verdict:
    if holds:
        return Verdict(rule, "holds")
    return Verdict(rule, "excused" if notes else "fails", detail)


def _reason(stored: Stored) -> Iterator[Verdict]:
    lacks = stored.picture is None or stored.sound is None
    clean = stored.reason.isprintable() and len(stored.reason) <= 500
    holds = clean and not _EXCEPTION.search(stored.reason) and bool(stored.reason or not lacks)
    yield _verdict("reason", holds, [], repr(stored.reason[:200]))


def _kept(clip: Clip, reading: Reading, stored: Stored) -> Iterator[Verdict]:
    damaged = reading.num_complaints > 0
    picture, sound = reading.picture, reading.sound
    if picture is not None and len(picture.luma) * _frame(clip, None) >= GOOD_SECONDS:
        notes = stored.notes_of("video")
        if not damaged:
            notes = [note for note in notes if not _REFUTED["video"].search(note)]
        detail = f"FFmpeg decodes {len(picture.luma)} frames; reason {stored.reason!r}"
        yield _verdict("kept", stored.picture is not None, notes, detail)
    if sound is not None and len(sound.times) >= GOOD_SECONDS * 16_000 and sound.peak > 0:
        notes = stored.notes_of("audio")
        if not damaged:
            notes = [note for note in notes if not _REFUTED["audio"].search(note)]
        notes = [note for note in notes if "silent" not in note]
        detail = f"FFmpeg decodes {len(sound.times) / 16_000:.2f} s; reason {stored.reason!r}"
        yield _verdict("kept", stored.sound is not None, notes, detail)


def _true(reading: Reading, stored: Stored) -> Iterator[Verdict]:
    most = max([reading.announced or 0.0, *_spans(reading)])
    for text in _LENGTHS.findall(stored.reason):
        invented = abs(float(text) - stored.longest) < 0.011 and most < stored.longest - 1
        yield _verdict("true", not invented, [], stored.reason)


def _spans(reading: Reading) -> list[float]:
    times = [view.times for view in (reading.picture, reading.sound) if view is not None]
    return [float(np.nanmax(t) - np.nanmin(t)) for t in times if np.isfinite(t).any()]


def _frame(clip: Clip, picture: Picture | None) -> float:
    """Seconds by which two readings may differ."""
    step = picture.step if picture is not None else float("nan")
    return max(1 / clip.fps, 1 / 30, min(step, 1.0) if step == step else 0.0)


def _is_regular(times: np.ndarray) -> bool:
    steps = np.diff(times)
    return bool((steps > 0).all() and (steps < LONGEST_PAUSE_SECONDS).all())


def _length(clip: Clip, keeps_times: bool, picture: Picture, stored: Stored) -> Iterator[Verdict]:
    assert stored.picture is not None
    step = picture.step if picture.step == picture.step else 1 / clip.fps
    lengths = [float(picture.times[-1] - picture.times[0]) + step]
    if not _is_regular(picture.times):
        lengths += [len(picture.times) * step]
    if keeps_times:
        lengths += [true_seconds(clip)]
    lengths = [min(length, stored.longest) for length in lengths]
    length = _stored_seconds(stored.picture)
    frame = _frame(clip, picture)
    holds = any(abs(length - expected) <= frame + 1e-3 for expected in lengths)
    expected = " or ".join(f"{value:.2f}" for value in lengths)
    notes = stored.notes_of("video")
    detail = f"stored {length:.2f} s, expected {expected} s; reason {stored.reason!r}"
    yield _verdict("length", holds, notes, detail)


def true_seconds(clip: Clip) -> float:
    """Length of the undamaged clip's picture."""
    once = clip.seconds - max(clip.picture_starts, -clip.clock_starts)
    return 2 * once if clip.name.startswith("joined") else once


def _stored_seconds(picture: Picture) -> float:
    return len(picture.times) * (picture.times[1] if len(picture.times) > 1 else 0.04)


def _sound_length(reading: Reading, stored: Stored) -> Iterator[Verdict]:
    if stored.sound is None:
        return
    length = len(stored.sound.times) / 16_000
    if stored.picture is not None:
        expected = _stored_seconds(stored.picture)
    elif reading.sound is not None:
        expected = min(len(reading.sound.times) / 16_000, stored.longest)
    else:
        return
    holds = expected - length <= SOUND_SECONDS + 0.01
    detail = f"sound of {length:.2f} s, expected {expected:.2f} s; reason {stored.reason!r}"
    yield _verdict("sound length", holds, stored.notes_of("audio"), detail)


def _step(clip: Clip, keeps_times: bool, reading: Reading, stored: Stored) -> Iterator[Verdict]:
    events = _events(reading.picture, reading.sound, clip)
    if events is None:
        return
    frame = _frame(clip, reading.picture)
    notes = stored.notes_of("video") + stored.notes_of("audio")
    has_both = stored.picture is not None and stored.sound is not None
    if clip.video and clip.audio and not has_both:
        return  # the rule "kept" speaks of a view that is lost
    got = _events(stored.picture, stored.sound, clip)
    if got is None or len(got) != len(events):
        yield _verdict("step", False, notes, f"events {got} for {events}: {stored.reason!r}")
        return
    tolerance = frame + MEASURE_SECONDS
    holds = bool((np.abs(got - events) <= tolerance).all())
    if keeps_times and not holds:
        holds = bool((np.abs(got - true_events(clip)) <= tolerance).all())
    detail = f"click - flash {np.round(got, 3)}, FFmpeg {np.round(events, 3)}: {stored.reason!r}"
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


def _silence(reading: Reading, stored: Stored) -> Iterator[Verdict]:
    if reading.sound is None or stored.sound is None:
        return
    notes = stored.notes_of("audio")
    if reading.sound.peak == 0:
        yield _verdict("silence", False, [], f"zeros are a view; reason {stored.reason!r}")
    elif len(reading.sound.clicks()):
        heard = bool(len(stored.sound.clicks()))
        yield _verdict("silence", heard, notes, f"the click is lost; reason {stored.reason!r}")

"""A prepared item, and which notes of its reason are refuted by FFmpeg's reading of the file."""

import re
from dataclasses import dataclass

import numpy as np

from tests.fuzz.reading import SAMPLE_RATE, Picture, Reading, Sound

GOOD_SECONDS = 0.5
SOUND_SECONDS = 0.25

EXCEPTION = re.compile(r"\w*(Error|Exception|Interrupt)\(")
_ABSENT = re.compile(r"^no (video|picture|audio|sound)(?!:)|not readable|outside|cannot seek")
_FAILS = re.compile(r"decod\w+ fails")
_LENGTHS = re.compile(r"of (\d+\.\d+) s")
_SOUND_ENDS = re.compile(r"sound ends after (\d+\.\d+) s")


@dataclass(frozen=True)
class Stored:
    """A prepared item as it is read back.

    Attributes:
        reason: reason of the item.
        picture: its frames at the times of their grid, or None.
        sound: its sound from time 0 on, at the rate of the preparation, or None.
        longest: greatest length in seconds that the preparation keeps.
    """

    reason: str
    picture: Picture | None
    sound: Sound | None
    longest: float

    @property
    def notes(self) -> list[str]:
        """The parts of the reason."""
        return [note for note in self.reason.split("; ") if note]


def views_named(note: str) -> set[str]:
    named = set()
    if re.search(r"sound|audio|silent", note):
        named.add("audio")
    if re.search(r"picture|video|frame", note):
        named.add("video")
    return named or {"video", "audio"}


def is_refuted(note: str, reading: Reading, stored: Stored) -> bool:
    """Whether FFmpeg's reading shows that a note is false."""
    if EXCEPTION.search(note):
        return True
    most = max([reading.announced or 0.0, *_spans(reading)])
    lengths = [float(text) for text in _LENGTHS.findall(note)]
    if any(abs(x - stored.longest) < 0.011 for x in lengths) and most < stored.longest - 1:
        return True
    if note.startswith("the middle") and most < stored.longest:
        return True
    if "silent" in note:
        return reading.sound is not None and reading.sound.peak > 1e-4
    ends = _SOUND_ENDS.search(note)
    if ends is not None:
        return _sound_seconds(reading) > float(ends[1]) + SOUND_SECONDS + 0.05
    clean = reading.num_complaints == 0
    if not _ABSENT.search(note) and not (clean and _FAILS.search(note)):
        return False
    return any(is_good(reading, view) for view in views_named(note))


def is_good(reading: Reading, view: str) -> bool:
    """Whether FFmpeg decodes at least 0.5 s of a view."""
    picture, sound = reading.picture, reading.sound
    seconds = {
        "video": 0.0 if picture is None else len(picture.times) * min(picture.step, 0.1),
        "audio": 0.0 if sound is None or sound.peak == 0 else len(sound.times) / SAMPLE_RATE,
    }
    return seconds[view] >= GOOD_SECONDS


def _sound_seconds(reading: Reading) -> float:
    """Seconds of FFmpeg's sound from the first frame on: the shorter of samples and stamps."""
    if reading.sound is None:
        return 0.0
    begin = reading.picture.times[0] if reading.picture is not None else -np.inf
    times = reading.sound.times[reading.sound.times >= begin]
    if not len(times):
        return 0.0
    seconds, span = len(times) / SAMPLE_RATE, float(np.ptp(times))
    # Stamps that stand nearly still are no clock.
    return min(seconds, span) if span > seconds / 4 else seconds


def _spans(reading: Reading) -> list[float]:
    times = [view.times for view in (reading.picture, reading.sound) if view is not None]
    return [float(np.nanmax(t) - np.nanmin(t)) for t in times if np.isfinite(t).any()]

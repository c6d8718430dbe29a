"""Forty mutated files, and proofs that the rules see what is wrong."""

import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import clips, mutations, stamps
from tests.fuzz.reading import Picture, Reading, Sound, read
from tests.fuzz.rules import Stored, judge

ROOT = Path(__file__).resolve().parents[2]
CLIP = clips.CLIPS[0]


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """FFmpeg's of an undamaged clip of 2.4 s with a flash and a click at 1.2 s."""
    path = tmp_path_factory.mktemp("clip") / CLIP.name
    clips.write(CLIP, path)
    return read(path)


def stored_as_read(reading: Reading) -> Stored:
    """An item that is all that FFmpeg reads."""
    assert reading.picture is not None
    assert reading.sound is not None
    mono = reading.sound.samples.mean(axis=1, keepdims=True)
    return Stored("", reading.picture, Sound(mono, reading.sound.times), 100.0)


def failing_rules(reading: Reading, stored: Stored) -> set[str]:
    verdicts = judge(CLIP, True, reading, stored)
    return {verdict.rule for verdict in verdicts if verdict.outcome == "fails"}


def late(sound: Sound, seconds: float) -> Sound:
    """The same number of samples, that many seconds later."""
    return Sound(np.roll(sound.samples, round(16_000 * seconds), axis=0), sound.times)


def test_ffmpeg_reads_what_the_clip_holds(reading: Reading) -> None:
    assert reading.picture is not None
    assert reading.sound is not None
    assert reading.picture.times == pytest.approx(np.arange(60) / 25, abs=1e-6)
    assert reading.picture.flashes() == pytest.approx([1.2], abs=1e-6)
    assert reading.sound.clicks() == pytest.approx([1.2], abs=0.006)


def test_an_item_like_the_reading_passes(reading: Reading) -> None:
    assert failing_rules(reading, stored_as_read(reading)) == set()


@pytest.mark.parametrize("frames", [3, -3])
def test_sound_that_is_shifted_by_three_frames_fails(reading: Reading, frames: int) -> None:
    item = stored_as_read(reading)
    assert item.sound is not None
    shifted = dataclasses.replace(item, sound=late(item.sound, frames / 25))
    assert failing_rules(reading, shifted) == {"step"}
    excused = dataclasses.replace(shifted, reason="sound has no time stamps")
    assert failing_rules(reading, excused) == set()


def test_a_picture_of_half_the_frames_fails(reading: Reading) -> None:
    item = stored_as_read(reading)
    assert item.picture is not None
    half = Picture(item.picture.times[:30], item.picture.luma[::2])
    assert failing_rules(reading, dataclasses.replace(item, picture=half)) == {"length", "step"}


def test_a_picture_that_stands_still_for_long_fails(reading: Reading) -> None:
    item = stored_as_read(reading)
    assert item.picture is not None
    luma = np.r_[item.picture.luma, np.full(2440, item.picture.luma[-1])]
    frozen = dataclasses.replace(item, picture=Picture(np.arange(2500) / 25, luma))
    assert failing_rules(reading, frozen) == {"length", "sound length"}
    false = dataclasses.replace(frozen, reason="sound ends after 2.40 s of 100.00 s")
    assert failing_rules(reading, false) == {"length", "sound length", "true"}


@pytest.mark.parametrize(
    ("reason", "rules"),
    [
        ("", {"kept", "reason"}),
        ("no audio stream", {"kept", "true"}),
        ("silent", {"kept", "true"}),
        ("1 of 60 video packets is damaged", {"kept"}),
        ("decoder fails: ValueError('x')", {"kept", "reason", "true"}),
        ("sound\nis odd", {"reason"}),
        ("sound changes its rate", set()),
    ],
)
def test_lost_sound_needs_a_true_reason(reading: Reading, reason: str, rules: set[str]) -> None:
    item = dataclasses.replace(stored_as_read(reading), sound=None, reason=reason)
    assert failing_rules(reading, item) == rules


def test_a_crash_fails_and_a_hang_fails(reading: Reading) -> None:
    for reason in ("decoder crashes its process (SIGSEGV)", "decoder hangs: no result after 300 s"):
        assert failing_rules(reading, Stored(reason, None, None, 100.0)) == {"ends"}


def test_silence_that_is_stored_as_sound_fails(reading: Reading) -> None:
    item = stored_as_read(reading)
    assert item.sound is not None
    silent = Sound(np.zeros_like(item.sound.samples), item.sound.times)
    zeros = dataclasses.replace(item, sound=silent)
    assert failing_rules(reading, zeros) == {"step", "silence"}
    of_silence = dataclasses.replace(reading, sound=silent)
    assert failing_rules(of_silence, zeros) == {"silence"}


@pytest.mark.parametrize("clip", clips.CLIPS, ids=lambda clip: clip.name)
def test_mutations_are_functions_of_their_seed(clip: clips.Clip, tmp_path: Path) -> None:
    clips.write(clip, tmp_path / clip.name)
    content = (tmp_path / clip.name).read_bytes()
    for mutation in mutations.applicable(clip.container):
        first, again = (
            mutation.change(content, clip.container, random.Random(5)) for _ in range(2)
        )
        assert first == again, mutation.name
    own = stamps.find(content, clip.container)
    assert stamps.overwrite(content, own, [stamp.value for stamp in own]) == content


def test_forty_mutated_files_agree_with_ffmpeg() -> None:
    # In a process of its own: peak memory is that of all child processes a process ever had.
    command = [sys.executable, "-m", "tests.fuzz.run", "--files", "40"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr

"""Forty mutated files, and proofs that the rules see what is wrong."""

import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import clips, mutations, run, stamps
from tests.fuzz.notes import Stored
from tests.fuzz.reading import Picture, Reading, Sound, read
from tests.fuzz.rules import judge

ROOT = Path(__file__).resolve().parents[2]
CLIP = clips.CLIPS[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the undamaged clip of 2.4 s, with a flash and a click at 1.2 s."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "source" / "fuzz").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def item(folder: Path) -> Stored:
    """What the preparation stores of the undamaged clip."""
    corpus, _ = run.prepare_cases(folder)
    return run.read_stored(corpus, 0)


@pytest.fixture(scope="module")
def reading(folder: Path, item: Stored) -> Reading:
    """FFmpeg's of the undamaged clip."""
    return read(folder / "source" / "fuzz" / "undamaged.mp4")


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


def test_an_undamaged_item_passes(reading: Reading, item: Stored) -> None:
    assert failing_rules(reading, item) == set()


@pytest.mark.parametrize("frames", [3, -3])
def test_sound_that_is_shifted_by_three_frames_fails(
    reading: Reading, item: Stored, frames: int
) -> None:
    assert item.sound is not None
    shifted = dataclasses.replace(item, sound=late(item.sound, frames / 25))
    assert failing_rules(reading, shifted) == {"step"}
    excused = dataclasses.replace(shifted, reason="sound has no time stamps")
    assert failing_rules(reading, excused) == set()


def test_a_picture_of_half_the_frames_fails(reading: Reading, item: Stored) -> None:
    assert item.picture is not None
    half = Picture(item.picture.times[:30], item.picture.luma[::2])
    assert failing_rules(reading, dataclasses.replace(item, picture=half)) == {"length", "step"}


def test_a_picture_that_stands_still_for_long_fails(reading: Reading, item: Stored) -> None:
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
def test_lost_sound_needs_a_true_reason(
    reading: Reading, item: Stored, reason: str, rules: set[str]
) -> None:
    item = dataclasses.replace(item, sound=None, reason=reason)
    assert failing_rules(reading, item) == rules


@pytest.mark.parametrize(
    "reason",
    [
        "decoder crashes its process (SIGSEGV)",
        "decoder hangs: no result after 300 s",
        "decoder fails: MemoryError((2358001870,), dtype('float32'))",
    ],
)
def test_a_crash_a_hang_and_a_lack_of_memory_fail(reading: Reading, reason: str) -> None:
    assert failing_rules(reading, Stored(reason, None, None, 100.0)) == {"ends"}


def test_silence_that_is_stored_as_sound_fails(reading: Reading, item: Stored) -> None:
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
    for mutation in mutations.applicable(clip):
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

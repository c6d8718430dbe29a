"""Odd sound: it is kept right, or a note says what is missing."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.data.manifest import UnusableSource
from iicl.data.media.transcode import transcode
from tests.iicl.data.media.odd_clips import (
    EVENT,
    SMALL,
    click,
    copied,
    events,
    flash,
)


def test_a_sound_of_ten_samples_costs_no_picture(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", seconds=0.4, rate=44_100, sound_seconds=10 / 44_100)
    result = transcode(path, SMALL)
    assert len(result.packets) == 10
    assert result.samples is None
    assert any(note.startswith("no audio") for note in result.notes)


@pytest.mark.parametrize(
    ("sound", "silent"),
    [
        (lambda t: np.zeros((2, len(t))), True),
        (lambda t: np.full((2, len(t)), 0.3), True),
        (lambda t: np.stack([np.sin(600 * t), -np.sin(600 * t)]) / 2, False),
    ],
)
def test_silence_is_no_sound_and_cancelling_channels_are_no_silence(
    write_clip: Callable, tmp_path: Path, sound: Callable, silent: bool
) -> None:
    result = transcode(write_clip(tmp_path / "x.mkv", channels=2, sound=sound), SMALL)
    if silent:
        assert result.samples is None
        assert result.notes == ["silent: the sound track holds no sound"]
    else:
        assert result.samples is not None
        assert np.abs(result.samples).max() / 32768 == pytest.approx(0.5, abs=0.01)
        assert "cancel each other" in result.notes[0]


def test_samples_that_are_no_numbers_become_zero(tmp_path: Path) -> None:
    sound = np.sin(np.arange(32_000) / 20).astype("<f4") / 4
    sound[100:110] = np.nan
    data = sound.tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 3, 1, 16_000, 64_000, 4, 32) + b"data"
    (tmp_path / "x.wav").write_bytes(head + struct.pack("<I", len(data)) + data)
    result = transcode(tmp_path / "x.wav", SMALL)
    assert result.samples is not None
    assert (result.samples[100:110] == 0).all()
    assert "10 sound samples are no numbers: set to zero" in result.notes


def test_sound_of_eight_bits_is_read(tmp_path: Path) -> None:
    data = (128 + 64 * np.sin(np.arange(32_000) / 20)).astype(np.uint8).tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 16_000, 1, 8) + b"data"
    (tmp_path / "x.wav").write_bytes(head + struct.pack("<I", len(data)) + data)
    samples = transcode(tmp_path / "x.wav", SMALL).samples
    assert samples is not None
    assert samples.max() / 32768 == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [50_000_000, 1_000_000_000, 3])
def test_an_absurd_sample_rate_is_refused_at_once(tmp_path: Path, rate: int) -> None:
    head = b"RIFF" + struct.pack("<I", 36 + 4000) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2 % 2**32, 2, 16) + b"data"
    (tmp_path / "x.wav").write_bytes(head + struct.pack("<I", 4000) + bytes(range(250)) * 16)
    with pytest.raises(UnusableSource, match=f"{rate} Hz is none of"):
        transcode(tmp_path / "x.wav", SMALL)


def test_sound_that_is_lost_inside_is_named(clip: Path, tmp_path: Path) -> None:
    def change(packet: av.Packet, number: int) -> bool:
        time = float(packet.pts * packet.time_base)
        return packet.stream.type == "video" or not 1.0 <= time < 1.5

    result = transcode(copied(clip, tmp_path / "x.mkv", change), SMALL)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.041)
    (note,) = result.notes
    assert note.startswith("sound is missing for 0.5")
    assert "1.0" in note


def test_lost_packets_everywhere_are_gaps_and_no_wrong_rate(clip: Path, tmp_path: Path) -> None:
    def change(packet: av.Packet, number: int) -> bool:
        has_click = abs(float(packet.pts * packet.time_base) - EVENT) < 0.1
        return packet.stream.type == "video" or has_click or number % 3 != 1

    result = transcode(copied(clip, tmp_path / "x.mkv", change), SMALL)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.05)
    assert [note.split(" for ")[0] for note in result.notes] == ["sound is missing"]


def test_joined_sounds_follow_each_other(write_clip: Callable, tmp_path: Path) -> None:
    part = write_clip(
        tmp_path / "a.flac", video=False, seconds=3.0, rate=44_100, audio_codec="flac", sound=click
    )
    joined = tmp_path / "x.flac"
    joined.write_bytes(part.read_bytes() * 2)
    result = transcode(joined, SMALL)
    assert result.samples is not None
    loud = np.flatnonzero(np.abs(result.samples.astype(float)) > 8000) / 16_000
    assert len(result.samples) == pytest.approx(6 * 16_000, abs=1600)
    assert loud[0] == pytest.approx(EVENT, abs=0.01)
    assert loud[loud > 3.5][0] == pytest.approx(3 + EVENT, abs=0.01)


def test_sound_that_changes_its_rate_keeps_its_pitch(write_clip: Callable, tmp_path: Path) -> None:
    parts = [
        write_clip(
            tmp_path / f"{rate}.mp3",
            video=False,
            seconds=2.0,
            rate=rate,
            audio_codec="libmp3lame",
            sound=lambda t: np.sin(2 * np.pi * 500 * t)[None] / 2,
        )
        for rate in (44_100, 48_000)
    ]
    joined = tmp_path / "x.mp3"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = transcode(joined, SMALL)
    assert result.samples is not None
    assert any("changes from 44100 to 48000 Hz" in note for note in result.notes)
    for second in (0.5, 3.0):
        stretch = result.samples[round(16_000 * second) :][:8000].astype(float)
        pitch = np.argmax(np.abs(np.fft.rfft(stretch))) * 16_000 / 8000
        assert pitch == pytest.approx(500, abs=3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_of_eight_channels_is_mixed(
    write_clip: Callable, tmp_path: Path, suffix: str
) -> None:
    path = write_clip(
        tmp_path / f"x.{suffix}",
        seconds=4.0,
        rate=48_000,
        channels=8,
        audio_codec="aac",
        image=flash,
        sound=lambda times: click(times).repeat(8, 0),
    )
    result = transcode(path, SMALL)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.041)
    assert result.notes == []

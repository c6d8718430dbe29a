"""Odd time stamps: picture and sound stay in step, and a note says what was mended."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.data.media.transcode import transcode
from tests.iicl.data.media.decoding import decode
from tests.iicl.data.media.odd_clips import (
    EVENT,
    SMALL,
    click,
    copied,
    events,
    flash,
    restamped,
    shown_from,
)


@pytest.mark.parametrize(
    ("stamp", "note"),
    [
        (lambda kind, n, t: t + 30 * (kind == "video" and n == 20), "without a usable time stamp"),
        (lambda kind, n, t: t + 30 * (kind == "video" and n >= 70), "leaps of the picture's clock"),
        (lambda kind, n, t: t + 40 * (t >= 3.0), "taken out: +40"),
        (lambda kind, n, t: 2.4 if kind == "video" and 60 <= n < 64 else t, "without a usable"),
    ],
)
def test_wrong_stamps_are_mended_and_named(
    clip: Path, tmp_path: Path, stamp: Callable[[str, int, float], float], note: str
) -> None:
    result = transcode(restamped(clip, tmp_path / "x.mkv", stamp), SMALL)
    assert len(result.packets) == pytest.approx(100, abs=1)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.041)
    assert any(note in line for line in result.notes)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(
    ("times", "event"),
    [
        ([0.0, 3.0, 4.5, 10.0, 11.0, 13.96], 10.0),
        ([0.0, 5.0, 10.0, 15.0], 10.0),
        ([*np.arange(20) / 25, 5.0, 5.04, 5.08], 5.0),
    ],
)
def test_a_slide_stays_until_the_next_is_due(
    write_clip: Callable, tmp_path: Path, suffix: str, times: list[float], event: float
) -> None:
    path = write_clip(
        tmp_path / f"x.{suffix}",
        times=times,
        seconds=times[-1] + 0.04,
        rate=48_000,
        audio_codec="pcm_s16le" if suffix == "mkv" else "alac",
        image=lambda t: np.full((48, 64, 3), 250 if t >= event - 1e-6 else 10, np.uint8),
    )
    result = transcode(path, SMALL)
    assert shown_from(result) == pytest.approx(event, abs=0.041)
    length = len(result.packets) / result.fps
    assert times[-1] < length <= times[-1] + 0.081 or suffix == "mp4"


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_long_pause_without_sound_stays_if_the_header_is_as_long(
    write_clip: Callable, tmp_path: Path, suffix: str
) -> None:
    times = [*np.arange(20) / 25, *(20 + np.arange(20) / 25)]
    path = write_clip(
        tmp_path / f"x.{suffix}",
        times=times,
        rate=None,
        image=lambda t: np.full((48, 64, 3), 250 if t >= 20 else 10, np.uint8),
    )
    result = transcode(path, SMALL)
    assert shown_from(result) == pytest.approx(20.0, abs=0.041)
    assert result.notes == ["no audio stream"]


@pytest.mark.parametrize(
    ("stream", "values", "note"),
    [
        (1, (1, 1), "the sound has no usable time stamps"),
        (1, (40_000_000, 1), "the sound has no usable time stamps"),
        (1, (32, 40_000), "times as fast as sound"),
        (0, (1, 50_000_000), "the picture has no usable time stamps"),
    ],
)
def test_an_avi_header_with_a_wrong_rate_moves_nothing(
    write_clip: Callable, tmp_path: Path, stream: int, values: tuple[int, int], note: str
) -> None:
    path = write_clip(tmp_path / "x.avi", seconds=4.0, codec="mpeg4", image=flash, sound=click)
    content = bytearray(path.read_bytes())
    header = [at for at in range(len(content)) if content.startswith(b"strh", at)][stream]
    struct.pack_into("<2I", content, header + 8 + 20, *values)  # scale, rate
    path.write_bytes(content)
    result = transcode(path, SMALL)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.041)
    assert any(note in line for line in result.notes)


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize("wraps", [False, True])
def test_joined_recordings_keep_picture_and_sound_together(
    write_clip: Callable, tmp_path: Path, suffix: str, wraps: bool
) -> None:
    codec = {"ts": "libx264", "mpg": "mpeg2video"}[suffix]
    part = write_clip(
        tmp_path / f"a.{suffix}",
        seconds=3.0,
        rate=44_100,
        image=flash,
        sound=click,
        codec=codec,
        audio_codec="mp2",
    )
    if wraps:  # the clock of 33 bits comes to its end after 1.5 s

        def late(packet: av.Packet, number: int) -> bool:
            ticks = round((2**33 / 90_000 - 1.5) / packet.time_base)
            packet.pts += ticks
            if number:  # FFmpeg unwraps the clock by itself if the first time is no fault
                packet.dts += ticks
            return True

        part = copied(part, tmp_path / f"late.{suffix}", late)
    joined = tmp_path / f"joined.{suffix}"
    joined.write_bytes(part.read_bytes() * 2)
    result = transcode(joined, SMALL)
    assert result.samples is not None
    assert len(result.packets) / result.fps == pytest.approx(6.0, abs=0.1)
    loud = np.flatnonzero(np.abs(result.samples.astype(float)) > 8000) / 16_000
    bright = np.flatnonzero(decode(result.packets).mean(axis=(1, 2, 3)) > 128) / result.fps
    assert loud[0] == pytest.approx(bright[0], abs=0.05)
    assert loud[loud > 3.5][0] == pytest.approx(bright[bright > 3.5][0], abs=0.05)
    assert not any("9544" in note for note in result.notes), "a wrapped clock has not leapt"


def test_a_pause_shows_the_last_picture_until_the_next(
    write_clip: Callable, tmp_path: Path
) -> None:
    times = [n / 25 for n in range(100) if n < 20 or n >= 50]
    path = write_clip(tmp_path / "x.mkv", times=times, image=flash, sound=click, sound_seconds=4.0)
    assert events(transcode(path, SMALL)) == pytest.approx((EVENT, EVENT), abs=0.041)


def test_parts_whose_sound_is_shorter_stay_in_step_when_joined(
    write_clip: Callable, tmp_path: Path
) -> None:
    part = write_clip(
        tmp_path / "a.ts",
        seconds=3.0,
        sound_seconds=2.5,
        rate=44_100,
        image=flash,
        sound=click,
        audio_codec="mp2",
    )
    (tmp_path / "joined.ts").write_bytes(part.read_bytes() * 2)
    result = transcode(tmp_path / "joined.ts", SMALL)
    assert result.samples is not None
    loud = np.flatnonzero(np.abs(result.samples.astype(float)) > 8000) / 16_000
    bright = np.flatnonzero(decode(result.packets).mean(axis=(1, 2, 3)) > 128) / result.fps
    assert loud[loud > 3.5][0] == pytest.approx(bright[bright > 3.5][0], abs=0.05)


def test_pictures_that_last_longer_than_all_the_sound_are_spread_over_it(
    write_clip: Callable, tmp_path: Path
) -> None:
    path = write_clip(
        tmp_path / "x.mp4", seconds=4.0, rate=44_100, audio_codec="aac", image=flash, sound=click
    )
    # Without edit lists, which would leave out all pictures but the first.
    content = bytearray(path.read_bytes().replace(b"edts", b"free"))
    begin = content.index(b"stts") + 8  # ISO/IEC 14496-12: the entries, each a count and a step
    (count,) = struct.unpack_from(">I", content, begin)
    with av.open(str(path)) as container:
        hour = round(3600 / container.streams.video[0].time_base)
    for entry in range(count):
        struct.pack_into(">I", content, begin + 8 + 8 * entry, hour)
    path.write_bytes(content)
    result = transcode(path, SMALL)
    assert len(result.packets) == pytest.approx(100, abs=2)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.05)
    assert any("no usable time stamps" in note for note in result.notes)


def test_pictures_without_time_stamps_begin_with_the_sound(
    write_clip: Callable, tmp_path: Path
) -> None:
    source = write_clip(tmp_path / "a.mkv", seconds=4.0, rate=44_100, image=flash, sound=click)

    def change(packet: av.Packet, number: int) -> bool:
        packet.pts = packet.dts = round(7 / packet.time_base) + (
            0 if packet.stream.type == "video" else packet.dts
        )
        return True

    result = transcode(copied(source, tmp_path / "x.mkv", change), SMALL)
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.05)
    assert any("no usable time stamps" in note for note in result.notes)

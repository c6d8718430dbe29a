"""Files as they come: each is kept right, or what is missing of it is said."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from iicl.config import Preparation
from iicl.data.manifest import UnusableSource
from iicl.data.media.transcode import Transcoded, transcode
from tests.iicl.data.media.decoding import decode

SMALL = Preparation(short_side=32)
EVENT = 2.0


def flash(time: float) -> np.ndarray:
    return np.full((48, 64, 3), 250 if EVENT - 1e-6 <= time < EVENT + 0.2 else 10, np.uint8)


def click(times: np.ndarray) -> np.ndarray:
    hum = 0.01 * np.sin(600 * times)
    return np.where((times >= EVENT) & (times < EVENT + 0.01), 0.9, hum)[None]


def events(result: Transcoded) -> tuple[float, float]:
    """When the flash is seen and the click is heard."""
    assert result.samples is not None
    bright = decode(result.packets).mean(axis=(1, 2, 3)) > 128
    loud = np.abs(result.samples.astype(float)) > 8000
    return float(np.argmax(bright)) / result.fps, float(np.argmax(loud)) / 16_000


def copied(source: Path, target: Path, change: Callable[[av.Packet, int], bool]) -> Path:
    """Copies packets; ``change(packet, number)`` may alter one, and says whether to keep it."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        numbers = dict.fromkeys(streams, 0)
        for packet in reader.demux():
            index = packet.stream.index
            if packet.dts is None or not change(packet, numbers[index]):
                numbers[index] += 1
                continue
            numbers[index] += 1
            packet.stream = streams[index]
            writer.mux(packet)
    return target


def restamped(source: Path, target: Path, stamp: Callable[[str, int, float], float]) -> Path:
    """Copies packets with other stamps: ``stamp(kind, number, seconds)``."""

    def change(packet: av.Packet, number: int) -> bool:
        base = float(packet.time_base)
        packet.pts = round(stamp(packet.stream.type, number, packet.pts * base) / base)
        packet.dts = min(packet.dts, packet.pts)  # as containers ask for
        return True

    return copied(source, target, change)


@pytest.fixture(scope="module")
def clip(write_clip: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "clip.mkv"
    return write_clip(path, seconds=4.0, image=flash, sound=click)


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


def shown_from(result: Transcoded) -> float:
    """When the picture turns bright."""
    bright = decode(result.packets).mean(axis=(1, 2, 3)) > 128
    return float(np.argmax(bright)) / result.fps


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


def test_a_sound_of_ten_samples_costs_no_picture(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", seconds=0.4, rate=44_100, sound_seconds=10 / 44_100)
    result = transcode(path, SMALL)
    assert len(result.packets) == 10
    assert result.samples is None
    assert any(note.startswith("no audio") for note in result.notes)


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


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_single_picture_is_no_clip(write_clip: Callable, tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_clip(tmp_path / f"x.{suffix}", seconds=0.04, rate=None, codec=codec)
    with pytest.raises(UnusableSource, match="still image"):
        transcode(path, SMALL)


@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4"])
def test_a_part_begins_where_asked_whatever_the_key_frames(
    write_clip: Callable, tmp_path: Path, suffix: str
) -> None:
    path = write_clip(
        tmp_path / f"x.{suffix}",
        seconds=8.0,
        rate=44_100,
        audio_codec="mp2",
        image=lambda time: np.full((48, 64, 3), round(20 + 25 * time), np.uint8),
    )
    result = transcode(path, SMALL, start_seconds=5.0, end_seconds=7.0)
    brightness = decode(result.packets).mean(axis=(1, 2, 3))
    assert len(brightness) == 50
    assert (brightness[[0, -1]] - 20) / 25 == pytest.approx([5.0, 6.96], abs=0.06)
    beyond = transcode(path, SMALL, start_seconds=5.0, end_seconds=15.0)
    assert any("of 10.00 s" in note for note in beyond.notes)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.m3u8", "#EXTM3U\n#EXTINF:4,\nclip.mkv\n#EXT-X-ENDLIST\n", "a playlist or another text"),
        ("x.txt", "ffconcat version 1.0\nfile clip.mkv\n", "a playlist or another text"),
        ("x.mkv", "ffconcat version 1.0\n#\1\nfile clip.mkv\n", "not readable as media"),
        ("x.mp4", ";FFMETADATA1\ntitle=x\n", "a playlist or another text"),
        ("x.srt", "1\n00:00:00,000 --> 00:00:04,000\nh\u00e9\n", "a playlist or another text"),
    ],
)
def test_a_playlist_is_not_what_it_names(
    clip: Path, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / "clip.mkv").write_bytes(clip.read_bytes())
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UnusableSource, match=reason):
        transcode(tmp_path / name, SMALL)


@pytest.mark.parametrize("kind", ["ts", "live"])
def test_a_file_without_an_announced_length_does_not_end_with_its_sound(
    write_clip: Callable, tmp_path: Path, kind: str
) -> None:
    path = write_clip(
        tmp_path / f"x.{'mkv' if kind == 'live' else kind}",
        seconds=12.0,
        sound_seconds=2.0,
        rate=44_100,
        audio_codec="mp2",
        image=lambda t: np.full((48, 64, 3), 250 if t >= 6 - 1e-6 else 10, np.uint8),
    )
    if kind == "live":
        content = bytearray(path.read_bytes())
        place = content.index(b"\x44\x89\x88")  # Matroska's Duration becomes a void element
        content[place : place + 11] = b"\xec\x89" + bytes(9)
        path.write_bytes(content)
    whole = transcode(path, SMALL)
    assert len(whole.packets) == pytest.approx(300, abs=1)
    assert any(note.startswith("sound ends after 2.0") for note in whole.notes)
    part = transcode(path, SMALL, 5.0, 8.0)
    assert len(part.packets) == pytest.approx(75, abs=1)
    assert shown_from(part) == pytest.approx(1.0, abs=0.041)
    middle = transcode(path, Preparation(short_side=32, max_seconds=4))
    assert len(middle.packets) == pytest.approx(100, abs=1)
    assert any(note.startswith("the middle 4.00 s of 12.0") for note in middle.notes)


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


def test_the_last_picture_does_not_outlast_the_file(write_clip: Callable, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", seconds=4.0, rate=44_100, audio_codec="aac")

    def change(packet: av.Packet, number: int) -> bool:
        if packet.stream.type == "video" and number == 99:
            packet.duration = round(8 / packet.time_base)
        return True

    path = copied(source, tmp_path / "x.mp4", change)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) > 11
    assert len(transcode(path, SMALL).packets) == pytest.approx(100, abs=1)


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


def test_a_file_that_announces_an_hour_keeps_what_it_has(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    place = content.index(b"\x44\x89\x88") + 3  # Matroska's Duration, 8 bytes, in milliseconds
    assert struct.unpack_from(">d", content, place)[0] == pytest.approx(4000, abs=50)
    struct.pack_into(">d", content, place, 3_600_000.0)
    (tmp_path / "x.mkv").write_bytes(content)
    result = transcode(tmp_path / "x.mkv", SMALL)
    assert len(result.packets) == 100
    assert events(result) == pytest.approx((EVENT, EVENT), abs=0.041)
    assert any("video ends after 4.00 s of 3600.00 s" in note for note in result.notes)


@pytest.mark.parametrize("seconds", [0.8, 3.0])
def test_a_file_that_announces_no_duration_is_whole(
    write_clip: Callable, tmp_path: Path, seconds: float
) -> None:
    source = write_clip(tmp_path / "a.mkv", seconds=seconds)

    class Pipe:
        """A recorder's output, which cannot go back to write how long it has become."""

        def __init__(self) -> None:
            self.content = b""

        def write(self, content: bytes) -> int:
            self.content += content
            return len(content)

    pipe = Pipe()
    with av.open(str(source)) as reader, av.open(pipe, "w", format="matroska") as writer:
        streams = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        for packet in reader.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    (tmp_path / "x.mkv").write_bytes(pipe.content)
    with av.open(str(tmp_path / "x.mkv")) as container:
        assert container.duration is None
    result = transcode(tmp_path / "x.mkv", SMALL)
    assert len(result.packets) == round(25 * seconds)
    assert result.samples is not None
    assert result.notes == []


@pytest.mark.parametrize("cut", [False, True])
def test_ogg_video_with_repeated_pictures_keeps_them_though_it_was_cut(
    tmp_path: Path, cut: bool
) -> None:
    # PyAV cannot encode Theora; 5 pictures a second at 25 a second repeat four of five.
    ffmpeg = [get_ffmpeg_exe(), "-v", "error"]
    made = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=4"]
    made += ["-f", "lavfi", "-i", "sine=duration=4", "-c:v", "libtheora", "-g", "12", "-r", "25"]
    path = tmp_path / "whole.ogv"
    subprocess.run([*ffmpeg, *made, str(path)], check=True)
    if cut:
        path = tmp_path / "cut.ogv"
        whole = ["-ss", "0.7", "-i", str(tmp_path / "whole.ogv")]
        subprocess.run([*ffmpeg, *whole, "-c", "copy", str(path)], check=True)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
    assert any(packet.size == 0 for packet in packets)
    assert (packets[0].pts > 2**57) == cut, "a cut leaves an absurd first time"
    result = transcode(path, SMALL)
    if not cut:
        assert len(result.packets) == 100
        assert result.notes == []
    assert len(packets) - 14 < len(result.packets) <= len(packets)
    assert result.samples is not None
    assert not any("fails" in note for note in result.notes)

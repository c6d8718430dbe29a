"""Odd files: playlists, single pictures, parts, and headers with wrong lengths."""

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
from iicl.data.media.transcode import transcode
from tests.iicl.data.media.decoding import decode
from tests.iicl.data.media.odd_clips import (
    EVENT,
    SMALL,
    copied,
    events,
    shown_from,
)


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

"""Sound and picture of a whole clip are kept right."""

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.config import Preparation
from iicl.constants import GOP
from iicl.data.manifest import UnusableSource
from iicl.data.media.geometry import Orientation
from iicl.data.media.transcode import transcode
from tests.iicl.data.media.decoding import decode

SMALL = Preparation(short_side=32)


def grey_of_time(time: float) -> np.ndarray:
    """An image as bright as its time: 20 per 0.1 s."""
    return np.full((48, 64, 3), round(20 + 200 * time), np.uint8)


def times_of(packets: list[bytes]) -> np.ndarray:
    return (decode(packets).mean(axis=(1, 2, 3)) - 20) / 200


@pytest.mark.parametrize(
    ("name", "codec", "audio_codec"),
    [
        ("x.avi", "mpeg4", "pcm_s16le"),
        ("x.mp4", "libx264", "aac"),
        ("x.mp4", "libx264", "alac"),
        ("x.mkv", "libx264", "libopus"),
    ],
)
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_flash_and_click_stay_together(
    write_clip: Callable, tmp_path: Path, name: str, codec: str, audio_codec: str, late: float
) -> None:
    if late and name == "x.avi":
        pytest.skip("AVI knows no start times")
    event = 0.6
    path = write_clip(
        tmp_path / name,
        seconds=1.2,
        codec=codec,
        rate=48_000,
        audio_codec=audio_codec,
        sound_starts=late,
        image=lambda t: np.full((48, 64, 3), 250 if t >= event - 1e-6 else 10, np.uint8),
        sound=lambda t: np.where((t >= event - late) & (t < event - late + 0.005), 0.9, 0)[None],
    )
    result = transcode(path, SMALL)
    flash = np.argmax(decode(result.packets).mean(axis=(1, 2, 3)) > 128) / result.fps
    assert result.samples is not None
    loud = np.abs(result.samples.astype(float)) > 8000
    click = np.argmax(loud) / 16_000
    assert flash == pytest.approx(event, abs=1e-6)
    assert click == pytest.approx(event, abs=0.010)


def test_of_a_variable_rate_the_grid_holds_what_is_on_screen(
    write_clip: Callable, tmp_path: Path
) -> None:
    times = [0.0, 0.04, 0.12, 0.16, 0.5, 0.53, 0.6, 0.9]
    path = write_clip(tmp_path / "x.mkv", times=times, image=grey_of_time, rate=None)
    result = transcode(path, SMALL)
    assert 0 < result.fps <= 30
    stored = times_of(result.packets)
    # The median of the steps, at most one of the grid; what lasts for more than 1.5 is a pause.
    step = min(0.07, 1 / result.fps)
    changes = [
        b - step / 2 if b - a > 1.5 * step else (a + b) / 2 for a, b in itertools.pairwise(times)
    ]
    for number, time in enumerate(stored):
        # At the very middle between two pictures the earlier one stays.
        on_screen = times[np.searchsorted(changes, number / result.fps - 1e-6)]
        assert time == pytest.approx(on_screen, abs=0.012)
    assert len(stored) / result.fps >= 0.9


def test_a_fast_source_is_thinned_out(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", fps=50, image=grey_of_time, rate=None)
    result = transcode(path, Preparation(short_side=32, max_fps=20))
    assert result.fps == 20
    assert times_of(result.packets) == pytest.approx(np.arange(20) / 20, abs=0.016)


def test_a_long_source_is_cut_to_its_middle(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "x.mp4",
        image=grey_of_time,
        audio_codec="alac",
        sound=lambda t: (0.9 * t)[None],
    )
    result = transcode(path, Preparation(short_side=32, max_seconds=0.4))
    assert times_of(result.packets) == pytest.approx(np.arange(10) / 25 + 0.28, abs=0.006)
    assert result.notes == ["the middle 0.40 s of 1.00 s"]
    assert result.samples is not None
    assert len(result.samples) == 6400
    ramp = 0.9 * (0.28 + np.arange(6400) / 16_000)
    assert result.samples / 32768 == pytest.approx(ramp, abs=0.002)


def test_a_segment_is_cut_out(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "x.mp4", image=grey_of_time, audio_codec="alac", sound=lambda t: (0.9 * t)[None]
    )
    result = transcode(path, SMALL, start_seconds=0.4, end_seconds=0.8)
    assert times_of(result.packets) == pytest.approx(np.arange(10) / 25 + 0.4, abs=0.012)
    assert result.samples is not None
    assert result.samples[0] / 32768 == pytest.approx(0.36, abs=0.002)
    with pytest.raises(UnusableSource, match="outside"):
        transcode(path, SMALL, start_seconds=5.0, end_seconds=6.0)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((48, 64), (32, 42)), ((64, 48), (42, 32)), ((24, 32), (32, 42)), ((90, 90), (32, 32))],
)
def test_short_side_and_even_sizes(
    write_clip: Callable, tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    path = write_clip(tmp_path / "x.mkv", size=size, seconds=0.2, rate=None)
    result = transcode(path, SMALL)
    assert (result.height, result.width) == expected
    assert decode(result.packets).shape[1:3] == expected


def test_groups_of_frames_are_closed_and_bytes_repeat(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", seconds=1.0)
    first, second = transcode(path, SMALL), transcode(path, SMALL)
    assert first.packets == second.packets
    whole = decode(first.packets)
    for start in range(0, 25, GOP):
        part = decode(first.packets[start : start + GOP])
        np.testing.assert_array_equal(part, whole[start : start + GOP])


def test_channels_are_averaged(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "x.mkv",
        channels=2,
        sound=lambda t: np.stack([0.5 * np.sin(99 * t), -0.1 * np.sin(99 * t)]),
    )
    samples = transcode(path, SMALL).samples
    assert samples is not None
    expected = 0.2 * np.sin(99 * np.arange(16_000) / 16_000)
    assert samples / 32768 == pytest.approx(expected, abs=1e-3)


def test_resampling_keeps_a_tone_in_phase(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", rate=44_100)
    samples = transcode(path, SMALL).samples
    assert samples is not None
    times = np.arange(16_000) / 16_000
    middle = slice(1000, 15_000)
    expected = np.sin(2 * np.pi * 440 * times) / 4
    assert samples[middle] / 32768 == pytest.approx(expected[middle], abs=2e-3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_rotation_is_that_of_the_picture(turns: int) -> None:
    planes = np.random.default_rng(0).integers(0, 255, (3, 6, 10), dtype=np.uint8)
    luma, u, v = planes[0], planes[1, ::2, ::2], planes[2, ::2, ::2]
    packed = np.concatenate([p.ravel() for p in (luma, u, v)]).reshape(9, 10)
    turned = Orientation(turns=turns).apply(av.VideoFrame.from_ndarray(packed, format="yuv420p"))
    expected = np.concatenate([np.rot90(p, turns).ravel() for p in (luma, u, v)])
    np.testing.assert_array_equal(turned.to_ndarray().ravel(), expected)


@pytest.mark.parametrize(
    ("matrix", "size"),
    [
        ((1, 0, 0, 1), (32, 42)),
        ((0, 1, -1, 0), (42, 32)),
        ((-1, 0, 0, -1), (32, 42)),
        ((0, -1, 1, 0), (42, 32)),
        ((-1, 0, 0, 1), (32, 42)),
        ((1, 0, 0, -1), (32, 42)),
        ((0, 1, 1, 0), (42, 32)),
        ((0, -1, -1, 0), (42, 32)),
    ],
)
def test_a_picture_that_its_file_turns_or_mirrors_is_stored_so(
    write_clip: Callable, tmp_path: Path, matrix: tuple[int, ...], size: tuple[int, int]
) -> None:
    quarters = {(-1, -1): 40, (1, -1): 100, (-1, 1): 160, (1, 1): 220}  # by side: (x, y)
    picture = np.zeros((48, 64, 3), np.uint8)
    for (x, y), grey in quarters.items():
        picture[24 * (y > 0) : 24 + 24 * (y > 0), 32 * (x > 0) : 32 + 32 * (x > 0)] = grey
    path = write_clip(tmp_path / "x.mp4", seconds=0.2, rate=None, image=lambda time: picture)
    content = bytearray(path.read_bytes())
    # ISO/IEC 14496-12, track header of version 0: (x, y) is shown at (a x + c y, b x + d y).
    begin = content.index(b"tkhd") + 44
    identity = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000]
    assert struct.unpack_from(">9i", content, begin) == tuple(identity)
    a, b, c, d = matrix
    turned = [a * 0x10000, b * 0x10000, 0, c * 0x10000, d * 0x10000, 0, 0, 0, 0x40000000]
    struct.pack_into(">9i", content, begin, *turned)
    path.write_bytes(content)
    stored = decode(transcode(path, SMALL).packets)[0].astype(float)
    assert stored.shape[:2] == size
    for (x, y), grey in quarters.items():
        row = size[0] // 2 + (b * x + d * y) * size[0] // 4
        column = size[1] // 2 + (a * x + c * y) * size[1] // 4
        assert stored[row - 3 : row + 3, column - 3 : column + 3].mean() == pytest.approx(
            grey, abs=6
        )


@pytest.mark.parametrize(
    ("degrees", "size", "notes"),
    [
        (89.9, (42, 32), []),
        (-91.0, (42, 32), []),
        (180.05, (32, 42), []),
        (0.3, (32, 42), []),
        (45.0, (32, 42), ["the picture's rotation is no quarter turn and not applied"]),
        (80.0, (32, 42), ["the picture's rotation is no quarter turn and not applied"]),
    ],
)
def test_a_rotation_near_a_quarter_turn_is_one_and_any_other_is_named(
    write_clip: Callable, tmp_path: Path, degrees: float, size: tuple[int, int], notes: list[str]
) -> None:
    path = write_clip(tmp_path / "x.mp4", seconds=0.4)
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 44
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = [round(0x10000 * x) for x in (cosine, sine, 0, -sine, cosine)]
    struct.pack_into(">5i", content, begin, *turned)
    path.write_bytes(content)
    result = transcode(path, SMALL)
    assert (result.height, result.width) == size
    assert [note for note in result.notes if "rotation" in note] == notes

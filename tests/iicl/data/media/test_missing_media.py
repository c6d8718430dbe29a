"""What a file lacks is said, and a file that is no clip is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.config import Preparation
from iicl.data.manifest import UnusableSource
from iicl.data.media.transcode import transcode

SMALL = Preparation(short_side=32)


def test_what_is_absent_is_said(write_clip: Callable, tmp_path: Path) -> None:
    silent = transcode(write_clip(tmp_path / "v.mkv", rate=None), SMALL)
    assert silent.samples is None
    assert silent.notes == ["no audio stream"]
    blind = transcode(write_clip(tmp_path / "a.wav", video=False), SMALL)
    assert blind.packets == []
    assert blind.samples is not None
    assert len(blind.samples) == 16_000
    assert blind.notes == ["no video stream"]


def test_sound_that_ends_early_is_noted(write_clip: Callable, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mkv", seconds=1.0, sound_seconds=0.5)
    result = transcode(path, SMALL)
    assert len(result.packets) == 25
    assert result.samples is not None
    assert result.notes == ["sound ends after 0.50 s of 1.00 s"]


def test_a_truncated_file_is_kept_with_a_note_or_refused(
    write_clip: Callable, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "x.avi", seconds=4.0, codec="mpeg4")
    content = path.read_bytes()
    (tmp_path / "most.avi").write_bytes(content[: round(0.6 * len(content))])
    result = transcode(tmp_path / "most.avi", SMALL)
    assert any("ends after" in note and "of 4.00 s" in note for note in result.notes)
    assert 1.0 < len(result.packets) / result.fps < 3.5
    (tmp_path / "little.avi").write_bytes(content[: round(0.15 * len(content))])
    with pytest.raises(UnusableSource, match="ends after"):
        transcode(tmp_path / "little.avi", SMALL)
    (tmp_path / "head.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\0")
    with pytest.raises(UnusableSource, match=r".+"):
        transcode(tmp_path / "head.mp4", SMALL)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "empty file"),
        ("text.mp4", b"this is no clip\n" * 100, "not readable"),
        ("readme.txt", b"this is no clip\n" * 100, "playlist or text|not readable"),
        ("noise.avi", bytes(range(256)) * 40, "not readable|no "),
    ],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableSource, match=reason):
        transcode(tmp_path / name, SMALL)


def test_what_is_no_file_is_refused_in_plain_words(write_clip: Callable, tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "broken.mp4").symlink_to("nowhere")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    for name, reason in {
        "folder.mp4": "a folder, a pipe or a device, not a file",
        "pipe.mp4": "a folder, a pipe or a device, not a file",
        "broken.mp4": "the link leads to no file: No such file",
        "loop.mp4": "the link leads to no file: Too many levels",
        "gone.mp4": "cannot be opened: No such file",
    }.items():
        with pytest.raises(UnusableSource, match=reason):
            transcode(tmp_path / name, SMALL)
    forbidden = write_clip(tmp_path / "forbidden.mp4", seconds=0.2)
    forbidden.chmod(0)
    if os.access(forbidden, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(UnusableSource, match="cannot be opened: Permission denied"):
        transcode(forbidden, SMALL)


def test_a_still_image_is_no_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "x.png"), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(UnusableSource, match="still image"):
        transcode(tmp_path / "x.png", SMALL)

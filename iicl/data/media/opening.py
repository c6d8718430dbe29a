"""Opens a media file, and refuses in plain words what is not one."""

import os
import stat
from pathlib import Path

import av
import av.error

from iicl.data.manifest import UnusableSource
from iicl.data.media.packets import error_text

# These formats open other files or the network, whatever protocols are allowed, or draw text.
_FOLLOWERS = {"concat", "dash", "hls", "image2", "imf", "rtp", "rtsp", "sap", "sdp", "tty"}
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(set(av.formats_available) - _FOLLOWERS)),
}
_TEXT_BYTES = 4096  # at the beginning of a file; they tell whether it is text
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r")


def open_source(path: Path) -> av.container.InputContainer:
    """Opens a media file.

    Raises:
        UnusableSource: if the file is not a media file or cannot be read.
    """
    _check_file(path)
    try:
        # "file:" keeps FFmpeg from reading names such as "a:b" as URLs.
        return av.open(
            f"file:{os.path.abspath(path)}",
            metadata_errors="replace",
            container_options=_OPTIONS,
        )
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise UnusableSource(f"not readable as media: {error_text(error)}") from None


def _check_file(path: Path) -> None:
    """Refuses files that FFmpeg would refuse less clearly, wait for, or follow to other files."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableSource("a folder, a pipe or a device, not a file")
        with open(path, "rb") as stream:
            beginning = stream.read(_TEXT_BYTES)
    except OSError as error:
        problem = "the link leads to no file" if path.is_symlink() else "cannot be opened"
        raise UnusableSource(f"{problem}: {error.strerror}") from None
    if not beginning:
        raise UnusableSource("empty file")
    if _is_text(beginning):
        raise UnusableSource("not readable as media: a playlist or another text")


def _is_text(beginning: bytes) -> bool:
    """Whether a file with this beginning is text."""
    if not _CONTROLS.isdisjoint(beginning) or beginning.startswith(b"YUV4MPEG2 "):
        return False  # YUV4MPEG2 is raw pictures, which may consist of any bytes
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start > _TEXT_BYTES - 4  # only the last character, which is cut in two, fails
    return True

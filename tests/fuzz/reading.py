"""Lets FFmpeg read a file, and finds the flashes and clicks in it.

FFmpeg's command line program reads the file. It is another release of FFmpeg than the one that the
project uses, with options of its own, and no code of the project takes part.
"""

import re
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

SAMPLE_RATE = 16_000
LONGEST_SECONDS = 60  # greatest time that FFmpeg may take for one file
MAX_MEMORY_BYTES = 4 << 30  # address space of FFmpeg
# Limits of its output: a header that says 1 Hz turns two seconds of sound into a day.
MAX_SECONDS = 400
MAX_FRAMES = 20_000
_FULL_SCALE = 0.5**0.5  # FFmpeg turns a full-scale mono sample into two samples of this size
_WILD = 8.0  # a greater sample, or one that is not a number, comes from damaged bytes
_LUMA = "lavfi.signalstats.YAVG"
_WINDOW = SAMPLE_RATE // 200  # samples over which loudness is measured: 5 ms

_FRAME = re.compile(r"pts_time:(\S+)\s+lavfi\.signalstats\.YAVG=(\S+)")
_BLOCK = re.compile(r"pts_time:(\S+)\s+lavfi\.astats\.Overall\.Number_of_samples=(\S+)")
_COMPLAINT = re.compile(rb"(?mi)^\[[^]\n]+ @ [^]\n]+\].*(?:error|invalid|corrupt)")
_DURATION = re.compile(rb"^  Duration: (\d+):(\d\d):(\d\d\.\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Picture:
    """Decoded frames in the order of their presentation.

    Attributes:
        times: (n,) seconds; NaN where a frame has no time stamp.
        luma: (n,) mean of each frame, 0-255.
    """

    times: np.ndarray
    luma: np.ndarray

    @property
    def step(self) -> float:
        """Seconds from one frame to the next: the median."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else float("nan")

    def flashes(self) -> np.ndarray:
        """Seconds at which each stretch of bright frames begins; empty if there is no contrast."""
        if not len(self.luma) or np.ptp(self.luma) < 80:
            return np.zeros(0)
        bright = self.luma > (self.luma.min() + self.luma.max()) / 2
        return self.times[np.flatnonzero(bright & ~np.r_[False, bright[:-1]])]


@dataclass(frozen=True)
class Sound:
    """Decoded sound.

    Attributes:
        samples: (n, channels) float at ``SAMPLE_RATE``; 0 for wild samples and NaN.
        times: (n,) seconds of each sample.
        is_wild: whether there were samples far beyond full scale, which each player clips in its
            own way.
    """

    samples: np.ndarray
    times: np.ndarray
    is_wild: bool = False

    @property
    def peak(self) -> float:
        """Greatest magnitude of any channel."""
        return float(np.abs(self.samples).max()) if self.samples.size else 0.0

    @property
    def is_clear(self) -> bool:
        """Whether the number of clicks depends neither on wild samples nor on what is loud.

        Noise that differs between two channels is 0.71 times as loud in their mean.
        """
        return not self.is_wild and len(self.clicks(0.3)) == len(self.clicks(0.75))

    def clicks(self, loud_from: float = 0.5) -> np.ndarray:
        """Seconds at which each loud stretch begins; empty if nothing stands out.

        Args:
            loud_from: level from which sound is loud, as a fraction of the greatest level.
        """
        num_windows = len(self.samples) // _WINDOW
        if num_windows < 2:
            return np.zeros(0)
        windows = self.samples[: num_windows * _WINDOW].reshape(num_windows, _WINDOW, -1)
        levels = np.sqrt((windows**2).mean(axis=1)).max(axis=1)
        if levels.max() < 0.02 or np.median(levels) > 0.2 * levels.max():
            return np.zeros(0)
        loud = np.flatnonzero(levels > loud_from * levels.max())
        begins = loud[np.diff(loud, prepend=-100) > 20]  # 100 ms of quiet lie between two clicks
        return self.times[begins * _WINDOW]


@dataclass(frozen=True)
class Reading:
    """What FFmpeg reads in a file.

    Attributes:
        picture: None without a picture.
        sound: None without sound.
        announced: length in seconds that the header states, as FFmpeg prints it; None if none.
        failure: why nothing was read, or empty.
        num_complaints: lines that FFmpeg printed about damage.
    """

    picture: Picture | None = None
    sound: Sound | None = None
    announced: float | None = None
    failure: str = ""
    num_complaints: int = 0


def read(path: Path) -> Reading:
    """Lets FFmpeg decode a file."""
    program = [get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-nostats", "-threads", "1"]
    program += ["-i", f"file:{path}"]
    header = _run(program)
    if header is None:
        return Reading(failure="FFmpeg does not end")
    input_lines = [line for line in header.splitlines() if line.lstrip().startswith(b"Stream #0:")]
    kinds = tuple(
        kind
        for kind in ("Video", "Audio")
        if any(
            f": {kind}: ".encode() in line and b"(attached pic)" not in line for line in input_lines
        )
    )
    if not kinds:
        return Reading(failure="FFmpeg finds no stream")
    with tempfile.TemporaryDirectory() as folder:
        frames, blocks, samples = (Path(folder) / name for name in ("frames", "blocks", "samples"))
        command = list(program)
        if "Video" in kinds:
            filters = f"format=yuv420p,signalstats,metadata=print:key={_LUMA}:file={frames}"
            command += ["-an", "-vf", filters, "-fps_mode", "passthrough"]
            command += ["-frames:v", str(MAX_FRAMES), "-f", "null", "-"]
        if "Audio" in kinds:
            filters = (
                f"aresample={SAMPLE_RATE},aformat=sample_fmts=flt:channel_layouts=stereo"
                ",astats=metadata=1:reset=1:measure_perchannel=none"
                f":measure_overall=Number_of_samples,ametadata=print:file={blocks}"
            )
            command += ["-vn", "-af", filters]
            command += ["-fs", str(8 * SAMPLE_RATE * MAX_SECONDS), "-f", "f32le", str(samples)]
        text = _run(command)
        if text is None:
            return Reading(failure="FFmpeg does not end")
        return Reading(
            picture=_picture(_content(frames).decode()),
            sound=_sound(_content(blocks).decode(), _content(samples)),
            announced=_announced(header),
            num_complaints=len(_COMPLAINT.findall(text)),
        )


def _content(path: Path) -> bytes:
    """Content of a file; empty if FFmpeg did not write it."""
    return path.read_bytes() if path.exists() else b""


def _run(command: list[str]) -> bytes | None:
    """Standard error of FFmpeg; None if it takes too long."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=LONGEST_SECONDS,
            preexec_fn=_limit,
        ).stderr
    except subprocess.TimeoutExpired:
        return None


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    # Twice the length that is asked for; FFmpeg ends if its output grows beyond that.
    limit = 2 * 8 * SAMPLE_RATE * MAX_SECONDS
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _number(text: str) -> float:
    return float("nan") if text == "NOPTS" else float(text)


def _announced(text: bytes) -> float | None:
    match = _DURATION.search(text)
    if match is None:
        return None
    hours, minutes, seconds = (float(part) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def _picture(text: str) -> Picture | None:
    rows = [(_number(time), float(luma)) for time, luma in _FRAME.findall(text)]
    return Picture(*np.array(rows).T) if rows else None


def _sound(text: str, content: bytes) -> Sound | None:
    samples = np.frombuffer(content[: len(content) // 8 * 8], "<f4").reshape(-1, 2)
    blocks = [(_number(time), round(float(number))) for time, number in _BLOCK.findall(text)]
    times = [time + np.arange(number) / SAMPLE_RATE for time, number in blocks]
    stamps = np.concatenate([*times, np.zeros(0)])
    length = min(len(samples), len(stamps))
    if not length:
        return None
    numbers = np.nan_to_num(samples[:length], nan=0.0, posinf=np.inf, neginf=-np.inf)
    wild = np.abs(numbers) > _WILD
    values = np.clip(np.where(wild, 0, numbers), -_FULL_SCALE, _FULL_SCALE)
    return Sound(values, stamps[:length], bool(wild.any()))

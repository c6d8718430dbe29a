"""Small media files, and a small prepared corpus."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from iicl.config import Preparation
from iicl.data.prepare import prepare
from iicl.data.store import PreparedCorpus


def _write_clip(
    path: Path,
    *,
    times: list[float] | None = None,
    seconds: float = 1.0,
    fps: int = 25,
    size: tuple[int, int] = (48, 64),
    image: Callable[[float], np.ndarray] | None = None,
    rate: int | None = 16_000,
    channels: int = 1,
    sound: Callable[[np.ndarray], np.ndarray] | None = None,
    sound_starts: float = 0.0,
    sound_seconds: float | None = None,
    video: bool = True,
    codec: str = "libx264",
    audio_codec: str = "pcm_s16le",
) -> Path:
    """Writes a clip; ``image(time)`` is (H, W, 3) uint8, ``sound(times)`` (channels, n) floats."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    texture = generator.integers(0, 255, (*size, 3)).repeat(1, axis=0).astype(np.uint8)
    if image is None:
        image = lambda time: np.roll(texture // 2 + 60, round(time * 25), axis=1)  # noqa: E731
    if sound is None:
        sound = lambda t: np.sin(2 * np.pi * 440 * t)[None].repeat(channels, 0) / 4  # noqa: E731
    if times is None:
        times = [number / fps for number in range(round(seconds * fps))]
    with av.open(str(path), "w") as container:
        streams = []
        if video:
            pictures = _add_video(container, codec, fps, size)
            streams.append(pictures)
        if rate is not None:
            layout = {1: "mono", 2: "stereo", 8: "7.1"}[channels]
            audio = container.add_stream(audio_codec, rate=rate, layout=layout)
            streams.append(audio)
            stamps = np.arange(round((sound_seconds or seconds) * rate)) / rate
            samples = np.clip(sound(stamps), -1, 1)
            blocks = np.array_split((samples * 32767).astype(np.int16), max(1, len(times)), axis=1)
            written = 0
        for number, time in enumerate(times):
            if rate is not None:
                frame = _audio_frame(blocks[number], layout, rate)
                frame.pts = round(sound_starts * rate) + written
                written += blocks[number].shape[1]
                container.mux(audio.encode(frame))
            if video:
                picture = av.VideoFrame.from_ndarray(image(time), format="rgb24")
                tick = Fraction(1, fps) if codec == "mpeg4" else Fraction(1, 1000)
                picture.time_base, picture.pts = tick, round(time / tick)
                if codec != "mpeg4":
                    pictures.codec_context.time_base = tick
                container.mux(pictures.encode(picture))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def _add_video(container: Any, codec: str, fps: int, size: tuple[int, int]) -> Any:
    pictures = container.add_stream(codec, rate=fps)
    pictures.width, pictures.height, pictures.pix_fmt = size[1], size[0], "yuv420p"
    pictures.codec_context.max_b_frames = 0
    pictures.options = {"crf": "12"} if codec == "libx264" else {"qscale": "2"}
    return pictures


def _audio_frame(samples: np.ndarray, layout: str, rate: int) -> av.AudioFrame:
    """A frame of (channels, n) int16 samples."""
    interleaved = samples.T.reshape(1, -1).copy()
    frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    return frame


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    return _write_clip


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    """Seven clips of three classes, of several sizes, lengths and rates; one silent, one short."""
    root = tmp_path_factory.mktemp("corpus")
    source = root / "source"
    _write_clip(source / "a" / "0.mkv", seconds=2.4)
    _write_clip(source / "a" / "1.mkv", seconds=1.6, size=(48, 80))
    _write_clip(source / "a" / "2.mkv", seconds=2.0, rate=None)
    _write_clip(source / "b" / "3.mkv", seconds=2.0, fps=16)
    _write_clip(source / "b" / "4.mkv", seconds=3.0, size=(64, 48))
    _write_clip(source / "c" / "5.mkv", seconds=0.4)
    _write_clip(source / "c" / "6.mkv", seconds=2.2)
    prepare(
        "folder",
        source,
        root / "prepared",
        corpus="small",
        preparation=Preparation(short_side=32),
        num_workers=1,
    )
    return PreparedCorpus.open(root / "prepared")

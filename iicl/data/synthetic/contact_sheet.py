"""Draws what generated corpora hold, class by class, so that a person can judge it."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torchaudio.transforms import MelSpectrogram

from iicl.data.synthetic.layouts import layout, plan
from iicl.data.synthetic.media import decode
from iicl.data.synthetic.world import Kind, World
from iicl.data.synthetic.write import MARKER
from iicl.files import write_atomically

_NUM_FRAMES = 8  # consecutive frames drawn, from the start of an item
_ZOOM = 2  # screen pixels for a pixel
_STRIP_WIDTH = 640  # screen pixels, for an item without pictures
_SOUND_HEIGHT = 48  # screen pixels; twice as many for an item without pictures
_GAP = 10
_LABEL_WIDTH = 230
_HEADER_HEIGHT = 110
_DPI = 100
_NUM_LEVELS = 16  # of a spectrogram
_NUM_COLOURS = 128


def contact_sheet(corpora: Sequence[Path], out: Path) -> None:
    """Draw two items of every class as film strips over log-mel spectrograms of the same time.

    A recording without pictures is drawn as the spectrogram of its whole length. The same corpora
    give the same bytes.

    Args:
        corpora: roots written by :func:`iicl.data.synthetic.write.generate`; they are drawn one
            below the other.
        out: the PNG file to write.

    Raises:
        ValueError: if a root holds no complete generated corpus.
    """
    blocks = [_read(root) for root in corpora]
    width = _LABEL_WIDTH + _GAP + max(block.picture.shape[1] for block in blocks)
    height = sum(_HEADER_HEIGHT + block.picture.shape[0] for block in blocks)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    top = 0
    for block in blocks:
        _draw(figure, block, top, width, height)
        top += _HEADER_HEIGHT + block.picture.shape[0]
    canvas.draw()
    # With all colours, the noise in the pictures would make the file ten times as large.
    sheet = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    sheet = sheet.quantize(_NUM_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    sheet.save(file, format="png", optimize=True)
    write_atomically(out, file.getbuffer())


class _Block:
    """The rows of one corpus as one picture, and the text beside them."""

    def __init__(self, title: str, note: str, classes: Sequence[Kind], rows: list) -> None:
        self.title = title
        self.note = note
        self.classes = classes
        self.picture = np.concatenate(rows)


def _read(root: Path) -> _Block:
    marker = root / MARKER
    if not marker.is_file():
        raise ValueError(f"{root} holds no complete generated corpus: {MARKER} is missing")
    spec = json.loads(marker.read_text())
    world = World(**spec["world"])
    items = plan(spec["corpus"], spec["num_items"], spec["seed"], world)
    kind = layout(spec["corpus"])
    rows = []
    for class_index in range(len(kind.KINDS)):
        pair = [item for item in items if item.class_index == class_index][:2]
        strips = [_strip(root / item.path) for item in pair]
        strips += [np.full_like(strips[0], 255)] * (2 - len(strips))
        rows.append(np.concatenate([strips[0], _blank(strips[0], 2 * _GAP), strips[1]], axis=1))
    title = f"{spec['corpus']}-like {kind.PURPOSE} corpus: {len(items)} items"
    title += f", {len(kind.KINDS)} classes"
    return _Block(title, _note(world, items[0].path), kind.KINDS, rows)


def _note(world: World, path: str) -> str:
    if path.endswith(".wav"):
        return (
            f"Two recordings of each class, {world.scene_seconds:g} s: log-mel spectrogram, 0-8 kHz"
            " upwards.\nNuisances on purpose: noise of any colour, bursts of sounds that belong to "
            "other classes, pitch, level, gain."
        )
    return (
        f"Two items of each class. Above: {_NUM_FRAMES} consecutive frames of "
        f"{world.width} x {world.height} pixels, {world.fps} a second. "
        "Below: log-mel spectrogram of the same time, 0-8 kHz upwards; grey: no sound.\n"
        "Nuisances on purpose: hue, shape, size, background, noise, and in part of the items a "
        "steady tone or a second sound that nothing in the picture makes."
    )


def _strip(path: Path) -> np.ndarray:
    """Frames over the spectrogram of the same time, uint8 RGB (rows, columns, 3)."""
    media = decode(path)
    heard = media.samples
    if media.planes is None:
        assert heard is not None
        strip = _spectrogram(heard, media.sample_rate, (2 * _SOUND_HEIGHT, _STRIP_WIDTH))
    else:
        film = _film(media.planes[:_NUM_FRAMES])
        shape = (_SOUND_HEIGHT, film.shape[1])
        sound = np.full((*shape, 3), 225, dtype=np.uint8)
        if heard is not None:
            heard = heard[: _NUM_FRAMES * media.sample_rate // media.fps]
            sound = _spectrogram(heard, media.sample_rate, shape)
        strip = np.concatenate([film, sound])
    return np.concatenate([strip, np.full((_GAP, *strip.shape[1:]), 255, dtype=np.uint8)])


def _film(planes: np.ndarray) -> np.ndarray:
    frames = [
        av.VideoFrame.from_ndarray(plane, format="yuv420p").to_ndarray(format="rgb24")
        for plane in planes
    ]
    for frame in frames:
        frame[:, -1] = 255  # a line between frames
    return np.concatenate(frames, axis=1).repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)


def _spectrogram(samples: np.ndarray, rate: int, shape: tuple[int, int]) -> np.ndarray:
    mono = samples.reshape(len(samples), -1).mean(axis=1) / 32768.0
    hop = max(rate // 100, len(mono) // shape[1])
    window = max(rate // 40, hop)
    mel = MelSpectrogram(
        rate,
        n_fft=max(window, rate // 31),
        win_length=window,
        hop_length=hop,
        f_max=8000,
        n_mels=40,
    )
    level = torch.log(mel(torch.from_numpy(mono).float()) + 1e-6).numpy()[::-1]
    rows = np.arange(shape[0]) * level.shape[0] // shape[0]
    columns = np.arange(shape[1]) * level.shape[1] // shape[1]
    low, high = np.quantile(level, [0.05, 0.998])
    scaled = np.clip((level - low) / max(high - low, 1e-6), 0.0, 1.0)[rows][:, columns]
    return (255 * colormaps["magma"].resampled(_NUM_LEVELS)(scaled)[..., :3]).astype(np.uint8)


def _blank(like: np.ndarray, width: int) -> np.ndarray:
    return np.full((like.shape[0], width, 3), 255, dtype=np.uint8)


def _draw(figure: Figure, block: _Block, top: int, width: int, height: int) -> None:
    rows = block.picture.shape[0]

    def write(x: float, y: float, text: str, size: int, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, fontsize=size, va="center", **style)

    write(12, top + 28, block.title, 20, weight="bold")
    write(12, top + 76, block.note, 12, color="#444444", linespacing=1.3)
    top += _HEADER_HEIGHT
    figure.figimage(block.picture, xo=_LABEL_WIDTH, yo=height - top - rows, origin="upper")
    step = rows / len(block.classes)
    for index, kind in enumerate(block.classes):
        middle = top + (index + 0.5) * step - _GAP / 2
        lines = kind.remarks
        first = middle - 11 * len(lines)
        write(12, first, kind.name, 13, weight="bold")
        for number, line in enumerate(lines, start=1):
            write(12, first + 22 * number, line, 12, color="#444444")

"""A picture of what generated corpora hold, class by class, for a person to judge."""

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
from torchaudio.transforms import MelSpectrogram

from iicl.data.synthetic.layout import Item, plan
from iicl.data.synthetic.world import CLASSES, EventClass, World
from iicl.data.synthetic.write import MARKER, decode
from iicl.files import write_atomically

_NUM_FRAMES = 12  # consecutive, from the start of an item
_ZOOM = 2  # screen pixels per pixel
_SOUND_HEIGHT = 52  # screen pixels
_GAP = 14
_LABEL_WIDTH = 250
_HEADER_HEIGHT = 132
_DPI = 100


def contact_sheet(corpora: Sequence[Path], out: Path) -> None:
    """Draw two items of every class as film strips over log-mel spectrograms of the same time.

    Args:
        corpora: roots written by :func:`iicl.data.synthetic.write.generate`, drawn one below the
            other from their files.
        out: PNG to write.

    Raises:
        ValueError: if a root holds no complete generated corpus.
    """
    blocks = [_read(root) for root in corpora]
    width = _LABEL_WIDTH + max(block.picture.shape[1] for block in blocks)
    height = sum(_HEADER_HEIGHT + block.picture.shape[0] for block in blocks)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    top = 0
    for block in blocks:
        _draw(figure, block, top, width, height)
        top += _HEADER_HEIGHT + block.picture.shape[0]
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(out, picture.getbuffer())


class _Block:
    """The rows of one corpus as one picture, with what is written beside them."""

    def __init__(self, title: str, note: str, classes: Sequence[EventClass], rows: list) -> None:
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
    classes = CLASSES[spec["corpus"]]
    rows = []
    for class_index in range(len(classes)):
        pair = [item for item in items if item.class_index == class_index][:2]
        strips = [_strip(root, item, world) for item in pair]
        strips += [np.full_like(strips[0], 255)] * (2 - len(strips))
        rows.append(np.concatenate([strips[0], _blank(strips[0], 2 * _GAP), strips[1]], axis=1))
    purpose = {"audioset": "pretraining", "ucf101": "downstream"}[spec["corpus"]]
    title = f"{spec['corpus']}-like {purpose} corpus: {len(items)} items, {len(classes)} classes"
    note = (
        f"Two items of each class. Above: {_NUM_FRAMES} consecutive frames of "
        f"{world.width} x {world.height} pixels at {world.fps} per second. "
        "Below: log-mel spectrogram of the same time, 0-8 kHz upwards; grey has no sound.\n"
        "Nuisances on purpose: hue, shape, size, background, noise, and in part of the items a "
        "steady tone or a second sound that nothing in the picture makes."
    )
    return _Block(title, note, classes, rows)


def _strip(root: Path, item: Item, world: World) -> np.ndarray:
    """Frames over the spectrogram of the same time, uint8 RGB (rows, columns, 3)."""
    planes, samples = decode(root / item.path)
    frames = [
        av.VideoFrame.from_ndarray(plane, format="yuv420p").to_ndarray(format="rgb24")
        for plane in planes[:_NUM_FRAMES]
    ]
    for frame in frames:
        frame[:, -1] = 255  # a line between frames
    film = np.concatenate(frames, axis=1).repeat(_ZOOM, axis=0).repeat(_ZOOM, axis=1)
    shape = (_SOUND_HEIGHT, film.shape[1])
    if samples is None:
        sound = np.full((*shape, 3), 225, dtype=np.uint8)
    else:
        heard = samples[: _NUM_FRAMES * world.sample_rate // world.fps]
        sound = _spectrogram(heard, world.sample_rate, shape)
    strip = np.concatenate([film, sound])
    return np.concatenate([strip, np.full((_GAP, *strip.shape[1:]), 255, dtype=np.uint8)])


def _spectrogram(samples: np.ndarray, rate: int, shape: tuple[int, int]) -> np.ndarray:
    mel = MelSpectrogram(rate, n_fft=512, win_length=400, hop_length=rate // 100, n_mels=40)
    level = torch.log(mel(torch.from_numpy(samples / 32768.0).float()) + 1e-6).numpy()[::-1]
    rows = np.arange(shape[0]) * level.shape[0] // shape[0]
    columns = np.arange(shape[1]) * level.shape[1] // shape[1]
    low, high = np.quantile(level, [0.05, 0.998])
    scaled = np.clip((level - low) / max(high - low, 1e-6), 0.0, 1.0)[rows][:, columns]
    return (255 * colormaps["magma"](scaled)[..., :3]).astype(np.uint8)


def _blank(like: np.ndarray, width: int) -> np.ndarray:
    return np.full((like.shape[0], width, 3), 255, dtype=np.uint8)


def _draw(figure: Figure, block: _Block, top: int, width: int, height: int) -> None:
    rows = block.picture.shape[0]

    def write(x: float, y: float, text: str, size: int, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, fontsize=size, va="center", **style)

    write(12, top + 36, block.title, 24, weight="bold")
    write(12, top + 90, block.note, 15, color="#444444", linespacing=1.4)
    top += _HEADER_HEIGHT
    figure.figimage(block.picture, xo=_LABEL_WIDTH, yo=height - top - rows, origin="upper")
    step = rows / len(block.classes)
    for index, kind in enumerate(block.classes):
        middle = top + (index + 0.5) * step - _GAP / 2
        write(12, middle - 24, kind.name, 17, weight="bold")
        write(12, middle + 6, f"sound: {kind.sound or 'none'}", 14, color="#444444")
        write(12, middle + 32, f"{kind.rate[0]:g}-{kind.rate[1]:g} per second", 14, color="#444444")

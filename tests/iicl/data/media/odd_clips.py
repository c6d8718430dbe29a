"""A clip with a flash and a click at one time, and copies of it with other packets."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from iicl.config import Preparation
from iicl.data.media.transcode import Transcoded
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


def shown_from(result: Transcoded) -> float:
    """When the picture turns bright."""
    bright = decode(result.packets).mean(axis=(1, 2, 3)) > 128
    return float(np.argmax(bright)) / result.fps


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

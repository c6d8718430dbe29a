"""Sound frames as they come -> one stretch of int16 mono samples at the stored rate."""

import av
import numpy as np

from iicl.data.manifest import UnusableSource

_GAP_SECONDS = 0.1  # a larger step between sound time stamps is a gap, a smaller one is jitter


class Sound:
    """Collects sound as mono float at the source's rate, at the times its frames state."""

    def __init__(self) -> None:
        self._rate = 0
        self._blocks: list[tuple[int, np.ndarray]] = []
        self._next = 0

    @property
    def heard(self) -> bool:
        """Whether there was any."""
        return bool(self._blocks)

    def add(self, frame: av.AudioFrame) -> None:
        """Takes the next frame.

        Raises:
            UnusableSource: if its sample rate is another one.
        """
        self._rate = self._rate or frame.sample_rate
        if frame.sample_rate != self._rate:
            raise UnusableSource(f"sound changes from {self._rate} to {frame.sample_rate} Hz")
        if frame.time is not None:
            stated = round(frame.time * self._rate)
            if not self._blocks or abs(stated - self._next) > _GAP_SECONDS * self._rate:
                self._next = stated
        mono = _mono(frame)
        self._blocks.append((self._next, mono))
        self._next += len(mono)

    def samples(self, zero: float | None, seconds: float, rate: int) -> np.ndarray | None:
        """Int16 sound from ``zero`` (None: where the sound begins), at most ``seconds`` long."""
        if not self._blocks:
            return None
        first = self._blocks[0][0] if zero is None else round(zero * self._rate)
        end = min(first + round(seconds * self._rate), max(b + len(x) for b, x in self._blocks))
        if end <= first:
            return None
        sound = np.zeros(end - first, np.float32)
        for begin, block in self._blocks:
            low, high = max(begin, first), min(begin + len(block), end)
            if low < high:
                sound[low - first : high - first] = block[low - begin : high - begin]
        samples = _resampled(sound, self._rate, rate)
        return samples if len(samples) else None


def _mono(frame: av.AudioFrame) -> np.ndarray:
    """Mean of a frame's channels, (n,) float32 within -1 to 1."""
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) * 256 - 32768
    mono = samples.mean(axis=0) if len(samples) > 1 else samples[0]
    full = 2 ** (8 * samples.dtype.itemsize - 1) if samples.dtype.kind == "i" else 1
    return (mono / full).astype(np.float32)


def _resampled(sound: np.ndarray, source_rate: int, rate: int) -> np.ndarray:
    """(n,) float32 -> int16 at another rate, clipped."""
    sound = np.clip(sound, -1, 1)
    if source_rate == rate:
        return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate = source_rate
    resampler = av.AudioResampler("s16", "mono", rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return samples[: round(len(sound) * rate / source_rate)]

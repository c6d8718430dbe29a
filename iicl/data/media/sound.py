"""Joins decoded sound frames into int16 mono samples at the stored rate."""

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from iicl.data.manifest import UnusableSource

Floats = NDArray[np.float32]

_JITTER_SECONDS = 0.02  # tolerance: stamps are rounded to milliseconds or to frames of a codec
_NUM_WITNESSES = 9  # the median of so many frames tells a shifted clock from one wrong stamp
_MAX_PACE = 1.25  # seconds of stamps per second of samples; more means a wrong rate in the header
_GAP_SECONDS = 0.1  # a note names longer gaps in the sound
MAX_RATE = 400_000  # Hz
_BATCH_VALUES = 1 << 18  # samples of all channels that are mixed at a time
# Energy of the mean relative to that of unrelated channels; below it the channels cancel out.
_CANCELLED = 0.05
# In steps of 16-bit samples: rounding and dithering of a silent track make steps of one.
_SILENT_STEPS = 2.0


@dataclass(frozen=True)
class _Block:
    """The sound of one frame.

    Attributes:
        stated: the begin that its stamp states, in samples; NaN without a stamp.
        mean: (n,) mean of the channels.
        lead: (n,) the channel that is used if the channels cancel each other.
    """

    stated: float
    mean: Floats
    lead: Floats


class Sound:
    """Collects sound as mono float at the rate of the source, at the times that its frames state.

    The channels are averaged. If they cancel each other over the whole item, the channel that is
    loudest at the begin of the sound is kept instead.

    Attributes:
        notes: what was wrong with the sound and what was done about it, complete after
            :meth:`samples`.
    """

    def __init__(self) -> None:
        self._rate = 0
        self._blocks: list[_Block] = []
        self._kind: tuple = ()  # of the frames that wait: type, channels, rate
        self._waiting: list[tuple[float, np.ndarray]] = []  # (stated, (channels, n))
        self._num_waiting = 0  # samples of each channel
        self._lead = -1
        self._channel_energy = self._mean_energy = 0.0
        self._num_invalid = 0
        self._converters: dict[int, av.AudioResampler] = {}
        self.notes: list[str] = []

    @property
    def heard(self) -> bool:
        """Whether there was any sound."""
        return bool(self._blocks or self._waiting)

    def add(self, frame: av.AudioFrame, time: float | None) -> None:
        """Takes the next frame and its time in seconds; None if it has none.

        Raises:
            UnusableSource: if its sample rate is impossible.
        """
        if not 0 < frame.sample_rate <= MAX_RATE:
            raise UnusableSource(f"a sample rate of {frame.sample_rate} Hz is impossible")
        self._rate = self._rate or frame.sample_rate
        channels = _channels(frame)
        kind = channels.dtype, len(channels), frame.sample_rate
        if kind != self._kind or self._num_waiting * len(channels) > _BATCH_VALUES:
            self._mix_waiting()
            self._kind = kind
        self._waiting.append((np.nan if time is None else time * self._rate, channels))
        self._num_waiting += channels.shape[1]

    def _mix_waiting(self) -> None:
        """Turns all frames that wait into blocks at once; they are of one kind."""
        if not self._waiting:
            return
        arrays = [array for _, array in self._waiting]
        channels = _scaled(np.concatenate(arrays, axis=1))
        valid = np.isfinite(channels)
        if not valid.all():
            self._num_invalid += int((~valid).any(axis=0).sum())
            channels = np.where(valid, channels, 0).astype(np.float32)
        mean = lead = channels[0]
        if len(channels) > 1:
            mean, lead = self._measured(channels)
        ends = np.cumsum([array.shape[1] for array in arrays])[:-1]
        for (stated, _), *parts in zip(
            self._waiting, np.split(mean, ends), np.split(lead, ends), strict=True
        ):
            if self._kind[2] != self._rate:
                parts = list(self._converted(np.stack(parts), self._kind[2]))
            self._blocks.append(_Block(stated, *parts))
        self._waiting, self._num_waiting = [], 0

    def _measured(self, channels: Floats) -> tuple[Floats, Floats]:
        """Mean and lead of several channels; also adds up their energies."""
        energies = np.array([float(np.dot(channel, channel)) for channel in channels])
        if self._lead < 0 and energies.any():
            self._lead = int(energies.argmax())
        mean = channels.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._channel_energy += float(energies.sum()) / len(channels) ** 2
        self._mean_energy += float(np.dot(mean, mean))
        return mean, channels[min(max(self._lead, 0), len(channels) - 1)]

    def _converted(self, samples: Floats, rate: int) -> Floats:
        """(2, n) samples of another rate at the rate of the first frame."""
        if rate not in self._converters:
            self.notes.append(f"sound changes from {self._rate} to {rate} Hz and is converted")
            self._converters[rate] = av.AudioResampler("fltp", "stereo", self._rate)
        block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        block.sample_rate = rate
        parts = [part.to_ndarray() for part in self._converters[rate].resample(block)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), np.float32)

    def samples(self, zero: float | None, seconds: float, rate: int) -> NDArray[np.int16] | None:
        """The sound of a stretch of time as int16 samples.

        Args:
            zero: seconds; start of the stretch; None for the start of the sound.
            seconds: greatest length of the result.
            rate: samples per second of the result.

        Returns:
            (n,) samples; None if there is no sound in that time, or only silence.
        """
        self._mix_waiting()
        if not self._blocks:
            return None
        blocks = self._mix()
        stated = [block.stated for block in self._blocks]
        lengths = [len(block) for block in blocks]
        pace = _pace(stated, lengths)
        if not 1 / _MAX_PACE <= pace <= _MAX_PACE:
            self.notes.append(f"sound time stamps run {pace:.3g} times as fast as sound: not used")
            stated[1:] = [np.nan] * (len(stated) - 1)
        begins = _places(stated, lengths, self._rate)
        first = int(begins[0]) if zero is None else round(zero * self._rate)
        last = max(begin + len(block) for begin, block in zip(begins, blocks, strict=True))
        end = min(first + round(seconds * self._rate), int(last))
        if end <= first:
            return None
        sound = np.zeros(end - first, np.float32)
        filled = np.zeros(end - first, bool)
        for begin, block in zip(begins, blocks, strict=True):
            low, high = max(int(begin), first), min(int(begin) + len(block), end)
            if low < high:
                sound[low - first : high - first] = block[low - int(begin) : high - int(begin)]
                filled[low - first : high - first] = True
        if not filled.any():
            return None
        covered = sound if filled.all() else sound[filled]
        if np.ptp(np.clip(covered, -1, 1)) * 32768 <= _SILENT_STEPS:
            self.notes.append("silent: the sound track holds no sound")
            return None
        if self._num_invalid:
            self.notes.append(f"{self._num_invalid} sound samples are no numbers: set to zero")
        self.notes += _gaps(filled, self._rate)
        samples = _resampled(sound, self._rate, rate)
        if not len(samples):
            self.notes.append(f"no audio: its sound lasts {len(sound) / self._rate:.4f} s")
            return None
        return samples

    def _mix(self) -> list[Floats]:
        if self._mean_energy >= _CANCELLED * self._channel_energy:
            return [block.mean for block in self._blocks]
        self.notes.append(f"sound channels cancel each other: channel {self._lead + 1} is kept")
        return [block.lead for block in self._blocks]


def _places(stated: list[float], lengths: list[int], rate: int) -> NDArray[np.int64]:
    """(n,) first sample of each block.

    Blocks follow each other without gaps, unless several stamps agree that there is one. If a
    single stamp differs, it is wrong or rounded; if the following stamps differ by the same amount,
    the sound was interrupted.
    """
    follow = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.int64)
    offsets = np.array(stated) - follow
    known = np.flatnonzero(~np.isnan(offsets))
    if not len(known):
        return follow
    tolerance = _JITTER_SECONDS * rate
    current = round(float(offsets[known[0]]))
    shift = np.full(len(follow), current, np.int64)
    for place, index in enumerate(known):
        if abs(offsets[index] - current) > tolerance:
            coming = float(np.median(offsets[known[place : place + _NUM_WITNESSES]]))
            if abs(coming - current) > tolerance:
                near = abs(float(offsets[index]) - coming) <= tolerance
                current = round(float(offsets[index]) if near else coming)
                shift[index:] = current
    return follow + shift


def _pace(stated: list[float], lengths: list[int]) -> float:
    """How fast the stamps run compared with the samples; 1 unless nearly all stamps agree.

    Lost packets make some stamps go ahead faster than the samples; a header with a wrong rate makes
    all of them do so.
    """
    begins = np.concatenate([[0], np.cumsum(lengths[:-1])])
    known = np.flatnonzero(~np.isnan(stated))
    if len(known) < _NUM_WITNESSES:
        return 1.0
    paces = np.diff(np.array(stated)[known]) / np.maximum(1, np.diff(begins[known]))
    slowest, fastest = np.quantile(paces, [0.1, 0.9])
    if slowest <= 1 <= fastest:
        return 1.0
    return float(slowest if slowest > 1 else fastest)


def _gaps(filled: NDArray[np.bool_], rate: int) -> list[str]:
    """A note about gaps inside the sound, and a note about a late start."""
    edges = np.flatnonzero(np.diff(filled.astype(np.int8)))
    notes = []
    begins, ends = edges[filled[edges]] + 1, edges[~filled[edges]] + 1
    if not filled[0]:
        if ends[0] > 2.5 * _GAP_SECONDS * rate:
            notes.append(f"sound begins after {ends[0] / rate:.2f} s")
        ends = ends[1:]
    lost = [(a, b) for a, b in zip(begins, ends, strict=False) if b - a > _GAP_SECONDS * rate]
    if lost:
        total = sum(b - a for a, b in lost) / rate
        places = ", ".join(f"{a / rate:.2f}-{b / rate:.2f} s" for a, b in lost[:3])
        rest = ", ..." if len(lost) > 3 else ""
        notes.append(f"sound is missing for {total:.2f} s: {places}{rest}")
    return notes


def _channels(frame: av.AudioFrame) -> np.ndarray:
    """(channels, n) in the type of the frame."""
    if frame.format.is_planar and frame.layout.nb_channels > 2:
        # to_ndarray crashes on frames with many planes, but not on interleaved ones.
        packed = av.AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate)
        (frame,) = packed.resample(frame)
    samples: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    return samples


def _scaled(samples: np.ndarray) -> Floats:
    """Samples of any type as float32 within -1 to 1."""
    if samples.dtype == np.uint8:
        return ((samples.astype(np.float32) - 128) / 128).astype(np.float32)
    full = 2.0 ** (8 * samples.dtype.itemsize - 1) if samples.dtype.kind == "i" else 1.0
    return (samples / full).astype(np.float32)


def _resampled(sound: Floats, source_rate: int, rate: int) -> NDArray[np.int16]:
    """(n,) float32 -> int16 at another rate, clipped."""
    sound = np.clip(sound, -1, 1)
    if source_rate == rate:
        return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
    frame.sample_rate = source_rate
    resampler = av.AudioResampler("s16", "mono", rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    if not parts:
        return np.zeros(0, np.int16)
    samples = np.concatenate([part.to_ndarray()[0] for part in parts])
    return samples[: round(len(sound) * rate / source_rate)]

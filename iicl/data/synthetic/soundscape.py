"""Draws and renders acoustic scenes: bursts of sounds at random times over coloured noise."""

from dataclasses import dataclass
from math import gcd

import numpy as np

from iicl.data.synthetic.scene import Event, draw_unseen, generator
from iicl.data.synthetic.sound import LEVEL, coloured_noise, event_sound, ratio
from iicl.data.synthetic.world import SCENES, SOUNDS, World

RATE = 44_100  # samples per second of a recording
_BURST_SECONDS = (0.7, 2.0)
_FADE_SECONDS = 0.03
_LEVEL_DB = 3.0  # standard deviation of the levels of bursts
_SLOPE = 0.5  # greatest difference between the noise slopes of a recording and of its class


@dataclass(frozen=True)
class Burst:
    """A sound that lasts for a while; ``pan`` is from 0 (left) to 1 (right)."""

    event: Event
    start_seconds: float
    seconds: float
    level_db: float
    pan: float


@dataclass(frozen=True)
class Soundscape:
    """Everything that can be heard in one recording."""

    bursts: tuple[Burst, ...]
    snr_db: float
    noise_slope: float
    gain_db: float


def draw_soundscape(world: World, class_index: int, seed: int, number: int) -> Soundscape:
    """Draw one recording of a class.

    Args:
        world: duration and difficulty.
        class_index: position in ``SCENES``.
        seed: seed of the corpus.
        number: number of the recording within its class.
    """
    kind = SCENES[class_index]
    rng = generator(seed, "dcase2013", "item", class_index, number)
    foreign = world.scene_overlap * sum(kind.bursts.values()) / len(SOUNDS)
    bursts = []
    for sound in SOUNDS:
        per_minute = kind.bursts.get(sound, 0.0) + foreign
        for _ in range(int(rng.poisson(per_minute * world.scene_seconds / 60))):
            bursts.append(_draw_burst(world, sound, rng))
    return Soundscape(
        bursts=tuple(bursts),
        snr_db=float(rng.uniform(*world.scene_snr_db)),
        noise_slope=kind.noise_slope + float(rng.uniform(-_SLOPE, _SLOPE)),
        gain_db=float(rng.uniform(-8.0, 8.0)),
    )


def _draw_burst(world: World, sound: str, rng: np.random.Generator) -> Burst:
    seconds = min(float(rng.uniform(*_BURST_SECONDS)), world.scene_seconds)
    return Burst(
        event=draw_unseen(world, sound, rng),
        start_seconds=float(rng.uniform(0.0, world.scene_seconds - seconds)),
        seconds=seconds,
        level_db=float(rng.normal(0.0, _LEVEL_DB)),
        pan=float(rng.random()),
    )


def render_soundscape(world: World, soundscape: Soundscape, rng: np.random.Generator) -> np.ndarray:
    """Synthesise a recording at the world's sample rate and resample it to 44.1 kHz.

    Args:
        world: duration and sample rate.
        soundscape: the recording to synthesise.
        rng: generator of the noises.

    Returns:
        int16 array (num_samples, 2): left and right channel.
    """
    from scipy.signal import (
        resample_poly,
    )  # here, because importing it takes long and clips do not need it

    rate = world.sample_rate
    num_samples = round(world.scene_seconds * rate)
    noise = ratio(-soundscape.snr_db)
    mix = np.stack(
        [noise * coloured_noise(num_samples, soundscape.noise_slope, rng) for _ in range(2)]
    )
    for burst in soundscape.bursts:
        start = round(burst.start_seconds * rate)
        time = np.arange(min(round(burst.seconds * rate), num_samples - start)) / rate
        fade = np.minimum(time, time[-1] - time) / _FADE_SECONDS
        wave = event_sound(burst.event, time, rng) * np.clip(fade, 0.0, 1.0)
        wave *= ratio(burst.level_db)
        mix[0, start : start + wave.size] += np.cos(burst.pan * np.pi / 2) * wave
        mix[1, start : start + wave.size] += np.sin(burst.pan * np.pi / 2) * wave
    mix *= 32768.0 * LEVEL * ratio(soundscape.gain_db)
    common = gcd(RATE, rate)
    channels = [resample_poly(channel, RATE // common, rate // common) for channel in mix]
    samples = np.stack(channels, axis=1)[: round(world.scene_seconds * RATE)]
    return np.rint(np.clip(samples, -32767.0, 32767.0)).astype(np.int16)

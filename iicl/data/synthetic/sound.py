"""Synthesises the sound of a scene as 16-bit samples."""

import numpy as np

from iicl.data.synthetic.scene import Event, Scene
from iicl.data.synthetic.world import World

LEVEL = 0.05  # root mean square of an event's sound at a gain of 0 dB; full scale is 1


def render_sound(world: World, scene: Scene, rng: np.random.Generator) -> np.ndarray | None:
    """Synthesise a scene.

    Args:
        world: duration and sample rate.
        scene: the scene.
        rng: generator of the noises.

    Returns:
        int16 array (num_samples,); None if all events of the scene are silent.
    """
    if all(event.sound is None for event in scene.events):
        return None
    time = np.arange(round(world.seconds * world.sample_rate)) / world.sample_rate
    hearing = scene.hearing
    mix = np.zeros_like(time)
    for event in scene.events:
        mix += event_sound(event, time, rng)
    if hearing.extra is not None:
        mix += ratio(hearing.extra_db) * event_sound(hearing.extra, time, rng)
    mix += ratio(-hearing.snr_db) * coloured_noise(time.size, hearing.noise_slope, rng)
    if hearing.tone_level:
        mix += hearing.tone_level * np.sqrt(2) * np.sin(2 * np.pi * hearing.tone_hz * time)
    scaled = 32768.0 * LEVEL * ratio(hearing.gain_db) * mix
    return np.rint(np.clip(scaled, -32767.0, 32767.0)).astype(np.int16)


def event_sound(event: Event, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The sound of one event alone, with root mean square 1.

    Args:
        event: an event that has a sound.
        time: seconds, shape (num_samples,), evenly spaced.
        rng: generator of the noise in some sounds.
    """
    u = event.rate * time + event.onset
    f = u - np.floor(u)
    since = f / event.rate  # seconds since the last onset
    turn = 2 * np.pi
    pitch = 2.0**event.octave  # factor on the usual frequency of the sound

    match event.sound:
        case "thud":
            wave = np.exp(-since / 0.07) * np.sin(turn * 120 * pitch * since)
            wave += 0.3 * np.exp(-since / 0.012) * rng.standard_normal(time.size)
        case "ping":
            body = turn * 700 * pitch * since
            wave = np.exp(-since / 0.16) * (np.sin(body) + 0.5 * np.sin(2.76 * body))
        case "tick":  # twice a cycle
            since = (2 * u - np.floor(2 * u)) / (2 * event.rate)
            wave = np.exp(-since / 0.015) * np.sin(turn * 2200 * pitch * since)
        case "hum":
            body = turn * 130 * pitch * time
            wave = np.sin(body) + np.sin(2 * body) / 2 + np.sin(3 * body) / 3
            wave *= 0.55 + 0.45 * np.cos(turn * u)
        case "whistle":  # frequency follows the cycle, 25 % up and down
            base = 1300 * pitch
            wave = np.sin(turn * base * time + 0.25 * base / event.rate * np.sin(turn * u))
        case "buzz":
            wave = np.clip(3 * np.sin(turn * 170 * pitch * time), -1.0, 1.0)
            wave *= np.clip(40 * (0.5 - f), 0.0, 1.0) * np.clip(40 * f, 0.0, 1.0)
        case "whoosh":  # a band of noise that rises
            noise = rng.standard_normal(time.size + 15)
            total = np.cumsum(noise)
            smooth = total[15:] - total[:-15]
            carrier = np.sin(turn * 1000 * pitch * (0.6 * since + 0.4 * f * since))
            wave = smooth * carrier * np.sin(np.pi * f) ** 2
        case "chirp":
            body = np.sin(turn * 800 * pitch * (since + 0.6 * f * since))
            wave = body * np.exp(-2.5 * f) * np.clip(since / 0.01, 0.0, 1.0)
        case _:
            raise ValueError(f"unknown sound {event.sound!r}")
    # In a very short item, a sound that comes in bursts may be silent throughout.
    return wave / (np.sqrt(np.mean(wave * wave)) or 1.0)


def ratio(decibels: float) -> float:
    """Amplitude ratio of a level difference."""
    return float(10.0 ** (decibels / 20.0))


def coloured_noise(num_samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise with root mean square 1 and power 1/f^slope above 50 Hz (at 16 kHz)."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    bins = np.arange(spectrum.size, dtype=np.float64)
    spectrum *= np.maximum(bins, num_samples / 320) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / np.sqrt(np.mean(noise * noise))

"""Log-mel values against their definition."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from iicl.config import Clip
from iicl.data.log_mel import log_mel


def slow_log_mel(samples: np.ndarray, clip: Clip) -> np.ndarray:
    """The front end, straight from its definition, in float64."""
    window, size = round(clip.window_seconds * clip.sample_rate), 512
    hop = len(samples) // clip.spectrogram_frames
    signal = np.pad(samples / 32768, (size - hop) // 2, mode="reflect")
    hann = np.zeros(size)  # a window shorter than the FFT lies in its middle
    begin = (size - window) // 2
    hann[begin : begin + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    if clip.mel_scale == "htk":
        top = 2595 * math.log10(1 + clip.sample_rate / 2 / 700)
        edges = 700 * (10 ** (np.linspace(0, top, clip.mel_bins + 2) / 2595) - 1)
    else:  # Slaney's Auditory Toolbox: linear up to 1 kHz, then 27 steps to 6.4 kHz
        top = 15 + 27 * math.log(clip.sample_rate / 2 / 1000) / math.log(6.4)
        steps = np.linspace(0, top, clip.mel_bins + 2)
        edges = np.where(steps < 15, steps * 200 / 3, 1000 * 6.4 ** ((steps - 15) / 27))
    frequencies = np.arange(size // 2 + 1) * clip.sample_rate / size
    result = np.zeros((clip.mel_bins, clip.spectrogram_frames))
    for frame in range(clip.spectrogram_frames):
        power = np.abs(np.fft.rfft(signal[frame * hop : frame * hop + size] * hann)) ** 2
        for band in range(clip.mel_bins):
            low, middle, high = edges[band : band + 3]
            rising = (frequencies - low) / (middle - low)
            falling = (high - frequencies) / (high - middle)
            triangle = np.clip(np.minimum(rising, falling), 0, None)
            if clip.mel_scale == "slaney":
                triangle *= 2 / (high - low)
            result[band, frame] = math.log((triangle * power).sum() + clip.log_offset)
    return result


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mel_scale": "slaney"},
        {"log_offset": 1e-3},
        {"window_seconds": 0.02},
        {"window_seconds": 0.016},  # shorter than the step of 0.02: gaps, and an FFT of 512 still
        {"window_seconds": 0.01},
    ],
    ids=str,
)
def test_log_mel_is_its_definition(settings: dict[str, Any]) -> None:
    clip = Clip(**settings)
    generator = np.random.default_rng(0)
    times = np.arange(32_000) / 16_000
    wave = 8000 * np.sin(2 * np.pi * (200 + 900 * times) * times) + generator.normal(0, 300, 32_000)
    samples = wave.astype(np.int16)
    values = log_mel(torch.from_numpy(samples)[None], clip)
    assert values.shape == (1, 1, 40, 100)
    np.testing.assert_allclose(values[0, 0].numpy(), slow_log_mel(samples, clip), atol=2e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"spectrogram_frames": 99}, "do not divide"), ({"spectrogram_frames": 25}, "gaps")],
)
def test_impossible_front_ends_are_errors(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_mel(torch.zeros(1, 32_000), Clip(**settings))  # type: ignore[arg-type]

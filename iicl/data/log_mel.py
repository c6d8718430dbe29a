"""From sound to log-mel spectrograms, on the sound's device."""

import functools
import math

import torch
import torchaudio
from torch.nn import functional

from iicl.config import Clip


def log_mel(samples: torch.Tensor, clip: Clip) -> torch.Tensor:
    """Natural logarithm of mel power, ``ln(mel + log_offset)``.

    The frames tile the sound: frame i is centred on the middle of the i-th of
    ``spectrogram_frames`` equal parts. Hann window, FFT of the next power of two that is no shorter
    than the window and a part, mel filters from 0 to half the sample rate; the ends are mirrored.
    The filters are HTK's, with peaks of 1, or Slaney's, with equal areas, as librosa has them.
    A window that is shorter than a part leaves gaps between the frames.

    Args:
        samples: (B, audio_seconds x sample_rate) sound in the range of int16, any dtype.
        clip: the front end.

    Returns:
        (B, 1, mel_bins, spectrogram_frames) float32.

    Raises:
        ValueError: if the sound does not divide into that many frames, or more than half of it
            would lie in gaps.
    """
    transform, hop, num_fft = _mel_transform(clip, samples.device)
    assert samples.shape[1] == hop * clip.spectrogram_frames, samples.shape
    scaled = samples.float() / 32768
    border = num_fft - hop
    padded = functional.pad(scaled, (border // 2, border - border // 2), mode="reflect")
    with torch.autocast(samples.device.type, enabled=False):
        power = transform(padded)
    return torch.log(power + clip.log_offset)[:, None]


@functools.lru_cache(maxsize=8)
def _mel_transform(
    clip: Clip, device: torch.device
) -> tuple[torchaudio.transforms.MelSpectrogram, int, int]:
    """The mel transform on a device, its hop and its FFT length."""
    num_samples = round(clip.audio_seconds * clip.sample_rate)
    hop, rest = divmod(num_samples, clip.spectrogram_frames)
    window = round(clip.window_seconds * clip.sample_rate)
    num_fft = 2 ** math.ceil(math.log2(max(window, hop)))
    if rest:
        raise ValueError(
            f"{num_samples} samples of sound do not divide into {clip.spectrogram_frames} frames"
        )
    if hop > 2 * window:
        raise ValueError(f"frames {hop} samples apart leave gaps between windows of {window}")
    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=clip.sample_rate,
        n_fft=num_fft,
        win_length=window,
        hop_length=hop,
        n_mels=clip.mel_bins,
        center=False,
        mel_scale=clip.mel_scale,
        norm="slaney" if clip.mel_scale == "slaney" else None,
    )
    return transform.to(device), hop, num_fft

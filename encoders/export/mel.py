"""The two matrices that turn sound into a mel spectrogram, after librosa's definitions; numpy alone."""

import numpy as np

from encoders.base import Vectors

RATE = 16_000
WINDOW, HOP = 512, 256  # samples of a frame, and between two; `waves` counts on one being half of the other
BANDS = 96
LINEAR_TO_HZ = 1000.0  # Slaney's scale: linear below, logarithmic above
HZ_A_MEL = 200.0 / 3
LOG_STEP = np.log(6.4) / 27


def waves() -> tuple[Vectors, Vectors]:
    """Windowed cosines float32 [256, 257] and sines [255, 257] for samples 1 to 256 and 1 to 255 of a folded frame.

    Sample n and sample 512 - n meet the same cosine and opposite sines, so their sum and their difference are all
    that a Fourier transform needs: half of the products. The window makes sample 0 nothing.
    """
    at = np.arange(1, HOP + 1)[:, None]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * at / WINDOW)  # periodic
    angles = 2 * np.pi * at * np.arange(HOP + 1) / WINDOW  # [256, 257]
    return (hann * np.cos(angles)).astype(np.float32), (hann * np.sin(angles))[:-1].astype(np.float32)


def mel_bands() -> Vectors:
    """Triangles float32 [96, 257] of equal area over the frequencies, evenly spaced on Slaney's mel scale."""
    highest = LINEAR_TO_HZ / HZ_A_MEL + np.log(RATE / 2 / LINEAR_TO_HZ) / LOG_STEP  # in mel
    corners = _hz(np.linspace(0, highest, BANDS + 2))  # [98]
    frequencies = np.arange(WINDOW // 2 + 1) * RATE / WINDOW  # [257]
    low, middle, high = (corners[shift : shift + BANDS, None] for shift in range(3))
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.asarray(triangles, np.float32)


def _hz(mels: Vectors) -> Vectors:
    logarithmic = LINEAR_TO_HZ * np.exp(LOG_STEP * (mels - LINEAR_TO_HZ / HZ_A_MEL))
    return np.where(mels < LINEAR_TO_HZ / HZ_A_MEL, HZ_A_MEL * mels, logarithmic)

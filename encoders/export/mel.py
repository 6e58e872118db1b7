"""The two matrices that turn sound into a mel spectrogram, after librosa's definitions; numpy alone."""

import numpy as np

from encoders.base import Vectors

RATE = 16_000
WINDOW, HOP = 512, 256  # samples of a frame, and between two
BANDS = 96
LINEAR_TO_HZ = 1000.0  # Slaney's scale: linear below, logarithmic above
HZ_A_MEL = 200.0 / 3
LOG_STEP = np.log(6.4) / 27


def waves() -> Vectors:
    """Windowed cosines, then sines, float32 [514, 512]: their products with a frame are its Fourier transform."""
    at = np.arange(WINDOW)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * at / WINDOW)  # periodic
    angles = 2 * np.pi * np.outer(np.arange(WINDOW // 2 + 1), at) / WINDOW  # [257, 512]
    return (hann * np.concatenate([np.cos(angles), np.sin(angles)])).astype(np.float32)


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

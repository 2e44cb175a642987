r"""The log-mel spectrogram: energy by time and pitch, in steps that the ear finds equal; what a recognizer sees.

Every 10 ms a window of 25 ms is multiplied by Hann's bell and transformed; :math:`|X_k|^2` is its power at frequency
:math:`k f_s / 512`. Triangles, equally wide on the scale :math:`m = 2595 \log_{10}(1 + f/700)`, sum it into bands, and

.. math::

    s_{t,b} = \ln\Bigl(\sum_k H_{b,k}\, |X_{t,k}|^2 + 10^{-6}\Bigr)

Axes: time (samples, 16,000 a second); frame (100 a second); band; bin (frequencies of the transform).
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from companion.data.speech import SPEECH_RATE

#: Bands of a log-mel spectrogram.
MEL_BANDS = 40

_WINDOW, _HOP, _FFT = 400, 160, 512
_LOW, _HIGH = 60.0, 3_800.0  # hertz; below half of 8 kHz, so that telephone files look like others
_FLOOR = 1e-6


def mel_filters() -> Float[Tensor, "band bin"]:
    """The triangles :math:`H` [40, 257], of height 1, between 60 and 3,800 Hz.

    Source:
        Davis and Mermelstein (1980) for triangles on a mel scale; the scale with 2,595 and 700 is O'Shaughnessy's
        (1987), which HTK uses.

    Example:
        >>> mel_filters().shape
        torch.Size([40, 257])
    """
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (_LOW, _HIGH))
    mels = np.linspace(low, high, MEL_BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.arange(_FFT // 2 + 1) * SPEECH_RATE / _FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.minimum(rising, falling).clip(0).astype(np.float32))


def log_mel(samples: Float[Tensor, " time"]) -> Float[Tensor, "frame band"]:
    """The log-mel spectrogram [1 + (time - 400) // 160, 40], natural logarithms of power.

    Raises:
        ValueError: for fewer than 400 samples, a window.

    Example:
        >>> log_mel(torch.zeros(16_000)).shape
        torch.Size([98, 40])
    """
    if len(samples) < _WINDOW:
        raise ValueError(f"expected at least {_WINDOW} samples, 25 ms at {SPEECH_RATE} Hz, got {len(samples)}")
    frames = samples.unfold(0, _WINDOW, _HOP) * torch.hann_window(_WINDOW)
    power = torch.fft.rfft(frames, _FFT).abs().square()
    return (power @ mel_filters().T + _FLOOR).log()

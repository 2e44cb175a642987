"""Two people who speak, each alone: sound enough to mix and to take apart again, in a file of 72 kB.

Axes: voice; time (samples, 8,000 a second).
"""

import wave
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

#: Samples a second of :func:`two_voices`.
VOICES_RATE = 8_000

_FILE = Path(__file__).parent / "extracts" / "voices" / "voices.wav"


def two_voices() -> Float[Tensor, "2 time"]:
    """Two people, 2.25 seconds each, at 8,000 samples a second: [2, 18000], numbers in [-1, 1).

    The first says "go forward ten meters", the second reads from *Sense and Sensibility*. They were recorded apart; the
    levels are those of the recordings.

    Source:
        The test data of pocketsphinx 5.1.1 (BSD), whose second recording is of LibriVox (public domain). What was done
        to them, and the license, stand beside the file.

    Example:
        >>> two_voices().shape
        torch.Size([2, 18000])
    """
    with wave.open(str(_FILE)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
    return torch.from_numpy(samples.T.astype(np.float32) / 2**15)

"""Sound from a file, and noise at a stated ratio.

Axes: time (samples, 16,000 a second).
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from scipy.io import wavfile
from scipy.signal import resample_poly
from torch import Tensor

from companion.data.speech import SPEECH_RATE

_BYTES, _SECONDS = 16_000_000, 30
_SILENCE = 1e-3  # a peak of -60 dB
_CLIPPED = 1e-3  # this proportion of samples at the limit is heard as distortion


@dataclass(frozen=True)
class Sound:
    """What was read from a file.

    Attributes:
        samples: numbers in [-1, 1], 16,000 a second, one channel.
        notes: what was done to it, or is wrong with it, for the reader; empty for a clean file at 16 kHz.

    Example:
        >>> silence = Sound(torch.zeros(16_000), notes=("a second of nothing",))
        >>> len(silence.samples), silence.notes
        (16000, ('a second of nothing',))
    """

    samples: Float[Tensor, " time"]
    notes: tuple[str, ...]


def read_sound(path: str | Path) -> Sound:
    """A WAV file as one channel at 16 kHz: channels are averaged, other rates resampled, clipping is noted.

    Whole numbers of 8 to 32 bits and floats are read. Files of 8 kHz hold nothing above 4 kHz, which :func:`log_mel`
    does not look at either.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for what is no WAV file or a damaged one, is empty, silent, not finite, longer than 30 seconds or
            larger than 16 MB (it is not read then).

    Example:
        >>> from companion.data.voices import _FILE
        >>> read_sound(_FILE).notes
        ('2 channels averaged', 'resampled from 8,000 Hz')
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a WAV file, got no file at {path}")
    if path.stat().st_size > _BYTES:
        raise ValueError(
            f"expected a WAV file of at most {_BYTES / 1e6:.0f} MB, got {path.stat().st_size / 1e6:.0f} MB"
        )
    rate, values = _read(path)
    if not values.size:
        raise ValueError(f"expected sound in {path}, got an empty file: record again")
    frames = values.reshape(len(values), -1)
    if not 4_000 <= rate <= 192_000 or len(frames) > _SECONDS * rate:
        got = f"{len(frames) / max(rate, 1):.1f} s at {rate} Hz"
        raise ValueError(f"expected at most {_SECONDS} s at 4,000 to 192,000 Hz, got {got}: cut the order out")
    samples = frames.mean(1)
    if not np.isfinite(samples).all():
        raise ValueError(f"expected finite samples in {path}, got others")
    if np.abs(samples).max() < _SILENCE:
        raise ValueError(f"expected a voice in {path}, got silence: is the microphone on?")
    notes = [f"{frames.shape[1]} channels averaged"] if frames.shape[1] > 1 else []
    if (clipped := float((np.abs(frames) > 0.999).mean())) > _CLIPPED:
        notes.append(f"clipped: {clipped:.1%} of the samples are at the limit; speak further away")
    if rate != SPEECH_RATE:
        step = math.gcd(rate, SPEECH_RATE)
        samples = resample_poly(samples, SPEECH_RATE // step, rate // step)
        notes.append(f"resampled from {rate:,} Hz")
    return Sound(torch.from_numpy(samples.clip(-1, 1).astype(np.float32)), tuple(notes))


def _read(path: Path) -> tuple[int, np.ndarray]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that say nothing about sound
            rate, values = wavfile.read(path)
    except (ValueError, EOFError, OSError, KeyError, ArithmeticError, UnboundLocalError) as error:
        raise ValueError(f"expected a WAV file in {path}, got something else or a damaged one ({error})") from error
    except Exception as error:  # struct.error and what else a parser says of damaged headers
        raise ValueError(f"expected a WAV file in {path}, got a damaged one ({error})") from error
    if values.dtype.kind == "f":
        return rate, values.astype(np.float64)
    middle = 128 if values.dtype == np.uint8 else 0  # 8 bits are stored without a sign
    return rate, (values.astype(np.float64) - middle) / (128 if middle else 2 ** (8 * values.itemsize - 1))


def noise(seconds: float, *, kind: str = "pink", seed: int = 0) -> Float[Tensor, " time"]:
    """Noise of root mean square 1, 16,000 samples a second: ``white``, or ``pink``, whose power falls as 1/frequency.

    Raises:
        ValueError: for another kind, or no time at all.

    Example:
        >>> round(noise(0.5).square().mean().sqrt().item(), 4)
        1.0
    """
    n = round(seconds * SPEECH_RATE)
    if kind not in ("white", "pink") or n < 2:
        raise ValueError(f"expected white or pink noise of some time, got {kind!r} of {seconds} s")
    white = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    if kind == "pink":
        spectrum = torch.fft.rfft(white)
        white = torch.fft.irfft(spectrum / torch.arange(len(spectrum)).clamp(min=1).sqrt(), n)
    return white / white.square().mean().sqrt()


def add_noise(
    speech: Float[Tensor, " time"], background: Float[Tensor, " longer"], *, snr: float
) -> Float[Tensor, " time"]:
    r"""Speech with so much background that their powers have a ratio of ``snr`` decibels.

    .. math::

        y = x + g\,n, \qquad g = \sqrt{\frac{\overline{x^2}}{\overline{n^2}}\; 10^{-\mathrm{snr}/10}}

    with the means over the whole of the speech, so that pauses count; the background is cut to its length.

    Raises:
        ValueError: for a background that is shorter than the speech, or silence on either side.

    Example:
        >>> tone = torch.sin(torch.arange(16_000) / 8)
        >>> noisy = add_noise(tone, noise(1.0), snr=10)
        >>> ratio = tone.square().mean() / (noisy - tone).square().mean()
        >>> round(10 * ratio.log10().item(), 3)
        10.0
    """
    if len(background) < len(speech):
        raise ValueError(f"expected a background of at least {len(speech)} samples, got {len(background)}")
    background = background[: len(speech)]
    power, other = speech.square().mean(), background.square().mean()
    if not power > 0 or not other > 0:
        raise ValueError("expected sound in speech and background, got silence in one of them")
    return speech + background * (power / other * 10 ** (-snr / 10)).sqrt()

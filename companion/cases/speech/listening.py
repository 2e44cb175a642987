"""Sound to words: the trained networks, what they hear in a recording, and when the spotter would have acted.

Axes: time (samples, 16,000 a second); step (25 a second); keyword.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from companion.cases.speech.ctc import ctc_beam
from companion.cases.speech.recognizer import KEYWORDS, LABELS, Recognizer, Spotter
from companion.data import SPEECH_RATE, log_mel

_SMOOTH = 3  # windows whose probabilities are averaged: one odd window does not switch a light
_STEP = 0.04  # seconds between windows
_PEAK = 0.5  # what a recording is scaled to before the recognizer hears it


@dataclass(frozen=True)
class Heard:
    """What the recognizer heard.

    Attributes:
        text: the most probable words; ``<other>`` stands for words that are in no order.
        probability: the network's, of exactly these words.
        others: the next most probable texts with theirs.
    """

    text: str
    probability: float
    others: tuple[tuple[str, float], ...]


@cache
def load_recognizer() -> Recognizer:
    """The trained recognizer, from the package."""
    model = Recognizer()
    model.load_state_dict(_weights("recognizer"), strict=False)  # BatchNorm's counts of batches are not kept
    return model.eval()


@cache
def load_spotter() -> Spotter:
    """The trained spotter, from the package."""
    model = Spotter()
    model.load_state_dict(_weights("spotter"), strict=False)
    return model.eval()


def _weights(name: str) -> dict[str, Tensor]:
    return load_file(Path(__file__).with_name(f"{name}.safetensors"))


def hear(samples: Float[Tensor, " time"], *, width: int = 8) -> Heard:
    """The words of one order, by beam search over the recognizer's labels.

    The recording is scaled to a peak of .5 and gets a quarter of a second of silence on both sides.

    Raises:
        ValueError: for silence.

    Example:
        >>> from companion.data import speak
        >>> hear(speak("turn on the kitchen light", voice="m2")).text
        'turn on the kitchen light'
    """
    peak = samples.abs().max() if len(samples) else torch.tensor(0.0)
    if not peak > 0:
        raise ValueError(f"expected sound, got silence of {len(samples)} samples")
    quiet = torch.zeros(SPEECH_RATE // 4)
    mels = log_mel(torch.cat([quiet, samples * (_PEAK / peak), quiet]))
    with torch.inference_mode():
        found = ctc_beam(load_recognizer()(mels[None])[0], width=width)
    texts = [(" ".join(LABELS[label] for label in labels), min(1.0, math.exp(value))) for labels, value in found]
    return Heard(*texts[0], tuple(texts[1:4]))


def spot(samples: Float[Tensor, " time"]) -> Float[Tensor, "step keyword"]:
    """The probability of each keyword in each second of a stream, every 40 ms, smoothed over three windows.

    Step ``i`` belongs to the second that begins ``i`` times 40 ms after the start.

    Example:
        >>> from companion.data import speak
        >>> quiet = torch.zeros(SPEECH_RATE)
        >>> scores = spot(torch.cat([quiet, speak("unlock", voice="m2"), quiet]))
        >>> KEYWORDS[int(scores[:, 1:].max(0).values.argmax()) + 1]
        'unlock'
    """
    mels = log_mel(samples)
    with torch.inference_mode():
        scores = load_spotter()(mels[None])[0].softmax(1)
    return torch.nn.functional.avg_pool1d(scores.T[None], _SMOOTH, 1)[0].T


def detections(scores: Float[Tensor, " step"], *, threshold: float, gap: float = 1.0) -> list[tuple[float, float]]:
    """When a keyword's score reaches the threshold: (second, score) of each peak, highest of its neighborhood.

    Peaks nearer to a higher one than ``gap`` seconds belong to it: one order acts once.

    Example:
        >>> detections(torch.tensor([0.1, 0.9, 0.8, 0.1]), threshold=0.5)
        [(0.04, 0.9)]
    """
    found: list[tuple[float, float]] = []
    for step in sorted((scores >= threshold).nonzero()[:, 0].tolist(), key=lambda i: -float(scores[i])):
        second = round(step * _STEP, 2)
        if all(abs(second - other) >= gap for other, _ in found):
            found.append((second, round(float(scores[step]), 4)))
    return sorted(found)


def spotted(samples: Float[Tensor, " time"]) -> dict[str, float]:
    """The highest score of each keyword in a recording of at least 1.1 seconds.

    Example:
        >>> sorted(spotted(torch.randn(SPEECH_RATE * 2, generator=torch.Generator().manual_seed(0))))
        ['lamp off', 'lamp on', 'lock', 'unlock']
    """
    return dict(zip(KEYWORDS[1:], spot(samples)[:, 1:].max(0).values.tolist(), strict=True))

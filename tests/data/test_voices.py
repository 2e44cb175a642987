"""companion.data.voices: two recordings that are two, and are sound."""

import torch

from companion.data import VOICES_RATE, two_voices


def test_there_are_two_voices_of_the_stated_length():
    voices = two_voices()
    assert voices.shape == (2, 2.25 * VOICES_RATE)
    assert voices.dtype == torch.float32
    assert ((voices >= -1) & (voices < 1)).all()


def test_they_were_recorded_apart():
    assert abs(torch.corrcoef(two_voices())[0, 1]) < 0.05


def test_they_are_speech_peaked_as_no_noise_is():
    voices = two_voices()
    centered = voices - voices.mean(dim=1, keepdim=True)
    kurtosis = (centered**4).mean(1) / (centered**2).mean(1) ** 2 - 3
    assert (kurtosis > 3).all()


def test_neighboring_samples_are_alike():
    voices = two_voices()
    for voice in voices:
        assert torch.corrcoef(torch.stack([voice[1:], voice[:-1]]))[0, 1] > 0.8

"""Sound files of all kinds, noise at its ratio, and the log-mel spectrogram held to another implementation."""

import struct
import wave

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from scipy.signal import welch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from companion.data import SPEECH_RATE, add_noise, log_mel, mel_filters, noise, read_sound, two_voices


def tone(rate, seconds=1.0, hertz=440.0, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "order.wav"


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_give_the_same_tone(path, rate):
    wavfile.write(path, rate, (tone(rate) * 32_767).astype(np.int16))
    sound = read_sound(path)
    assert abs(len(sound.samples) - SPEECH_RATE) <= 1
    wanted = torch.from_numpy(tone(SPEECH_RATE)).float()
    assert (sound.samples[1_000:15_000] - wanted[1_000:15_000]).abs().max() < 0.005
    assert sound.notes == (() if rate == SPEECH_RATE else (f"resampled from {rate:,} Hz",))


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"),
    [(np.uint8, 127, 128), (np.int16, 2**15 - 1, 0), (np.int32, 2**31 - 1, 0), (np.float32, 1, 0)],
)
def test_all_kinds_of_samples(path, dtype, scale, middle):
    wavfile.write(path, SPEECH_RATE, (tone(SPEECH_RATE) * scale + middle).astype(dtype))
    assert np.abs(read_sound(path).samples.numpy() - tone(SPEECH_RATE)).max() < 0.02


def test_channels_are_averaged_and_said(path):
    both = np.stack([tone(SPEECH_RATE), np.zeros(SPEECH_RATE)], 1)
    wavfile.write(path, SPEECH_RATE, (both * 32_767).astype(np.int16))
    sound = read_sound(path)
    assert sound.notes == ("2 channels averaged",)
    assert sound.samples.max().item() == pytest.approx(0.25, abs=0.001)


def test_clipping_is_said(path):
    wavfile.write(path, SPEECH_RATE, (tone(SPEECH_RATE, level=2.0).clip(-1, 1) * 32_767).astype(np.int16))
    (note,) = read_sound(path).notes
    assert note.startswith("clipped: 6")  # |2 sin| >= 1 two thirds of the time


def test_files_that_hold_no_order(path):
    with pytest.raises(FileNotFoundError, match="expected a WAV file, got no file"):
        read_sound(path)
    for content, expected in [(b"", "something else or a damaged"), (b"ID3\x04" + b"mp3" * 99, "expected a WAV file")]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=expected):
            read_sound(path)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
    with pytest.raises(ValueError, match="got an empty file"):
        read_sound(path)
    wavfile.write(path, SPEECH_RATE, np.zeros(SPEECH_RATE, np.int16))
    with pytest.raises(ValueError, match="got silence"):
        read_sound(path)
    wavfile.write(path, SPEECH_RATE, np.full(SPEECH_RATE, np.nan, np.float32))
    with pytest.raises(ValueError, match="finite"):
        read_sound(path)
    wavfile.write(path, SPEECH_RATE, np.ones(31 * SPEECH_RATE, np.int16))
    with pytest.raises(ValueError, match="at most 30 s"):
        read_sound(path)
    path.write_bytes(b"\0" * 16_000_001)
    with pytest.raises(ValueError, match="at most 16 MB"):
        read_sound(path)


def problem(path):
    try:
        read_sound(path)
    except ValueError as error:
        return str(error)
    return "expected nothing else"


def test_every_damaged_header_is_one_error(path):
    wavfile.write(path, SPEECH_RATE, (tone(SPEECH_RATE, 0.1) * 32_767).astype(np.int16))
    whole = path.read_bytes()
    for at in range(0, 44, 2):
        for value in (0, 1, 0xFFFF):
            path.write_bytes(whole[:at] + struct.pack("<H", value) + whole[at + 2 :])
            assert problem(path).startswith("expected ")
    for length in range(0, 44, 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="expected "):
            read_sound(path)


def test_pink_noise_falls_by_ten_decibels_a_decade_and_white_noise_does_not():
    for kind, slope in (("pink", -1.0), ("white", 0.0)):
        hertz, power = welch(noise(20, kind=kind, seed=3).numpy(), SPEECH_RATE, nperseg=4_096)
        inside = (hertz > 50) & (hertz < 5_000)
        found = np.polyfit(np.log10(hertz[inside]), np.log10(power[inside]), 1)[0]
        assert found == pytest.approx(slope, abs=0.05)
    with pytest.raises(ValueError, match="white or pink"):
        noise(1, kind="brown")


@pytest.mark.parametrize("snr", [-5.0, 0.0, 20.0])
def test_noise_has_the_ratio_that_was_asked_for(snr):
    speech = two_voices()[0]
    added = add_noise(speech, noise(2, seed=1), snr=snr) - speech
    assert 10 * (speech.square().mean() / added.square().mean()).log10().item() == pytest.approx(snr, abs=0.001)


def test_noise_that_is_too_short_or_silent():
    with pytest.raises(ValueError, match="expected a background of at least 18000 samples"):
        add_noise(two_voices()[0], noise(1), snr=0)
    with pytest.raises(ValueError, match="got silence"):
        add_noise(torch.zeros(100), noise(1), snr=0)


def test_log_mel_is_that_of_another_implementation():
    filters = mel_filter_bank(257, 40, 60.0, 3_800.0, SPEECH_RATE, norm=None, mel_scale="htk")
    assert np.abs(mel_filters().numpy() - filters.T).max() < 1e-6
    sound = torch.randn(5_003) * torch.linspace(0.01, 1, 5_003)
    theirs = spectrogram(
        sound.numpy(), window_function(400, "hann"), 400, 160, 512, power=2.0, center=False, mel_filters=filters,
        mel_floor=0.0,
    )  # fmt: skip
    assert log_mel(sound).numpy() == pytest.approx(np.log(theirs.T + 1e-6), abs=2e-3)


def test_a_tone_lights_the_band_of_its_pitch():
    for hertz in (200, 1_000, 3_000):
        band = log_mel(torch.from_numpy(tone(SPEECH_RATE, hertz=hertz)).float()).mean(0).argmax().item()
        assert mel_filters()[band, round(hertz / SPEECH_RATE * 512)] > 0.3


def test_twice_as_loud_is_four_times_the_power():
    sound = torch.randn(2_000)
    assert log_mel(2 * sound).sub(log_mel(sound)).mean().item() == pytest.approx(np.log(4), abs=1e-3)


def test_less_than_a_window_is_refused():
    with pytest.raises(ValueError, match="expected at least 400 samples, 25 ms"):
        log_mel(torch.zeros(399))

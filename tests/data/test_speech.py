"""Synthetic speech: what is asked for is what is heard, and what cannot be spoken is refused."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from companion.data import ACCENTS, SPEECH_RATE, VOICES, log_mel, speak

pytest.importorskip("espeakng_loader")


def test_slower_is_longer_and_a_longer_text_too():
    slow, fast = (len(speak("turn on the kitchen light", rate=rate)) for rate in (100, 200))
    assert 1.5 < slow / fast < 2.5
    assert len(speak("lamp")) < len(speak("lamp on the kitchen table"))


def test_the_same_call_gives_the_same_samples_whatever_was_said_before():
    orders = [("turn on the kitchen light", "m3"), ("unlock the front door", "f5"), ("lamp on", "Annie")]
    first = {each: speak(each[0], voice=each[1]) for each in orders}
    for each in (orders[1], orders[1], orders[2], orders[0], orders[2]):
        assert torch.equal(speak(each[0], voice=each[1]), first[each])
    code = (
        "from companion.data import speak; import hashlib;"
        "print(hashlib.sha256(speak('lamp on', voice='Annie').numpy().tobytes()).hexdigest())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == hashlib.sha256(first[orders[2]].numpy().tobytes()).hexdigest()


def test_threads_wait_for_each_other():
    alone = speak("lamp on")
    with ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(each, alone) for each in pool.map(speak, ["lamp on"] * 12))


def test_samples_are_trimmed_and_within_range():
    for voice in ("m3", "f5", "Annie"):
        sound = speak("unlock the front door", voice=voice)
        assert sound.dtype == torch.float32
        assert -1 <= sound.min() < 0 < sound.max() < 1
        assert sound[:160].abs().max() > 0
        assert 0.5 < len(sound) / SPEECH_RATE < 2.5


def test_all_voices_and_accents_speak_and_differ():
    assert all(len(speak("no", voice=voice)) > 1_000 for voice in VOICES)
    assert len({len(speak("water", accent=accent, rate=80)) // 100 for accent in ACCENTS}) > 3


def test_a_woman_s_voice_is_higher_than_a_man_s():
    def low_energy(voice: str) -> float:
        spectrum = torch.fft.rfft(speak("oh no", voice=voice)).abs().square()
        hertz = torch.linspace(0, SPEECH_RATE / 2, len(spectrum))
        return (spectrum[(hertz > 60) & (hertz < 140)].sum() / spectrum[(hertz > 140) & (hertz < 400)].sum()).item()

    assert low_energy("m3") > 3 * low_energy("f2")


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("", {}, "expected a text of 1 to 2000 characters, got 0"),
        ("a" * 2_001, {}, "got 2001"),
        ("hello", {"voice": "robot"}, "expected voice to be one of"),
        ("hello", {"accent": "fr"}, "expected accent to be one of"),
        ("hello", {"rate": 20}, "expected rate from 80 to 450, got 20"),
        ("hello", {"pitch": 100}, "expected pitch from 0 to 99, got 100"),
        ("...", {}, "of which nothing is heard"),
    ],
)
def test_what_cannot_be_spoken(text, options, expected):
    with pytest.raises(ValueError, match=expected):
        speak(text, **options)


def test_marks_are_read_as_text_and_nothing_is_opened():
    plain = speak("audio")
    marked = speak('<audio src="/etc/passwd"/>')
    assert len(marked) > len(plain)
    assert len(log_mel(marked)) > len(log_mel(plain))

"""``python -m companion voice``: recordings and spoken text in, what the home does out, and what is refused."""

import numpy as np
import pytest
from scipy.io import wavfile

from companion.__main__ import main
from companion.data import SPEECH_RATE, speak

pytest.importorskip("espeakng_loader")


@pytest.fixture
def order(tmp_path):
    path = tmp_path / "order.wav"
    wavfile.write(path, SPEECH_RATE, (speak("turn on the kitchen light", voice="m2").numpy() * 32_767).astype(np.int16))
    return path


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_an_order_is_heard_understood_and_done(order, capsys):
    assert main(["voice", str(order)]) == 0
    name, heard, meant, reply, home = lines(capsys.readouterr().out)
    assert name == str(order)
    assert heard.startswith(
        ('heard "turn on the kitchen light", probability 0.9', 'heard "turn on the kitchen light", probability 1.000')
    )
    assert meant == "meant light.on · kitchen"
    assert reply == "reply done: The kitchen light is on."
    assert home.startswith("home lights on: kitchen; air conditioning off, 21 degrees; front door locked")


def test_the_state_goes_on_and_a_door_waits_for_yes(order, capsys):
    assert main(["voice", str(order), "--say", "unlock the front door", "--say", "yes", "--voice", "m2"]) == 0
    found = [line for line in lines(capsys.readouterr().out) if line.startswith(("reply", "home"))]
    assert found[2] == "reply confirm: Unlock the front door? Say yes or no."
    assert "UNLOCKED" not in found[3]
    assert found[4] == "reply done: The front door: unlocked."
    assert (
        found[5] == "home lights on: kitchen; air conditioning off, 21 degrees; front door UNLOCKED, back door locked"
    )


def test_telephone_stereo_and_clipped_files_are_heard_and_said_so(tmp_path, capsys):
    sound = speak("turn on the kitchen light", voice="m2").numpy()
    clipped = np.stack([(8 * sound).clip(-1, 1)] * 2, 1)
    for name, rate, samples in (("phone", 8_000, sound[::2]), ("clipped", SPEECH_RATE, clipped)):
        wavfile.write(tmp_path / f"{name}.wav", rate, (samples * 32_767).astype(np.int16))
    assert main(["voice", str(tmp_path / "phone.wav"), str(tmp_path / "clipped.wav")]) == 0
    found = lines(capsys.readouterr().out)
    assert "note resampled from 8,000 Hz" in found
    assert "note 2 channels averaged" in found
    assert any(line.startswith("note clipped: ") for line in found)
    assert found[3] == "reply done: The kitchen light is on."


def test_talk_is_no_order(capsys):
    assert main(["voice", "--say", "once upon a time there lived a king in a castle"]) == 0
    found = lines(capsys.readouterr().out)
    assert found[3].startswith("reply refused")
    assert found[4].startswith("home lights on: none; air conditioning off")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], 'expected a WAV file or --say "an order", got neither'),
        (["none.wav"], "expected a WAV file, got no file at none.wav"),
        (["--say", " "], "expected a text of 1 to 2000 characters, got 0"),
        (["--say", "lamp on", "--voice", "robot"], "expected voice to be one of"),
        (["--say", "lamp on", "--rate", "1"], "expected rate from 80 to 450"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, expected, capsys):
    assert main(["voice", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {expected}")
    assert error.count("\n") == 1


def test_a_file_that_is_no_sound_is_one_line(tmp_path, capsys):
    for content in (b"", b"%PDF-1.4 not a sound at all"):
        (tmp_path / "x.wav").write_bytes(content)
        assert main(["voice", str(tmp_path / "x.wav")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: expected a WAV file in ")
        assert error.count("\n") == 1

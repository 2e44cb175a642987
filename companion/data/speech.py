"""Speech by eSpeak NG, a formant synthesizer: any English text in many voices, accents and rates, on this machine.

It is **synthetic**: clear, monotonous, without a room and without hesitation. What recognizes it may fail on people.
eSpeak carries a state from call to call that changes the sound, so each call loads it anew, which takes 7 ms more: the
same call gives the same samples, whatever was said before.

Axes: time (samples, 16,000 a second).
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import resample_poly
from torch import Tensor

from companion.checks import check_one_of

if sys.platform == "win32":
    from _ctypes import FreeLibrary as _unload
else:
    from _ctypes import dlclose as _unload

#: Samples a second of all speech here.
SPEECH_RATE = 16_000

#: Accents of English, by eSpeak's names: America, Great Britain, Received Pronunciation, West Midlands, Lancaster,
#: Scotland, New York City, Caribbean.
ACCENTS = (
    "en-us", "en", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-gb-x-gbclan", "en-gb-scotland", "en-us-nyc", "en-029",
)  # fmt: skip

#: Voices that resemble people: eSpeak's variants without its robots, whispers and jokes.
VOICES = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "Alex", "Alicia", "Andrea", "Andy",
    "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike",
    "Nguyen", "Reed", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed",
    "edward", "grandma", "grandpa", "gustave", "ian", "iven", "john", "linda", "marcelo", "max", "michel", "miguel",
    "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor",
    "zac",
)  # fmt: skip

_OWN_RATE = 22_050  # samples a second that eSpeak gives
_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _PITCH = 1, 3  # numbers of eSpeak's parameters
_LIMIT = 2_000
_LOCK = threading.Lock()  # the library keeps one state for the whole process
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(
    text: str, *, voice: str = "m3", accent: str = "en-us", rate: int = 160, pitch: int = 50
) -> Float[Tensor, " time"]:
    """A text spoken: float32 samples in [-1, 1), 16,000 a second, without the silence around it.

    Args:
        text: English words, at most 2,000 characters; marks of SSML are read as text.
        voice: one of ``VOICES``.
        accent: one of ``ACCENTS``.
        rate: words a minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.

    Raises:
        ImportError: where the package espeakng-loader, which carries the synthesizer, is not installed.
        ValueError: for an empty or overlong text, one of which nothing can be heard, or a setting out of range.

    Source:
        eSpeak NG 1.52 (GPL 3), https://github.com/espeak-ng/espeak-ng, loaded as a library and not copied here.

    Example:
        >>> lamp = speak("lamp on", voice="f2", accent="en-gb-scotland")
        >>> 0.4 < len(lamp) / SPEECH_RATE < 1.0
        True
    """
    check_one_of("voice", voice, VOICES)
    check_one_of("accent", accent, ACCENTS)
    for name, value, low, high in (("rate", rate, 80, 450), ("pitch", pitch, 0, 99)):
        if not low <= value <= high:
            raise ValueError(f"expected {name} from {low} to {high}, got {value}")
    if not text.strip() or len(text) > _LIMIT:
        raise ValueError(f"expected a text of 1 to {_LIMIT} characters, got {len(text.strip())}")
    sound = _synthesized(text.replace("\0", " "), f"{accent}+{voice}", rate, pitch)
    loud = np.flatnonzero(np.abs(sound) > 30)  # 30 of 32,768: eSpeak's own silence is 0
    if not len(loud):
        raise ValueError(f"expected a text that can be spoken, got {text[:40]!r}, of which nothing is heard")
    samples = resample_poly(sound[loud[0] : loud[-1] + 1] / 2**15, SPEECH_RATE, _OWN_RATE)
    return torch.from_numpy(samples.clip(-1, 1 - 2**-15).astype(np.float32))


def _synthesized(text: str, name: str, rate: int, pitch: int) -> np.ndarray:
    with _LOCK, _loaded() as (library, pieces):
        if library.espeak_SetVoiceByName(name.encode()) != 0:
            raise ValueError(f"expected a voice that this eSpeak has, got {name!r}")
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode() + b"\0"
        library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        return np.concatenate([np.zeros(0, np.int16), *pieces])


@contextmanager
def _loaded() -> Iterator[tuple[ctypes.CDLL, list[np.ndarray]]]:
    """The library in the state of a new process, and the list that its callback fills.

    Ending and starting it again within the process would keep the state, which lies in its static variables.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise ImportError("expected the package espeakng-loader, which speaks: pip install espeakng-loader") from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    pieces: list[np.ndarray] = []

    def keep(samples: Any, count: int, _: Any) -> int:
        if samples and count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(keep)  # must live as long as the library
    try:
        if library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0) != _OWN_RATE:
            raise OSError("expected eSpeak NG to start with its data, got a failure: install espeakng-loader again")
        library.espeak_SetSynthCallback(callback)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # else its noise differs from call to call
        yield library, pieces
        library.espeak_Terminate()
    finally:
        _unload(library._handle)

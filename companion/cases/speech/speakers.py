"""Who speaks: voices and accents of which the networks of this package have heard, and those kept for tests."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from companion import data

#: Voices that no network here was trained on.
UNSEEN_VOICES = (
    "m4", "m7", "f3", "f5", "Andy", "Annie", "Denis", "Diogo", "Henrique", "Jacky", "Mario", "Nguyen", "david",
    "gustave", "ian", "linda", "max", "steph",
)  # fmt: skip

#: Voices that they were trained on.
SEEN_VOICES = tuple(voice for voice in data.VOICES if voice not in UNSEEN_VOICES)

#: Accents that they were trained on: America, Great Britain, Received Pronunciation, West Midlands.
SEEN_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-x-gbcwmd")

#: Accents kept for tests: Lancaster, Scotland, New York City, Caribbean.
UNSEEN_ACCENTS = tuple(accent for accent in data.ACCENTS if accent not in SEEN_ACCENTS)


@dataclass(frozen=True)
class Speaker:
    """One synthetic speaker.

    Attributes:
        voice: one of :data:`companion.data.VOICES`.
        accent: one of :data:`companion.data.ACCENTS`.
        rate: words a minute.
        pitch: 0 to 99.
    """

    voice: str
    accent: str
    rate: int
    pitch: int

    def says(self, text: str) -> Float[Tensor, " time"]:
        """Samples of a text, 16,000 a second."""
        return data.speak(text, voice=self.voice, accent=self.accent, rate=self.rate, pitch=self.pitch)


def draw_speaker(draw: random.Random, voices: Sequence[str], accents: Sequence[str]) -> Speaker:
    """One of the voices with one of the accents, at 115 to 215 words a minute and a pitch of 30 to 70.

    Example:
        >>> draw_speaker(random.Random(0), UNSEEN_VOICES, UNSEEN_ACCENTS)
        Speaker(voice='david', accent='en-029', rate=120, pitch=46)
    """
    return Speaker(draw.choice(voices), draw.choice(accents), draw.randint(115, 215), draw.randint(30, 70))

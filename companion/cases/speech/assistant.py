"""A recording becomes a deed: what was heard, what it means, what the home did."""

from dataclasses import dataclass

from companion.cases.home import Home, HomeReply, Intent, obey, understand
from companion.cases.speech.listening import Heard, hear
from companion.data import Sound


@dataclass(frozen=True)
class VoiceAnswer:
    """What one spoken order led to.

    Attributes:
        heard: words with their probability.
        intent: what they mean; None where that is not clear.
        reply: what the home did and says.
        home: its state afterwards.
        notes: what is wrong with the recording.
    """

    heard: Heard
    intent: Intent | None
    reply: HomeReply
    home: Home
    notes: tuple[str, ...]


def voice_order(sound: Sound, home: Home) -> VoiceAnswer:
    """One order from a recording, carried out, refused, or waiting for a *yes*, all on this machine.

    Example:
        >>> from companion.data import speak
        >>> answer = voice_order(Sound(speak("turn on the garden light", voice="m2"), ()), Home())
        >>> answer.reply.text, sorted(answer.home.lights)
        ('The garden light is on.', ['garden'])
    """
    heard = hear(sound.samples)
    intent = understand(heard.text)
    after, reply = obey(home, intent, probability=heard.probability)
    return VoiceAnswer(heard, intent, reply, after, sound.notes)

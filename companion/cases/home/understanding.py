"""From words to an intent and its slots: what device, which action, where, how much.

The frame is filled from words that name exactly one device and one action; more than one, none, a word that is not
known in speech (``<other>``) or a negation is not understood. A home asks again sooner than it guesses.
"""

import re
from dataclasses import dataclass

from companion.cases.home.orders import DEGREES, DOORS, ROOMS

_DEVICES = {
    "light": {"light", "lights"},
    "lamp": {"lamp"},
    "air": {"air", "conditioning", "conditioner", "degrees", "warmer", "cooler"},
    "door": {"lock", "unlock"},
    "answer": {"yes", "no"},
}
_ACTIONS = {"on", "off", "warmer", "cooler", "lock", "unlock", "yes", "no"}
_REFUSED = {"<other>", "not", "don't", "never", "dont"}


@dataclass(frozen=True)
class Intent:
    """What an order asks for.

    Attributes:
        device: ``light``, ``lamp``, ``air``, ``door`` or ``answer``.
        action: ``on``, ``off``, ``set``, ``warmer``, ``cooler``, ``lock``, ``unlock``, ``yes`` or ``no``.
        place: a room or a door; None where none was named.
        degrees: Celsius, for ``set``.
    """

    device: str
    action: str
    place: str | None = None
    degrees: int | None = None

    @property
    def name(self) -> str:
        """The intent in one word, such as ``door.unlock``."""
        return f"{self.device}.{self.action}"

    def __str__(self) -> str:
        slots = [self.place, None if self.degrees is None else f"{self.degrees} degrees"]
        return " · ".join([self.name, *(slot for slot in slots if slot)])


def understand(text: str) -> Intent | None:
    """The intent of an order, or None where it is not clear.

    Example:
        >>> print(understand("turn off the kitchen light please"))
        light.off · kitchen
        >>> understand("set the air conditioning to twenty two degrees")
        Intent(device='air', action='set', place=None, degrees=22)
        >>> understand("do not unlock the front door") is None
        True
    """
    words = re.findall(r"[a-z'<>]+|\d+", text.lower())
    known = set(words)
    devices = [device for device, names in _DEVICES.items() if known & names]
    if len(devices) != 1 or known & _REFUSED:
        return None
    device, actions, degrees = devices[0], sorted(known & _ACTIONS), _degrees(words)
    if device == "air" and degrees is not None and not actions:
        return Intent("air", "set", degrees=degrees)
    places = sorted(known & set(DOORS if device == "door" else ROOMS if device == "light" else ()))
    if len(actions) != 1 or len(places) > 1 or degrees is not None:
        return None
    if device == "light" and not places:
        return None
    fits = {"light": {"on", "off"}, "lamp": {"on", "off"}, "air": {"on", "off", "warmer", "cooler"}}
    if actions[0] not in fits.get(device, _DEVICES[device]):
        return None
    return Intent(device, actions[0], places[0] if places else None)


def _degrees(words: list[str]) -> int | None:
    """The temperature that the words name, in words or in figures."""
    if numbers := [int(word) for word in words if word.isdigit()]:
        return numbers[0] if len(numbers) == 1 else None
    text = f" {' '.join(words)} "
    found = [value for value, name in DEGREES.items() if f" {name} " in text]
    return max(found, default=None)  # "twenty two" holds "twenty" too

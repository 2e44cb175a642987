"""A simulated home: its state, what it does, what it refuses, and what it asks to be confirmed.

Each kind of order has its own threshold: the probability of what was heard from which on it is done. An unlocked door
also waits for a spoken *yes*.
"""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from companion.cases.home.orders import DEGREES, DOORS
from companion.cases.home.understanding import Intent

#: From which probability on an order is done, by its intent; ``other`` are all not named.
THRESHOLDS = MappingProxyType({"door.unlock": 0.99, "answer.yes": 0.9, "other": 0.5})


@dataclass(frozen=True)
class Home:
    """What is on, how warm it shall be, what is locked, and what waits for a *yes*.

    Attributes:
        lights: rooms whose light is on; ``lamp`` is among them when the lamp is.
        air: whether the air conditioning runs.
        degrees: what it is set to, Celsius.
        locked: doors that are locked.
        pending: an intent that waits to be confirmed.
    """

    lights: frozenset[str] = frozenset()
    air: bool = False
    degrees: int = 21
    locked: frozenset[str] = field(default_factory=lambda: frozenset(DOORS))
    pending: Intent | None = None

    def __str__(self) -> str:
        doors = ", ".join(f"{door} door {'locked' if door in self.locked else 'UNLOCKED'}" for door in DOORS)
        lights = ", ".join(sorted(self.lights)) or "none"
        return f"lights on: {lights}; air conditioning {'on' if self.air else 'off'}, {self.degrees} degrees; {doors}"


@dataclass(frozen=True)
class HomeReply:
    """What the home did.

    Attributes:
        outcome: ``done``, ``confirm`` or ``refused``.
        text: a sentence for the person.
    """

    outcome: str
    text: str


def obey(home: Home, intent: Intent | None, *, probability: float = 1.0) -> tuple[Home, HomeReply]:
    """The home after an order, and its reply; a refused order changes nothing but what waits for a *yes*.

    Args:
        home: before.
        intent: what was understood; None is refused.
        probability: that it was heard rightly, 0 to 1; compared with ``THRESHOLDS``.

    Example:
        >>> home, reply = obey(Home(), Intent("door", "unlock", "front"), probability=0.999)
        >>> reply.text
        'Unlock the front door? Say yes or no.'
        >>> home, reply = obey(home, Intent("answer", "yes"), probability=0.95)
        >>> sorted(home.locked), reply.outcome
        (['back'], 'done')
    """
    waiting, home = home.pending, replace(home, pending=None)
    if intent is None:
        return home, HomeReply("refused", "I did not understand an order.")
    threshold = THRESHOLDS.get(intent.name, THRESHOLDS["other"])
    if not probability >= threshold:
        return home, HomeReply(
            "refused", f"I am not sure enough: {probability:.3f}, and {intent.name} needs {threshold:g}."
        )
    if intent.name == "answer.yes" and waiting is not None:
        return _act(home, waiting)
    if intent.device == "answer":
        return home, HomeReply("done" if waiting else "refused", "Left as it was." if waiting else "I asked nothing.")
    if intent.name == "door.unlock":
        return replace(home, pending=intent), HomeReply("confirm", f"Unlock {_doors(intent)}? Say yes or no.")
    return _act(home, intent)


def _act(home: Home, intent: Intent) -> tuple[Home, HomeReply]:
    if intent.device == "door":
        doors = {intent.place} if intent.place else set(DOORS)
        locked = home.locked | doors if intent.action == "lock" else home.locked - doors
        return replace(home, locked=frozenset(locked)), HomeReply(
            "done", f"{_doors(intent).capitalize()}: {intent.action}ed."
        )
    if intent.device == "air":
        return _cool(home, intent)
    place = intent.place or "lamp"
    lights = home.lights | {place} if intent.action == "on" else home.lights - {place}
    name = "The lamp" if place == "lamp" else f"The {place} light"
    return replace(home, lights=frozenset(lights)), HomeReply("done", f"{name} is {intent.action}.")


def _cool(home: Home, intent: Intent) -> tuple[Home, HomeReply]:
    if intent.action in ("on", "off"):
        return replace(home, air=intent.action == "on"), HomeReply("done", f"The air conditioning is {intent.action}.")
    step = {"warmer": 1, "cooler": -1}.get(intent.action)
    degrees = intent.degrees if step is None else home.degrees + step
    if degrees not in DEGREES:
        return home, HomeReply("refused", f"I keep between {min(DEGREES)} and {max(DEGREES)} degrees, not {degrees}.")
    return replace(home, air=True, degrees=degrees), HomeReply("done", f"Set to {degrees} degrees.")


def _doors(intent: Intent) -> str:
    return f"the {intent.place} door" if intent.place else "all doors"

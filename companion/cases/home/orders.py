"""What a home can be told: forty-three orders in the words of a recognizer, and their grammar."""

from itertools import product

#: Rooms with a light of their own; the lamp stands in the living room.
ROOMS = ("kitchen", "bedroom", "bathroom", "garden")

#: Doors with a lock that listens.
DOORS = ("front", "back")

_TEENS = {16: "sixteen", 17: "seventeen", 18: "eighteen", 19: "nineteen"}
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight")

#: Degrees Celsius that can be asked for, with their words.
DEGREES = _TEENS | {20: "twenty"} | {21 + i: f"twenty {one}" for i, one in enumerate(_ONES)}

_SWITCHES = ("on", "off")

#: All orders, each a sentence in lower case.
ORDERS = (
    *(f"turn {switch} the {room} light" for room, switch in product(ROOMS, _SWITCHES)),
    *(f"{room} light {switch}" for room, switch in product(ROOMS, _SWITCHES)),
    *(f"lamp {switch}" for switch in _SWITCHES),
    *(f"set the air conditioning to {words} degrees" for words in DEGREES.values()),
    *(f"turn {switch} the air conditioning" for switch in _SWITCHES),
    "make it warmer",
    "make it cooler",
    *(f"{action} the {door} door" for action, door in product(("lock", "unlock"), DOORS)),
    "lock",
    "unlock",
    "yes",
    "no",
)

#: The words of all orders, and a courtesy.
WORDS = (*sorted({word for order in ORDERS for word in order.split()}), "please")


def order_grammar() -> str:
    """The orders in the Java Speech Grammar Format, as pocketsphinx reads it.

    Example:
        >>> order_grammar().splitlines()[0]
        '#JSGF V1.0;'
    """
    return "#JSGF V1.0;\ngrammar orders;\npublic <order> = (" + " | ".join(ORDERS) + ") [please];\n"

"""A home that is spoken to: what can be ordered, what an order means, and what the home then does."""

from companion.cases.home.home import THRESHOLDS, Home, HomeReply, obey
from companion.cases.home.orders import DEGREES, DOORS, ORDERS, ROOMS, WORDS, order_grammar
from companion.cases.home.understanding import Intent, understand

__all__ = [
    "DEGREES",
    "DOORS",
    "ORDERS",
    "ROOMS",
    "THRESHOLDS",
    "WORDS",
    "Home",
    "HomeReply",
    "Intent",
    "obey",
    "order_grammar",
    "understand",
]

"""What is understood, what the home then does, and what it never does."""

from dataclasses import replace
from itertools import product

import pytest

from companion.cases.home import (
    DEGREES,
    DOORS,
    ORDERS,
    THRESHOLDS,
    WORDS,
    Home,
    Intent,
    obey,
    order_grammar,
    understand,
)


def test_every_order_is_understood_and_means_one_thing():
    meanings = {order: understand(order) for order in ORDERS}
    assert None not in meanings.values()
    # Eight orders of lights are said in two ways each.
    assert len(set(meanings.values())) == len(ORDERS) - 8
    assert {intent.degrees for intent in meanings.values()} == {None, *DEGREES}
    assert {word for order in ORDERS for word in order.split()} | {"please"} == set(WORDS)
    assert all(order in order_grammar() for order in ORDERS)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Please switch the light in the bedroom off!", Intent("light", "off", "bedroom")),
        ("could you turn on the lights in the kitchen", Intent("light", "on", "kitchen")),
        ("22 degrees please", Intent("air", "set", degrees=22)),
        ("unlock", Intent("door", "unlock")),
        ("set the air conditioning to 35 degrees", Intent("air", "set", degrees=35)),
        ("do not unlock the front door", None),
        ("don't turn on the kitchen light", None),
        ("lamp on off", None),
        ("lock and unlock", None),
        ("turn on the light", None),
        ("turn on the kitchen bedroom light", None),
        ("lamp lock", None),
        ("<other> lamp on", None),
        ("turn on the air conditioning to twenty degrees", None),
        ("eighteen 22 degrees", Intent("air", "set", degrees=22)),
        ("", None),
        ("'; drop table lights; --", None),
        ("warmer", Intent("air", "warmer")),
        ("kitchen light warmer", None),
    ],
)
def test_meanings(text, intent):
    assert understand(text) == intent


def test_each_deed_changes_what_it_names_and_no_more():
    home, start = Home(), Home()
    home, _ = obey(home, Intent("light", "on", "kitchen"))
    assert home == replace(start, lights=frozenset({"kitchen"}))
    home, _ = obey(home, Intent("lamp", "on"))
    home, reply = obey(home, Intent("light", "off", "kitchen"))
    assert (home.lights, reply.text) == (frozenset({"lamp"}), "The kitchen light is off.")
    home, _ = obey(home, Intent("air", "set", degrees=25))
    assert (home.air, home.degrees) == (True, 25)
    home, _ = obey(home, Intent("air", "cooler"))
    home, _ = obey(home, Intent("air", "off"))
    assert (home.air, home.degrees, home.locked) == (False, 24, frozenset(DOORS))


def test_a_door_opens_only_after_yes():
    unlock = Intent("door", "unlock", "front")
    asked, reply = obey(Home(), unlock, probability=0.995)
    assert (reply.outcome, asked.locked, asked.pending) == ("confirm", frozenset(DOORS), unlock)
    opened, reply = obey(asked, Intent("answer", "yes"), probability=0.95)
    assert (reply.outcome, opened.locked, opened.pending) == ("done", frozenset({"back"}), None)
    for answer, probability in [("no", 1.0), ("yes", 0.89)]:
        left, _ = obey(asked, Intent("answer", answer), probability=probability)
        assert (left.locked, left.pending) == (frozenset(DOORS), None)
    other, _ = obey(asked, Intent("lamp", "on"))
    after, reply = obey(other, Intent("answer", "yes"))
    assert (after.locked, reply.outcome) == (frozenset(DOORS), "refused")
    both, _ = obey(obey(Home(), Intent("door", "unlock"))[0], Intent("answer", "yes"))
    assert both.locked == frozenset()
    locked, reply = obey(both, Intent("door", "lock", "back"))
    assert (locked.locked, reply.text) == (frozenset({"back"}), "The back door: locked.")


def test_no_order_unlocks_by_itself():
    for order, first in product(ORDERS, (None, "yes", "unlock")):
        home = Home()
        if first and first != order:
            home, _ = obey(home, understand(first))
        home, _ = obey(home, understand(order))
        if not (first == "unlock" and order == "yes"):
            assert home.locked == frozenset(DOORS)


@pytest.mark.parametrize("intent", [understand(order) for order in ORDERS])
def test_below_its_threshold_nothing_happens(intent):
    threshold = THRESHOLDS.get(intent.name, THRESHOLDS["other"])
    home, reply = obey(Home(), intent, probability=threshold - 1e-6)
    assert (home, reply.outcome) == (Home(), "refused")
    assert obey(Home(), intent, probability=float("nan"))[1].outcome == "refused"


def test_what_is_refused():
    assert obey(Home(), None)[1].outcome == "refused"
    home, reply = obey(Home(), Intent("air", "set", degrees=35))
    assert (home, reply.text) == (Home(), "I keep between 16 and 28 degrees, not 35.")
    assert obey(replace(Home(), degrees=28), Intent("air", "warmer"))[1].outcome == "refused"


def test_the_state_in_words():
    assert str(Home(lights=frozenset({"lamp", "garden"}), locked=frozenset({"back"}))) == (
        "lights on: garden, lamp; air conditioning off, 21 degrees; front door UNLOCKED, back door locked"
    )

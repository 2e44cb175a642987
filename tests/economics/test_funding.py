"""Safes and a round: published examples, and money that is counted twice a different way."""

import pytest

from companion.economics import post_money_safe


def test_two_safes():
    owned = post_money_safe((1e6, 10e6), (1e6, 20e6))
    assert owned.founders == pytest.approx(0.85)
    assert sum(owned.safes) == pytest.approx(0.15)


@pytest.mark.parametrize("pre_money", [8e6, 15e6, 40e6])
def test_a_round_counted_in_shares(pre_money):
    """Founders hold 8.5 million shares; each safe's price is the lower of its cap's and the round's."""
    safes, raised, held = [(1e6, 10e6), (1e6, 20e6)], 5e6, 8.5e6
    shares = [0.0, 0.0]
    for _ in range(500):  # prices depend on shares, which depend on prices: until both stand
        before = held + sum(shares)
        shares = [amount / min(cap / before, pre_money / before) for amount, cap in safes]
    price = pre_money / (held + sum(shares))
    total = held + sum(shares) + raised / price
    owned = post_money_safe(*safes, raised=raised, pre_money=pre_money)
    assert owned.founders == pytest.approx(held / total)
    assert owned.safes == pytest.approx([part / total for part in shares])
    assert owned.investors == pytest.approx(raised / (pre_money + raised))
    assert owned.founders + sum(owned.safes) + owned.investors == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: post_money_safe((6e6, 10e6), (5e6, 10e6)), "110% of the company"),
        (lambda: post_money_safe((1e6, 0)), "cap"),
        (lambda: post_money_safe((1e6, 10e6), raised=1e6), "together"),
        (lambda: post_money_safe((1e6,)), "post-money cap"),  # type: ignore[arg-type]
        (lambda: post_money_safe((1e6, 10e6), raised=-1, pre_money=1e6), "raised"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()

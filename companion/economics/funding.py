"""What founders own after money has come in: safes, and a priced round that turns them into shares."""

from collections.abc import Sequence
from dataclasses import dataclass

from companion.checks import is_number
from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class Ownership:
    """Proportions of the company; together they are 1.

    Attributes:
        founders: who held everything before, employees' options included.
        safes: one a safe.
        investors: of the priced round, if there was one.
    """

    founders: float
    safes: tuple[float, ...]
    investors: float = 0.0


def post_money_safe(
    *safes: tuple[float, float], raised: float | None = None, pre_money: float | None = None
) -> Ownership:
    r"""Who owns what once post-money safes turn into shares, in a priced round or before it.

    A safe of :math:`a` dollars at a cap of :math:`c` owns :math:`a / c` of the company as it stands before the round's
    new money, *all safes included*: they do not dilute each other, they dilute the founders. In a round that values
    the company below the cap, the safe takes the round's price. New investors own
    :math:`m / (\text{pre-money} + m)` and dilute all.

    Args:
        safes: pairs of dollars invested and post-money cap.
        raised: dollars of the round, if there is one.
        pre_money: dollars that the round values the company at before its money.

    Raises:
        ValueError: for amounts that are not positive, a safe that buys the whole company, or half of a round.

    Source:
        Y Combinator 2018, *Post-Money Safe User Guide*. Discounts and option pools made larger in the round are left
        out.

    >>> post_money_safe((1e6, 10e6), (1e6, 20e6))
    Ownership(founders=0.85, safes=(0.1, 0.05), investors=0.0)
    """
    if (raised is None) != (pre_money is None):
        raise ValueError("expected raised and pre_money together, or neither: a round has both")
    ceiling = float("inf")
    if raised is not None and pre_money is not None:
        check_positive("raised", raised)
        check_positive("pre_money", pre_money)
        ceiling = pre_money
    shares = [_share(safe, ceiling) for safe in safes]
    if (together := sum(shares)) >= 1:
        raise ValueError(f"expected safes that leave something to the founders, got {together:.0%} of the company")
    new = 0.0 if raised is None or pre_money is None else raised / (pre_money + raised)
    return Ownership((1 - together) * (1 - new), tuple(share * (1 - new) for share in shares), new)


def _share(safe: Sequence[float], ceiling: float) -> float:
    if len(safe) != 2 or not all(map(is_number, safe)):
        raise ValueError(f"expected each safe as (dollars, post-money cap), got {safe!r}")
    amount, cap = safe
    check_positive("the dollars of a safe", amount)
    check_positive("the cap of a safe", cap)
    return amount / min(cap, ceiling)

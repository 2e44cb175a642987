"""What people say they would do: recommend it, and pay for it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit, lambertw

from companion.stats import Interval, LogisticFit, logistic_regression, mean_ci
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_between, generator_of

_DRAWS = 9_999


def net_promoter_score(ratings: ArrayLike, *, level: float = 0.95) -> Interval:
    """The percentage of ratings of 9 and 10 minus that of 0 to 6, from -100 to 100.

    It is a mean of 1, 0 and -1, and its interval is that of a bounded mean (:func:`companion.stats.mean_ci`), wide at
    the sizes that surveys have: of 100 ratings a third each, it is 32 points.

    Args:
        ratings: whole numbers from 0 to 10, 20 or more.
        level: intended coverage.

    Raises:
        ValueError: for ratings outside 0 to 10, or no whole numbers.

    Source:
        Reichheld 2003.

    >>> print(net_promoter_score([10] * 50 + [8] * 30 + [4] * 20))
    The estimate is 30, with a 95% confidence interval from 14 to 45 (Wilson score, bounded values, net promoter score).
    """
    (values,) = as_numbers(at_least=20, ratings=ratings)
    if ((values < 0) | (values > 10) | (values != np.round(values))).any():
        raise ValueError("expected ratings as whole numbers from 0 to 10")
    signs = np.select([values >= 9, values <= 6], [1.0, -1.0])
    mean = mean_ci(signs, bounds=(-1, 1), level=level)
    percent = {name: 100 * getattr(mean, name) for name in ("estimate", "low", "high")}
    return replace(mean, **percent, method=f"{mean.method}, net promoter score")


@dataclass(frozen=True)
class DemandCurve:
    r"""The probability to buy at a price, :math:`\operatorname{logit} P(p) = a - b p`, with what follows from it.

    Intervals are percentiles of the curve under draws of :math:`(a, b)` from their normal distribution (Krinsky and
    Robb 1986). They leave out that people who answer a survey do not pay for what they say.

    Attributes:
        fit: the regression of buying on price.
        level: intended coverage.
        seed: of the draws.
    """

    fit: LogisticFit
    level: float = 0.95
    seed: int = 0

    def probability(self, price: ArrayLike) -> Float[np.ndarray, "..."]:
        """The proportion that would buy at each price."""
        a, b = self._estimate
        return expit(a - b * np.asarray(price, dtype=float))

    @property
    def median(self) -> Interval:
        """The price that half would pay, a / b."""
        return self._interval(lambda a, b: a / b, "median willingness to pay")

    def best_price(self, cost: float = 0.0) -> Interval:
        r"""The price that earns most of each who was asked, :math:`\max_p (p - c) P(p)`, where one costs ``cost``.

        .. math:: p^* = c + \frac{1 + W(e^{a - b c - 1})}{b}

        (Lambert's :math:`W`.)
        """

        def best(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
            return cost + (1 + lambertw(np.exp(a - b * cost - 1)).real) / b

        return self._interval(best, "best price")

    @cached_property
    def _estimate(self) -> tuple[float, float]:
        intercept, slope = (coefficient.value.estimate for coefficient in self.fit.coefficients)
        return intercept, -slope

    @cached_property
    def _draws(self) -> Float[np.ndarray, "2 draws"]:
        back = self.fit.design.back
        covariance = back @ self.fit.covariance @ back.T
        drawn = generator_of(self.seed).multivariate_normal(np.zeros(2), covariance, size=_DRAWS)
        a, b = np.array(self._estimate)[:, None] + drawn.T * np.array([[1], [-1]])
        return np.stack([a, np.where(b > 0, b, np.nan)])

    def _interval(self, of: object, what: str) -> Interval:
        tail = (1 - self.level) / 2
        values = of(*self._draws)  # type: ignore[operator]
        if np.isnan(values).mean() > tail:
            raise ValueError(
                f"expected people who buy less at a higher price, for the {what}; got a slope that may have either "
                "sign: ask more people, or at prices further apart"
            )
        low, high = np.nanquantile(values, [tail, 1 - tail])
        estimate = float(of(*map(np.float64, self._estimate)))  # type: ignore[operator]
        return Interval.around(estimate, float(low), float(high), self.level, f"Krinsky–Robb, {what}")


@same_examples("price", "bought")
def willingness_to_pay(price: ArrayLike, bought: ArrayLike, *, level: float = 0.95, seed: int = 0) -> DemandCurve:
    """The demand of people who were each asked at one price, drawn at random, whether they buy.

    Args:
        price: that each person was asked, or for which the page stood.
        bought: whether they did, 0 and 1 or booleans.
        level: intended coverage of the intervals.
        seed: of their draws.

    Raises:
        ValueError: for columns that do not fit together, one price only, answers that are all alike, or perfectly
            separated by a price.

    >>> rng = np.random.default_rng(0)
    >>> price = rng.choice([10, 20, 30, 40], 2_000)
    >>> curve = willingness_to_pay(price, rng.random(2_000) < expit(3 - 0.12 * price))
    >>> round(curve.median.estimate), round(curve.best_price(cost=5).estimate)  # 25 and 23.4 by the formulas
    (26, 24)
    """
    check_between("level", level, 0, 1)
    (asked,) = as_numbers(price=price)
    fit = logistic_regression(bought, asked[:, None], names=["price"], level=level)
    return DemandCurve(fit, level, seed)

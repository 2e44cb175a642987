r"""How long customers stay who pay by the period, and what one of them is worth.

Each customer leaves at the end of a period with a probability :math:`\theta` of their own, which never changes; over
the customers it follows a beta distribution. Those with a large one leave first, so that the retention of who is left
rises although nobody changes, and a forecast by the average rate of the first periods is too low.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import betaln, hyp2f1

from companion.checks import is_number
from companion.stats.base.checks import as_numbers
from companion.stats.base.options import check_positive


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    r"""The shifted beta-geometric model of Fader and Hardie 2007.

    .. math:: S(t) = \frac{B(\alpha, \beta + t)}{B(\alpha, \beta)}, \qquad
        r_t = \frac{S(t)}{S(t - 1)} = \frac{\beta + t - 1}{\alpha + \beta + t - 1}

    Attributes:
        alpha: first parameter of the beta distribution of the probability to leave.
        beta: second one; its mean is :math:`\alpha / (\alpha + \beta)`.

    Raises:
        ValueError: for parameters that are not positive.

    Source:
        Fader and Hardie 2007, *How to project customer retention*, equations 5 to 7; 2010 for the lifetime.

    >>> high_end = [1_000, 869, 743, 653, 593, 551, 517, 491]  # their table 1: customers after 0, 1, ... 7 years
    >>> model = ShiftedBetaGeometric.fit(high_end)
    >>> round(model.alpha, 3), round(model.beta, 3), round(model.log_likelihood(high_end), 2)
    (0.668, 3.806, -1611.16)
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)
        check_positive("beta", self.beta)

    @classmethod
    def fit(cls, customers: ArrayLike) -> Self:
        """The model of greatest likelihood.

        Args:
            customers: how many of one cohort are left after 0, 1, 2, ... periods, three numbers at least.

        Raises:
            ValueError: where the numbers rise, none or all have left, or retention does not rise, so that no finite
                pair of parameters is best: every customer may then be alike.
        """
        counts = _cohort(customers)

        def loss(logs: Float[np.ndarray, "2"]) -> float:
            # of a customer: of a million together, rounding alone would exceed what is precise enough
            return -_log_likelihood(np.exp(logs[0]), np.exp(logs[1]), counts / counts[0])

        starts = [minimize(loss, (at, at), method="Nelder-Mead", options=_PRECISE) for at in (-1.0, 0.0, 2.0)]
        best = min(starts, key=lambda found: found.fun)
        alpha, beta = np.exp(best.x)
        if not best.success or max(alpha, beta) > _ALL_ALIKE:
            raise ValueError(
                "expected retention that rises with the periods, got customers who leave at a steady or a rising rate: "
                "all may be alike, and one rate says it all"
            )
        return cls(float(alpha), float(beta))

    def log_likelihood(self, customers: ArrayLike) -> float:
        """The natural logarithm of the probability of the numbers of one cohort, as for :meth:`fit`."""
        return _log_likelihood(self.alpha, self.beta, _cohort(customers))

    def survival(self, periods: ArrayLike) -> Float[np.ndarray, "..."]:
        """The proportion of customers who are left after so many periods, 0 or more."""
        t = _periods(periods, 0)
        return np.exp(betaln(self.alpha, self.beta + t) - betaln(self.alpha, self.beta))

    def retention(self, periods: ArrayLike) -> Float[np.ndarray, "..."]:
        """Of those who are left after ``periods - 1``, the proportion who stay for one more; ``periods`` from 1."""
        t = _periods(periods, 1)
        return (self.beta + t - 1) / (self.alpha + self.beta + t - 1)

    def lifetime(self, *, discount: float, after: int = 0) -> float:
        r"""Payments that are expected of a customer, each worth :math:`1 / (1 + d)` of the one a period before.

        .. math:: \sum_{t = 0}^{\infty} \frac{S(n + t)}{S(n)} \frac{1}{(1 + d)^t}
            = {}_2F_1\!\left(1, \beta + n; \alpha + \beta + n; \tfrac{1}{1 + d}\right)

        Args:
            discount: :math:`d`, for one period, such as 0.1.
            after: :math:`n` renewals that the customer has made; 0 for a new one, whose first payment counts.

        Raises:
            ValueError: for a discount that is not positive, or renewals below 0.
        """
        check_positive("discount", discount)
        if not is_number(after) or after < 0:
            raise ValueError(f"expected after, a number of renewals, of at least 0, got {after!r}")
        return float(hyp2f1(1, self.beta + after, self.alpha + self.beta + after, 1 / (1 + discount)))


_PRECISE = {"xatol": 1e-9, "fatol": 1e-9, "maxiter": 10_000, "maxfev": 10_000}
#: Beta distributions beyond this are as good as a point: one rate for all.
_ALL_ALIKE = 1e5


def _cohort(customers: ArrayLike) -> Float[np.ndarray, " periods"]:
    (counts,) = as_numbers(customers=customers)
    if len(counts) < 3 or np.any(counts < 0) or np.any(np.diff(counts) > 0):
        raise ValueError("expected customers left after 0, 1, 2, ... periods, three numbers or more that never rise")
    if counts[-1] in (0, counts[0]):
        raise ValueError(f"expected some customers who left and some who stayed, got {counts[0]:g} and {counts[-1]:g}")
    return counts


def _periods(periods: ArrayLike, least: int) -> Float[np.ndarray, "..."]:
    t = np.asarray(periods, dtype=float)
    if not ((t >= least) & np.isfinite(t)).all():
        raise ValueError(f"expected periods of at least {least}, got {t.tolist()}")
    return t


def _log_likelihood(alpha: float, beta: float, counts: Float[np.ndarray, " periods"]) -> float:
    t = np.arange(1, len(counts))
    left = betaln(alpha + 1, beta + t - 1) - betaln(alpha, beta)
    stayed = betaln(alpha, beta + t[-1]) - betaln(alpha, beta)
    return float(-np.diff(counts) @ left + counts[-1] * stayed)

r"""How long the cash lasts, as a distribution: the first month in which what was spent exceeds what was there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import erfcx, ndtr, ndtri
from scipy.stats import invgauss

from companion.checks import is_number
from companion.stats.base.options import check_positive, check_share

#: Squared coefficient of variation below which months are normal but for their skewness (Cornish and Fisher), and
#: SciPy's quantile loses its digits.
_SHARP = 1e-6


@dataclass(frozen=True)
class Runway:
    r"""Cash that a drifting random walk uses up: months until then follow an inverse Gaussian distribution.

    Net spending of a month has mean :math:`\mu` and standard deviation :math:`\sigma`, and months are independent. The
    first passage of cash :math:`C` by the Brownian motion of that drift has

    .. math:: \mathbb{E}[T] = \frac{C}{\mu}, \qquad \text{Var}[T] = \frac{C \sigma^2}{\mu^3}, \qquad
        \Pr(T < \infty) = e^{-2 |\mu| C / \sigma^2} \text{ where } \mu < 0

    (Schrödinger 1915; Chhikara and Folks 1989). Cash is looked at all the time; :func:`first_passage` looks once a
    month, and finds the end somewhat later. Where one bad month is followed by another, the spread is wider: give
    :func:`first_passage` such paths.

    Attributes:
        cash: in the bank, in dollars.
        burn: :math:`\mu`, what a month takes on average beyond what it brings; below 0 for a company that earns.
        spread: :math:`\sigma`, the standard deviation of a month's net spending.

    Raises:
        ValueError: for cash or a spread that is not positive, or a burn that is no number.

    >>> runway = Runway(cash=1_200_000, burn=100_000, spread=60_000)
    >>> runway.mean, round(runway.quantile(0.05), 1), round(runway.probability(9), 3)
    (12.0, 8.9, 0.056)
    """

    cash: float
    burn: float
    spread: float

    def __post_init__(self) -> None:
        check_positive("cash", self.cash)
        check_positive("spread", self.spread)
        if not is_number(self.burn) or not np.isfinite(self.burn):
            raise ValueError(f"expected burn to be a number, got {self.burn!r}: dollars a month, below 0 for earnings")

    @property
    def mean(self) -> float:
        """Expected months; infinite where the company does not spend more than it earns."""
        return self.cash / self.burn if self.burn > 0 else float("inf")

    @property
    def ever(self) -> float:
        """The probability that the cash ends at some time; 1 where the mean burn is not negative."""
        return float(np.exp(2 * min(self.burn, 0.0) * self.cash / self.spread**2))

    def probability(self, months: ArrayLike) -> Float[np.ndarray, "..."] | float:
        r"""The probability that the cash has ended within ``months``.

        With a negative burn it is that of the positive one of the same size, times :attr:`ever`; with none it is
        :math:`2 \Phi(-C / \sigma \sqrt t)`.
        """
        t = np.asarray(months, dtype=float)
        if np.any(~(t >= 0)):
            raise ValueError("expected months of at least 0")
        root, size = np.sqrt(t), self.cash / self.spread
        with np.errstate(divide="ignore"):
            below, above = size * (root / self._mean - 1 / root), size * (root / self._mean + 1 / root)
        # the second term as a product of what is neither infinite nor 0: SciPy's overflows where the spread is small
        ended = self.ever * (ndtr(below) + np.exp(-(below**2) / 2) * erfcx(above / np.sqrt(2)) / 2)
        return float(ended) if ended.ndim == 0 else ended

    def quantile(self, share: float) -> float:
        """Months after which the cash has ended with probability ``share``: 0.05 for a bad case; may be infinite."""
        check_share("share", share, "0.05 is the month that one company in twenty does not reach")
        if share >= self.ever:
            return float("inf")
        scale = (self.cash / self.spread) ** 2
        if (scv := self._mean / scale) < _SHARP:
            z = float(ndtri(share / self.ever))
            return float(self._mean * (1 + np.sqrt(scv) * z + scv * (z**2 - 1) / 2))
        return float(invgauss.ppf(share / self.ever, scv, scale=scale))

    @property
    def _mean(self) -> float:
        """Expected months where the cash ends at some time."""
        return self.cash / max(abs(self.burn), 1e-9 * self.spread)  # without drift it is the limit, a Lévy distribution


def first_passage(cash: float, burns: Float[np.ndarray, "paths months"]) -> Float[np.ndarray, " paths"]:
    """The month in which the cash of each path first ends, counted from 1; infinite where it lasts through all of them.

    Args:
        cash: in the bank before the first month.
        burns: net spending of each month, of many simulated paths ``[paths, months]``.

    Raises:
        ValueError: for cash that is not positive, or burns that are no table of numbers.

    >>> first_passage(100.0, np.array([[60.0, 60.0, -90.0], [30.0, 30.0, 30.0]]))
    array([ 2., inf])
    """
    check_positive("cash", cash)
    paths = np.asarray(burns, dtype=float)
    if paths.ndim != 2 or not paths.size or not np.isfinite(paths).all():
        raise ValueError(f"expected burns as numbers [paths, months], got an array of shape {paths.shape}")
    ended = np.cumsum(paths, axis=1) > cash
    return np.where(ended.any(axis=1), ended.argmax(axis=1) + 1.0, np.inf)

"""What every estimate of this package comes with: an interval, the level it was made for, and the method."""

import math
from dataclasses import dataclass

from statsmodels.stats.proportion import proportion_confint

from companion.stats.result import Result


@dataclass(frozen=True)
class Interval(Result):
    """An estimate and its confidence interval; ``print`` shows it as one sentence.

    The level is a property of the procedure: of many intervals made this way from independent samples, a share
    ``level`` contains the true value. It is no probability that this one does.

    Attributes:
        estimate: the value of the statistic on the data, in the statistic's own unit.
        low: lower bound, in the same unit.
        high: upper bound, in the same unit.
        level: intended coverage, between 0 and 1.
        method: how the bounds were made, in words.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str

    def __str__(self) -> str:
        return f"The estimate is {self.in_words()}."

    def in_words(self) -> str:
        """The numbers as part of a sentence, rounded so that half the interval's width keeps two digits."""
        half_width = max((self.high - self.low) / 2, 1e-6)
        decimals = max(0, 1 - math.floor(math.log10(half_width)))
        estimate, low, high = (f"{value:z.{decimals}f}" for value in (self.estimate, self.low, self.high))
        return f"{estimate}, with a {100 * self.level:g}% confidence interval from {low} to {high} ({self.method})"


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    r"""Wilson's score interval for a proportion.

    With :math:`\hat p = k / n` and the normal quantile :math:`z`, the bounds solve :math:`(\hat p - p)^2 = z^2 p (1 -
    p) / n` for :math:`p`. It needs no correction where :math:`k` is 0 or :math:`n`, and its mean coverage is close to
    ``level`` from :math:`n = 10` on, where the textbook's :math:`\hat p \pm z \sqrt{\hat p (1 - \hat p) / n}` covers
    far too seldom.

    Args:
        successes: :math:`k`, from 0 to ``trials``.
        trials: :math:`n`, independent trials, at least 1.
        level: intended coverage.

    Source:
        Wilson 1927, *Journal of the American Statistical Association* 22; compared in Brown, Cai and DasGupta 2001,
        *Statistical Science* 16.
    """
    low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    return Interval(successes / trials, float(low), float(high), level, "Wilson score")

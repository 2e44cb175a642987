"""An A/B test that may be watched: its p-value and interval hold at every look, whenever one stops."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from companion.checks import check_whole
from companion.stats.base.checks import as_ndarray, as_numbers
from companion.stats.base.comparison import SizedComparison
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_between, check_level


@dataclass
class _Arm:
    """Running mean and sum of squares around it (Chan, Golub and LeVeque), so that no observation is kept."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        if not len(values):
            return
        n, mean = len(values), float(values.mean())
        gap, total = mean - self.mean, self.n + n
        self.squares += float(np.sum((values - mean) ** 2)) + gap**2 * self.n * n / total
        self.mean += gap * n / total
        self.n = total

    @property
    def variance(self) -> float:
        return self.squares / (self.n - 1)


@dataclass
class ABTest:
    r"""Two groups of users or requests, observed as they come: the mixture sequential probability ratio test.

    A fixed-size test that is looked at again and again finds a difference sooner or later, whether or not there is one.
    Here the likelihood ratio of "they differ", averaged over differences :math:`N(0, \tau^2)`, against "they do not" is
    followed. With the difference :math:`\Delta` of the means and its variance :math:`V = s_a^2 / n_a + s_b^2 / n_b`:

    .. math:: \Lambda = \sqrt{\frac{V}{V + \tau^2}} \exp\Big(\frac{\tau^2 \Delta^2}{2 V (V + \tau^2)}\Big), \qquad
        p = \min_{\text{looks}} \frac{1}{\Lambda}

    Were there no difference, the probability that :math:`p` ever falls to :math:`\alpha` is :math:`\alpha` at most, and
    once below it stays there. The interval holds the differences that the ratio at this look does not refute:

    .. math:: \Delta \pm \sqrt{\frac{V (V + \tau^2)}{\tau^2}
        \Big(2 \log\frac{1}{\alpha} + \log\frac{V + \tau^2}{V}\Big)}

    The means must be close to normal when the first look counts, which is what ``burn_in`` is for.

    Simulated without a difference, 1,000 tests each, looking after every observation from 100 to 10,000 a group: the
    proportion that ever finds one at 5%, beside that of a z-test looked at as often.

    =====================================  ============  =========  ==============
    observations                           :math:`\tau`  this test  watched z-test
    =====================================  ============  =========  ==============
    a rate of 0.5                          0.02          0.015      0.49
    a rate of 0.1                          0.02          0.034      0.50
    a rate of 0.01                         0.002         0.006      0.40
    exponential                            0.1           0.030      0.49
    log-normal, :math:`\sigma = 1.5`       0.3           0.015      0.47
    =====================================  ============  =========  ==============

    With 20 looks in place of 9,901 the z-test still errs in 0.24 of tests. The price: between rates of 0.12 and 0.10,
    with :math:`\tau = 0.02`, the test ends after 4,300 a group on average, and always finds the difference; a test of
    fixed size that finds it 4 times in 5 needs 3,800. With a fourth of that :math:`\tau` it takes 6,800.

    The effect size is the standardized difference :math:`\Delta / \sqrt{(s_a^2 + s_b^2) / 2}`: it exists for rates and
    for amounts alike.

    Attributes:
        expected_difference: :math:`\tau`, the size of a difference that would be worth finding, in the metric's unit.
            It bears on how soon the test ends, not on its error. Fix it before the test.
        level: of the interval.
        burn_in: observations of each group before the first look counts.
        p_value: the smallest so far; 1 at first.

    Source:
        Johari, Koomen, Pekelis and Walsh 2022, "Always valid inference: continuous monitoring of A/B tests",
        *Operations Research* 70.

    >>> rng = np.random.default_rng(0)
    >>> test = ABTest(expected_difference=0.05)
    >>> for day in range(10):
    ...     test.update(rng.random(300) < 0.30, rng.random(300) < 0.22)
    >>> print(test.result)  # doctest: +NORMALIZE_WHITESPACE
    The difference, a minus b, is 0.094, with a 95% confidence interval from 0.060 to 0.129 (always valid); p <
    0.0001 (mixture SPRT, 3,000 and 3,000 observations); the standardized difference is 0.22.
    """

    expected_difference: float
    level: float = field(default=0.95, kw_only=True)
    burn_in: int = field(default=100, kw_only=True)
    p_value: float = field(default=1.0, init=False)
    _a: _Arm = field(default_factory=_Arm, init=False, repr=False)
    _b: _Arm = field(default_factory=_Arm, init=False, repr=False)

    def __post_init__(self) -> None:
        check_level(self.level)
        check_between("expected_difference", self.expected_difference, 1e-100, 1e100)  # it is squared
        check_whole("burn_in", self.burn_in, at_least=2, advice="a variance needs two observations")

    def update(self, a: ArrayLike = (), b: ArrayLike = ()) -> None:
        """Takes what has come since the last look, and looks.

        Args:
            a: numbers of group a, as many as there are; booleans for a rate.
            b: those of group b.

        Raises:
            ValueError: for NaN or infinity (named by the index), or numbers beyond 1e12 expected differences. Nothing
                of the update is then taken.
        """
        new_a, new_b = self._arrived("a", a), self._arrived("b", b)
        self._a.add(new_a)
        self._b.add(new_b)
        if self._variance:
            self.p_value = min(self.p_value, math.exp(-self._log_ratio))

    @property
    def result(self) -> SizedComparison:
        """The difference, a minus b, with its interval at this look and the smallest p-value so far.

        Raises:
            ValueError: before both groups have ``burn_in`` observations, or while all of them are equal.
        """
        if not (variance := self._variance):
            raise ValueError(
                f"expected at least {self.burn_in:,} observations in each group, not all equal, got {self._a.n:,} and "
                f"{self._b.n:,}; wait for more"
            )
        scale = self.expected_difference**2
        evidence = 2 * math.log(1 / (1 - self.level)) + math.log1p(scale / variance)
        half_width = math.sqrt(variance * (variance / scale + 1) * evidence)
        difference = self._a.mean - self._b.mean
        interval = Interval(difference, difference - half_width, difference + half_width, self.level, "always valid")
        effect = difference / math.sqrt((self._a.variance + self._b.variance) / 2)
        test = f"mixture SPRT, {self._a.n:,} and {self._b.n:,} observations"
        return SizedComparison(interval, self.p_value, test, effect, "standardized difference")

    def _arrived(self, name: str, values: ArrayLike) -> np.ndarray:
        if not as_ndarray(name, values).size:
            return np.empty(0)
        (arrived,) = as_numbers(**{name: values})  # type: ignore[arg-type]
        if (beyond := np.abs(arrived) > 1e12 * self.expected_difference).any():
            raise ValueError(
                f"expected {name} within 1e12 expected differences, got {arrived[beyond.argmax()]:g} at index "
                f"{beyond.argmax()}; give expected_difference in the unit of the observations"
            )
        return arrived

    @property
    def _variance(self) -> float:
        """Of the difference; 0 while no look counts, as there are too few observations or all are equal."""
        if min(self._a.n, self._b.n) < self.burn_in:
            return 0.0
        variance = self._a.variance / self._a.n + self._b.variance / self._b.n
        return variance if variance > 1e-24 * self.expected_difference**2 else 0.0

    @property
    def _log_ratio(self) -> float:
        return float(log_ratio(self._a.mean - self._b.mean, self._variance, self.expected_difference))


def log_ratio(difference: np.ndarray | float, variance: np.ndarray | float, scale: float) -> np.ndarray | float:
    r"""Logarithm of the mixture likelihood ratio :math:`\Lambda` of :class:`companion.stats.ABTest`."""
    share = scale**2 / (variance + scale**2)
    return 0.5 * (np.log1p(-share) + share * difference**2 / variance)

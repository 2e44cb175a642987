"""What every estimate of this package comes with: an interval, the level it was made for, and the method."""

import bisect
import dataclasses
import math
from dataclasses import dataclass
from reprlib import repr as brief

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from scipy.stats import hypergeom
from statsmodels.stats.proportion import proportion_confint

from companion.checks import check_one_of, is_number
from companion.stats.base.options import check_between, check_counts, check_level, check_population
from companion.stats.base.result import Result


@dataclass(frozen=True)
class Interval(Result):
    """An estimate and its confidence interval; ``print`` shows it as one sentence.

    The level is a property of the procedure: of many intervals made this way from independent samples, a proportion
    ``level`` contains the true value. It is no probability that this one does.

    Attributes:
        estimate: the value of the statistic on the data, in the statistic's own unit.
        low: lower bound, in the same unit, at most the estimate.
        high: upper bound, in the same unit, at least the estimate.
        level: intended coverage, between 0 and 1.
        method: how the bounds were made, in words.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str

    def __post_init__(self) -> None:
        check_level(self.level)
        numbers = self.low, self.estimate, self.high
        if not all(map(is_number, numbers)) or not self.low <= self.estimate <= self.high:
            raise ValueError(
                "expected estimate, low and high as numbers, low <= estimate <= high, got estimate "
                f"{brief(self.estimate)}, low {brief(self.low)} and high {brief(self.high)}; check what made them"
            )

    @classmethod
    def around(
        cls, estimate: float, low: float, high: float, level: float, method: str, *,
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> "Interval":  # fmt: skip
        """The interval cut to the range ``within`` of its parameter, and widened where it leaves out its estimate.

        Quantiles of resamples may all lie on one side of the estimate: of a perfect score none lies above, of a biased
        statistic few do. To widen costs no coverage.
        """
        least, most = within
        return cls(
            float(estimate),
            float(min(estimate, max(low, least))),
            float(max(estimate, min(high, most))),
            level,
            method,
        )

    def __str__(self) -> str:
        return f"The estimate is {self.in_words()}."

    def in_words(self) -> str:
        """The numbers as part of a sentence, rounded so that half the interval's width keeps two digits."""
        numbers, half_width = (self.estimate, self.low, self.high), (self.high - self.low) / 2
        if 0 < half_width < 1e-6 or 1e15 <= half_width < math.inf:  # decimals would show nothing, or 300 digits
            magnitude = max(map(abs, numbers))
            digits = 2 + math.floor(math.log10(magnitude)) - math.floor(math.log10(half_width))
            shown = f"z.{min(digits, 17)}g"
        else:
            half_width = max(half_width, 1e-6)
            shown = f"z.{max(0, 1 - math.floor(math.log10(half_width))) if math.isfinite(half_width) else 3}f"
        estimate, low, high = (format(value, shown) for value in numbers)
        return f"{estimate}, with a {100 * self.level:g}% confidence interval from {low} to {high} ({self.method})"

    def plot(self, axes: Axes | None = None, *, at: float = 0.0) -> Axes:
        """Draws the estimate as a dot on the interval's line, at height ``at`` of ``axes`` or of new ones.

        :func:`companion.stats.forest` draws several with their names.
        """
        check_between("at", at, -math.inf, math.inf)
        if axes is None:
            axes = plt.subplots(figsize=(6, 1.5))[1]
            axes.set(yticks=[], xlabel=f"estimate and {100 * self.level:g}% confidence interval")
        axes.hlines(at, self.low, self.high, color="C0")
        axes.plot(self.estimate, at, "o", color="C0")
        return axes


def interval_of(result: Result) -> Interval:
    """The one interval that a result is or holds.

    Raises:
        ValueError: where it holds none or several.
    """
    if isinstance(result, Interval):
        return result
    if not isinstance(result, Result):
        raise ValueError(f"expected a result with one interval, got {brief(result)}; pass what mean_ci gives, say")
    fields = dataclasses.fields(result)  # type: ignore[arg-type]
    found = [value for field in fields if isinstance(value := getattr(result, field.name), Interval)]
    if len(found) != 1:
        raise ValueError(
            f"expected a result with one interval, got {len(found)} in {result!r}; pass the interval itself"
        )
    return found[0]


def proportion_ci(
    successes: int, trials: int, *, method: str = "wilson", population: int | None = None, level: float = 0.95
) -> Interval:
    r"""A proportion of independent trials with its interval.

    ``"wilson"`` solves :math:`(\hat p - p)^2 = z^2 p (1 - p) / n` for :math:`p`, with :math:`\hat p = k / n` and the
    normal quantile :math:`z`. It needs no correction where :math:`k` is 0 or :math:`n`, and its mean coverage is close
    to ``level`` from :math:`n = 10` on, where the textbook's :math:`\hat p \pm z \sqrt{\hat p (1 - \hat p) / n}` covers
    far too seldom. ``"clopper_pearson"`` holds all :math:`p` that an exact binomial test does not refuse. Its coverage
    is never below ``level``, which is what a guarantee asks for; the price is width.

    Exact coverage at 95%, over 197 proportions from 0.01 to 0.99, mean and least:

    ====  ============  ===============
    n     Wilson        Clopper-Pearson
    ====  ============  ===============
    10    0.954, 0.860  0.983, 0.961
    30    0.953, 0.924  0.974, 0.954
    100   0.950, 0.921  0.964, 0.954
    1000  0.950, 0.944  0.955, 0.951
    ====  ============  ===============

    Wilson's least coverage stands near proportions of 0 and 1; closer to them than 1 / n it falls further. Trials in
    clusters (questions on one passage) are not independent: take :func:`companion.stats.clustered_proportion_ci`.

    Args:
        successes: :math:`k`, from 0 to ``trials``.
        trials: :math:`n`, independent trials, at least 1. Missing ones are for you to leave out of both counts.
        method: ``"wilson"`` or ``"clopper_pearson"``.
        population: how many items there are in all, where the trials are a random sample of a finite pool without
            replacement and the proportion in question is that pool's. Wilson's variance then shrinks by
            :math:`(N - n) / (N - 1)`; Clopper and Pearson's test becomes the hypergeometric one.
        level: intended coverage.

    Raises:
        ValueError: for counts that are no whole numbers, no trial, more successes than trials, a population smaller
            than the sample, an unknown method, a level outside (0, 1).

    Source:
        Wilson 1927, *Journal of the American Statistical Association* 22; Clopper and Pearson 1934, *Biometrika* 26;
        compared in Brown, Cai and DasGupta 2001, *Statistical Science* 16.

    >>> print(proportion_ci(81, 263))
    The estimate is 0.308, with a 95% confidence interval from 0.255 to 0.366 (Wilson score).
    """
    check_counts(successes, trials)
    check_population(population, trials)
    check_level(level)
    check_one_of("method", method, ("wilson", "clopper_pearson"))
    if population == trials:
        share = successes / trials
        return Interval(share, share, share, level, "the whole population, counted")
    if method == "wilson":
        return wilson(successes, trials, population=population, level=level)
    if population is not None:
        return _hypergeometric(successes, trials, population, level)
    low, high = proportion_confint(successes, trials, alpha=1 - level, method="beta")
    return Interval.around(successes / trials, low, high, level, "Clopper-Pearson", within=(0, 1))


def wilson(successes: float, trials: float, *, population: int | None = None, level: float = 0.95) -> Interval:
    """Wilson's interval of :func:`companion.stats.proportion_ci`; effective counts need not be whole."""
    share = successes / trials
    effective = trials if population is None else trials * (population - 1) / (population - trials)
    low, high = proportion_confint(share * effective, effective, alpha=1 - level, method="wilson")
    method = "Wilson score" if population is None else f"Wilson score, {trials:,} of {population:,}"
    return Interval.around(share, low, high, level, method, within=(0, 1))


def _hypergeometric(successes: int, trials: int, population: int, level: float) -> Interval:
    """All counts in the population under which neither tail of the sample is rarer than half the error."""
    tail, counts = (1 - level) / 2, range(successes, population - trials + successes + 1)
    first = bisect.bisect_right(counts, tail, key=lambda count: hypergeom.sf(successes - 1, population, count, trials))
    past = bisect.bisect_left(counts, -tail, key=lambda count: -hypergeom.cdf(successes, population, count, trials))
    low, high = counts[first] / population, counts[past - 1] / population
    return Interval.around(successes / trials, low, high, level, f"hypergeometric, {trials:,} of {population:,}")

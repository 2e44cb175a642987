"""How many examples a question needs, and what a number of examples can answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from reprlib import repr as brief
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from companion.checks import check_whole, is_number
from companion.stats.base.intervals import Interval, proportion_ci
from companion.stats.base.options import check_alpha, check_between, check_callable, generator_of
from companion.stats.base.result import Result
from companion.stats.base.ties import rounding
from companion.stats.planning.designs import PowerDesign

#: More labels than anyone will pay for.
MOST_EXAMPLES = 10**8


@dataclass(frozen=True)
class SampleSize(Result):
    """A number of examples and what it can tell; ``print`` shows it as one sentence.

    Attributes:
        n: examples, of the kind that ``unit`` says.
        unit: what is counted: examples in each of two groups, or judged by both models.
        difference: what is to be found, in the unit of the metric; for kind ``"proportion"`` half an interval's width.
        power: probability that the test finds it, or that the interval is that narrow.
        alpha: probability that the test, two-sided, finds a difference where there is none; 1 - level of the interval.
        test: what the numbers are for.
        kind: the design.
        assumed: what else the numbers rest on, by name.
    """

    n: int
    unit: str
    difference: float
    power: float
    alpha: float
    test: str
    kind: str
    assumed: Mapping[str, float]

    def __str__(self) -> str:
        assumed = ", ".join(f"{name} {value:g}" for name, value in self.assumed.items())
        return (
            f"{self.n:,} {self.unit} have probability {self.power:.3f} to {self._goal} "
            f"({self.test} at alpha {self.alpha:g}; assumed: {assumed})."
        )

    @property
    def _goal(self) -> str:
        verb = "leave a half-width of at most" if self.kind == "proportion" else "find a difference of"
        return f"{verb} {self.difference:.3g}"

    @property
    def row(self) -> dict[str, Any]:
        """The fields by name, with the assumptions as fields of their own."""
        row = super().row
        return row | row.pop("assumed")

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws power over the number of examples, up to twice this one."""
        axes = plt.subplots()[1] if axes is None else axes
        design = PowerDesign(self.kind, self.alpha, self.assumed)
        sizes = np.unique(np.linspace(2, 2 * self.n, 60).astype(int))
        axes.plot(sizes, [design.power(int(n), self.difference) for n in sizes])
        axes.plot(self.n, self.power, "o", color="C0")
        axes.axhline(self.power, color="gray", linestyle="--", linewidth=1)
        axes.set(xlabel=self.unit, ylabel=f"probability to {self._goal}", ylim=(0, 1.02))
        return axes


def sample_size(
    kind: str, difference: float, *, power: float = 0.8, alpha: float = 0.05, **assumed: float
) -> SampleSize:
    r"""The number of examples with which a two-sided test finds a difference.

    ======================  ==========================================================================================
    kind                    assumes, by keyword
    ======================  ==========================================================================================
    ``paired_proportions``  ``disagreement``: share of examples that just one of the two models gets right
    ``proportions``         ``share``: of right answers in the first group; the other has ``share + difference``
    ``paired_means``        ``sd``: standard deviation of the examples' differences
    ``means``               ``sd``: standard deviation in each of the groups
    ``paired_auc``          ``auc`` of the first model, ``positive_share`` of the examples, ``correlation`` of the two
                            models' scores within a class
    ``auc``                 ``auc`` and ``positive_share``, in groups of other examples
    ``proportion``          ``share``: of right answers; ``difference`` is half the width of Wilson's interval, and
                            ``power`` the probability that it comes out no wider
    ======================  ==========================================================================================

    Where examples come in clusters, give ``cluster_size`` :math:`m` and ``icc`` :math:`\rho` too: the number grows by
    the design effect :math:`1 + (m - 1) \rho`. Paired kinds want the :math:`\rho` of the differences between models;
    for clusters of unequal size :math:`m` is their mean squared size over their mean size.

    Paired kinds count examples that both models judge, others the examples in each of two groups. Power is exact for
    ``paired_proportions`` and ``proportion`` (in small steps, so that a few examples less may do as well) and for
    normal ``means``. For ``proportions`` it is the normal approximation, with the pooled variance under equality. For
    areas it is that of DeLong's test, with the exact variance of the empirical area for scores that are normal with one
    variance in both classes: binormal, as Obuchowski and McClish have it, not exponential, as Hanley and McNeil do.

    Share of 10,000 simulated data sets (3,000 for areas) in which the test found the difference, where the number said
    0.80: paired proportions 0.797 to 0.799 with 152 to 1,037 examples; proportions 0.799 to 0.814, but 0.849 near the
    end (0.99 against 0.94); areas 0.800 to 0.809, but 0.848 near the end (0.93 against 0.97): there the number is on
    the safe side. With clusters, 0.798 for 88 of them, 0.769 for 15: have 30.

    Args:
        kind: what is compared, as in the table.
        difference: what is worth finding, in the unit of the metric, second minus first.
        power: probability of finding it.
        alpha: probability of finding a difference where there is none.
        assumed: numbers by name as in the table, from a pilot; where in doubt, a proportion of 0.5 and the largest
            disagreement or standard deviation that you think possible are on the safe side.

    Raises:
        ValueError: for an unknown kind, an assumption that is missing, unknown or out of its range, a difference of
            zero or one that leads out of the metric's range, one that 100 million examples would not find.

    Source:
        Connor 1987, *Biometrics* 43 (approximate, for paired proportions); Obuchowski and McClish 1997, *Statistics in
        Medicine* 16; Donner and Klar 2000, *Design and Analysis of Cluster Randomization Trials* (design effect).

    >>> sample_size("paired_proportions", 0.03, disagreement=0.12).n
    1037
    >>> sample_size("proportions", -0.05, share=0.85, power=0.9).n
    1212
    """
    design = PowerDesign(kind, alpha, assumed)
    check_between("power", power, alpha, 1)
    check_between("difference", difference, *design.limits)
    if not difference:
        raise ValueError("expected a difference other than 0, got 0; say the least one that would change a decision")
    too_few, enough = 1, 2
    while design.power(enough, difference) < power:
        too_few, enough = enough, 2 * enough
        if enough > MOST_EXAMPLES:
            raise ValueError(f"expected a difference that 100 million examples find, got {difference:g}; take a larger")
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if design.power(middle, difference) >= power else (middle, enough)
    return _result(design, enough, difference)


def detectable_difference(
    kind: str, n: int, *, power: float = 0.8, alpha: float = 0.05, down: bool = False, **assumed: float
) -> SampleSize:
    """The least difference that a two-sided test finds with ``n`` examples: the inverse of :func:`sample_size`.

    Args:
        kind: what is compared, as for :func:`sample_size`.
        n: examples: judged by both models for paired kinds, else in each group.
        power: probability of finding the difference.
        alpha: probability of finding a difference where there is none.
        down: look for a fall, which matters for ``proportions`` and areas: 0.95 has more room below than above.
        assumed: as for :func:`sample_size`.

    Raises:
        ValueError: as :func:`sample_size`, and where not even the largest possible difference would be found.

    >>> round(detectable_difference("paired_proportions", 1_000, disagreement=0.12).difference, 4)
    0.0305
    """
    design = PowerDesign(kind, alpha, assumed)
    check_between("power", power, alpha, 1)
    check_whole("n", n, at_least=1, advice="it is the number of examples")
    low, high = design.limits
    sign = -1 if down and low < 0 else 1
    largest = min(-low if sign < 0 else high, 30 * assumed.get("sd", 1.0)) * (1 - 1e-9)
    if not 2 <= n <= MOST_EXAMPLES or design.power(n, sign * largest) < power:
        raise ValueError(
            f"expected n, up to 100 million, that finds some difference with power {power:g}, got {n:,}, for which "
            f"not even {sign * largest:.3g} would do; plan for more examples"
        )
    too_small, enough = 0.0, largest
    while enough - too_small > 1e-9 * largest:
        middle = (too_small + enough) / 2
        too_small, enough = (too_small, middle) if design.power(n, sign * middle) >= power else (middle, enough)
    return _result(design, n, sign * enough)


def power_by_simulation_ci(
    simulate: Callable[[np.random.Generator], Any],
    test: Callable[..., Any],
    *,
    alpha: float = 0.05,
    n_simulations: int = 2_000,
    seed: int | None = None,
) -> Interval:
    """How often a test finds what a simulation put in, for designs that no formula covers.

    Where the simulation puts in no difference, this is the level of the test.

    Args:
        simulate: draws a data set with the generator it is given; a tuple is passed on as several arguments.
        test: from the data to a p value, or to a result with a ``p_value`` or ``pvalue``, as those of this package and
            of SciPy have.
        alpha: a p value up to this counts as found.
        n_simulations: with 2,000 the interval is 0.035 wide for a power of 0.8.
        seed: of the simulations; ``None`` takes a fresh one.

    Returns:
        The proportion of simulations in which the test found something, with Wilson's 95% interval for its error.

    Raises:
        ValueError: for less than one simulation, and for p values that are NaN or no probability.

    >>> from scipy.stats import mannwhitneyu
    >>> def waiting_times(rng):
    ...     return rng.exponential(1.0, size=40), rng.exponential(1.8, size=40)
    >>> print(power_by_simulation_ci(waiting_times, mannwhitneyu, n_simulations=400, seed=0))
    The estimate is 0.580, with a 95% confidence interval from 0.531 to 0.627 (Wilson score).
    """
    check_alpha(alpha)
    check_whole("n_simulations", n_simulations, at_least=1, advice="2,000 is a good number")
    check_callable("simulate", simulate, "lambda rng: rng.normal(size=20)")
    check_callable("test", test, "scipy.stats.ttest_ind")
    rng = generator_of(seed)
    found = 0
    for _ in range(n_simulations):
        data = simulate(rng)
        result = test(*data) if isinstance(data, tuple) else test(data)
        p_value = getattr(result, "p_value", getattr(result, "pvalue", result))
        if not is_number(p_value) or not 0 <= p_value <= 1:
            raise ValueError(
                f"expected test to give a p value from 0 to 1, got {brief(p_value)}; look at what simulate draws"
            )
        found += p_value <= alpha + rounding(alpha)
    return proportion_ci(found, n_simulations)


def _result(design: PowerDesign, n: int, difference: float) -> SampleSize:
    kind, power = design.kind, design.power(n, difference)
    return SampleSize(n, kind.unit, difference, power, design.alpha, kind.test, design.name, dict(design.assumed))

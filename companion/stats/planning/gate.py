"""Ship the new model, hold it, or label more before deciding?"""

import math
from dataclasses import dataclass
from reprlib import repr as brief

from matplotlib.axes import Axes
from scipy.special import ndtri

from companion.checks import check_whole, is_number
from companion.stats.base.intervals import Interval, interval_of
from companion.stats.base.options import CLOSEST, check_between
from companion.stats.base.result import Result

#: No error falls further by labeling: that would take a million million times the labels.
LARGEST_RATIO = 1e6


@dataclass(frozen=True)
class Gate(Result):
    """A decision on a release; ``print`` shows it with its reason.

    Attributes:
        decision: ``"ship"``, ``"hold"`` or ``"label"``.
        labels_more: examples to label before the next look; 0 unless the decision is ``"label"``.
        reason: why, in words.
        difference: new minus old, with the interval that decided: two-sided, each side at the risk of this look.
        margin: the loss that does not count, in the metric's unit; a negative one is the gain that is asked for.
    """

    decision: str
    labels_more: int
    reason: str
    difference: Interval
    margin: float

    def __str__(self) -> str:
        verb = f"Label {self.labels_more:,} more" if self.decision == "label" else self.decision.capitalize()
        return f"{verb}: {self.reason}."

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the difference, and what has to lie left of its interval: the margin, or the gain that is asked for."""
        axes = self.difference.plot(axes)
        name = "gain asked for" if self.margin < 0 else "margin"
        axes.axvline(-self.margin, color="C3", linestyle="--", label=f"{name}, {-self.margin:g}")
        axes.set(xlabel=f"new minus old, {100 * self.difference.level:g}% confidence interval", title=str(self))
        axes.legend()
        return axes


def release_gate(
    difference: Result,
    *,
    n: int,
    margin: float,
    risk: float = 0.05,
    look: int = 1,
    looks: int = 2,
    label_cost: float = 1.0,
    budget: float = math.inf,
    power: float = 0.8,
) -> Gate:
    r"""Decides on a release from the difference of two models on the same examples.

    The rule, with the interval's bounds moved to the one-sided level :math:`1 - \text{risk} / \text{looks}`:

    1. The lower bound lies above ``-margin``: ship.
    2. The upper bound lies below ``-margin``: hold.
    3. This was the last look, or the estimate :math:`\hat d` itself lies at or below ``-margin``: hold.
    4. Else label more, if the budget allows, or hold. So many that, were the true difference the estimate, the next
       look would ship with probability ``power``:

       .. math:: N = n \left(\frac{(z_\text{risk} + z_\text{power}) \, \text{SE}}{\hat d + \text{margin}}\right)^2 - n

    Say before the first look how many there may be: the risk is split among them (Bonferroni), so that a model that is
    worse by the margin or more is shipped with probability ``risk`` at most, whatever the numbers labeled. Call again
    with all the labels so far and the next ``look``. With the default, risk 0.05 and two looks, the bounds are
    those of a 95% interval, as :func:`companion.stats.compare_paired` gives; else they are moved by normal quantiles.

    Where the new model costs more, better is not enough: it has to pay. With :math:`r` requests a month, a cost
    :math:`c` of a wrong answer and :math:`s` more a month for serving, a gain in accuracy of :math:`s / (r c)` breaks
    even. Give that as a *negative* margin; rule 1 is then the same as a net gain whose lower bound lies above zero.

    Simulated for accuracy with :func:`companion.stats.compare_paired`, 10% of examples in dispute, margin 0.02, 20,000
    more labels at most (1,500 runs each; the same with 5% and margin 0.01). Share shipped, and mean number of labels:

    ==================  =============  =============  =============
    true difference     1 look at 500  2 looks, 200   2 looks, 500
    ==================  =============  =============  =============
    -0.04               0.001, 500     0.003, 691     0.000, 804
    -0.02, the margin   0.055, 500     0.039, 1,414   0.039, 2,161
    0                   0.391, 500     0.568, 1,619   0.753, 2,412
    +0.02               0.875, 500     0.899, 984     0.982, 927
    +0.04               0.997, 500     0.986, 426     1.000, 512
    ==================  =============  =============  =============

    At the next look 0.73 to 0.99 of models as good as the old one or better were shipped where 0.8 was wanted. A
    model on the margin itself may ask for many labels: the budget is there for that.

    Args:
        difference: new minus old: an :class:`companion.stats.Interval`, or a result that holds one, such as
            ``compare_paired(y, new, old)`` or ``mean_ci(score_new - score_old)``. Higher must be better.
        n: examples it was made from.
        margin: the largest loss that does not count, in the metric's unit; 0 asks for an improvement, and a negative
            margin for an improvement by more than its size (the break-even gain above).
        risk: probability, over all looks, of shipping a model that is worse by the margin.
        look: which look this is, from 1.
        looks: how many there are at most.
        label_cost: cost of labeling an example, in any currency.
        budget: what may still be spent on labels, in that currency.
        power: wanted probability of shipping at the next look.

    Raises:
        ValueError: for a result without exactly one interval, ``n`` below 2, a margin that is no finite number, a risk
            outside (0, 0.5), a look beyond ``looks``, a cost that is not positive, a negative budget.

    >>> from companion.stats.estimates.means import mean_ci
    >>> gains = [0.1, -0.2, 0.3, 0.0, 0.2, -0.1, 0.1, 0.2, -0.2, 0.1]
    >>> gate = release_gate(mean_ci(gains), n=10, margin=0.05, label_cost=2.5, budget=500)
    >>> gate.decision, gate.labels_more
    ('label', 21)

    A gain of 0.006 breaks even where 900 more a month buy fewer errors of 3 among 50,000 requests:

    >>> from companion.stats.base.intervals import Interval
    >>> gain = Interval(0.007, 0.0011, 0.0128, 0.95, "paired")
    >>> release_gate(gain, n=1_000, margin=-900 / (50_000 * 3), label_cost=0.5, budget=5_000).decision
    'hold'
    """
    interval = interval_of(difference)
    _check(n, margin, risk, look, looks, label_cost, budget, power)
    z = -float(ndtri(risk / looks))
    moved = z / float(ndtri((1 + interval.level) / 2))
    low = interval.estimate - moved * (interval.estimate - interval.low)
    high = interval.estimate + moved * (interval.high - interval.estimate)
    used = Interval(interval.estimate, low, high, 1 - 2 * risk / looks, interval.method)
    decision, labels_more, reason = "hold", 0, ""
    if low > -margin:
        decision, reason = "ship", f"the new model is {_passing(low, margin)}"
    elif high < -margin:
        reason = f"the new model is {_failing(margin)}"
    elif look == looks:
        reason = f"after the last look it may still be {_failing(margin)}"
    elif interval.estimate <= -margin:
        reason = f"by the estimate itself it is {_failing(margin)}, so that more labels would hardly help"
    else:
        ratio = (1 + float(ndtri(power)) / z) * (interval.estimate - low) / (interval.estimate + margin)
        decision, labels_more, reason = _label(n, ratio, label_cost, budget, power)
    return Gate(decision, labels_more, f"{reason}; the difference is {used.in_words()}", used, margin)


def _passing(low: float, margin: float) -> str:
    if margin < 0:
        return f"better by more than the {-margin:g} asked for"
    return "better" if low > 0 else f"not worse by more than the margin {margin:g}"


def _failing(margin: float) -> str:
    if margin < 0:
        return f"short of the gain of {-margin:g} asked for"
    return f"worse by more than the margin {margin:g}" if margin else "no better"


def _label(n: int, ratio: float, label_cost: float, budget: float, power: float) -> tuple[str, int, str]:
    """Decides between labeling more, so that the error falls by ``ratio``, and holding."""
    if not ratio <= LARGEST_RATIO:
        return "hold", 0, "too few labels to tell, and the estimate lies too near to the margin for more to show it"
    labels_more = math.ceil(n * (ratio**2 - 1))
    cost = f"{labels_more:,} more labels would cost {labels_more * label_cost:,.6g}"
    if labels_more * label_cost > budget:
        return "hold", 0, f"too few labels to tell, and {cost}, more than the budget of {budget:,.6g}"
    return (
        "label",
        labels_more,
        f"too few to tell; {cost} and show it with probability {power:g} if the estimate is true",
    )


def _check(
    n: int, margin: float, risk: float, look: int, looks: int, label_cost: float, budget: float, power: float
) -> None:
    check_between("risk", risk, 0, 0.5)
    check_between("power", power, 0.5, 1 - CLOSEST)
    check_between("label_cost", label_cost, 0, math.inf)
    check_whole("n", n, at_least=2, advice="it is the number of examples of the difference")
    check_whole("look", look, at_least=1, advice="the first one is 1")
    check_whole("looks", looks, at_least=1, advice="it is how many looks there are at most")
    if not is_number(margin) or not math.isfinite(margin):
        raise ValueError(
            f"expected margin to be a finite number, got {brief(margin)}; it is the loss that does not count (0.01, "
            "say), or below 0 the gain that is asked for"
        )
    if risk / looks < CLOSEST:
        raise ValueError(f"expected risk of at least {CLOSEST} for each look, got {risk} for {brief(looks)}; raise it")
    if look > looks:
        raise ValueError(
            f"expected look from 1 to looks, got {look} of {looks}; a look that was not planned has used up the risk: "
            "collect new examples and start again"
        )
    if not is_number(budget) or budget < 0:
        raise ValueError(f"expected a budget of 0 or more, got {brief(budget)}; infinity, the default, sets no limit")

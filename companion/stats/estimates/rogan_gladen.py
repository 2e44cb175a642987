r"""A proportion that a judge has counted, corrected for the judge's errors, which a sample of its own has shown."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import ndtri

from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import check_binary, check_two_classes
from companion.stats.base.options import check_level

Vector = Float[np.ndarray, " examples"]


@dataclass(frozen=True)
class _Proportion:
    """A proportion and the variance of its estimate."""

    value: float
    variance: float

    @classmethod
    def of(cls, right: Vector, *, added: float) -> "_Proportion":
        """With ``added`` observations more, half of them right."""
        n = len(right) + added
        value = float(right.sum() + added / 2) / n
        return cls(value, value * (1 - value) / n)


@same_examples("labels", "judged_labeled")
def rogan_gladen_ci(
    labels: ArrayLike, judged_labeled: ArrayLike, judged_unlabeled: ArrayLike, *, level: float = 0.95
) -> Interval:
    r"""The proportion of right answers that only a judge has seen, corrected for its sensitivity and specificity.

    People's labels on examples of their own say how often the judge passes what is right (sensitivity :math:`s`) and
    fails what is wrong (specificity :math:`c`). Of :math:`N` other examples it passes a proportion :math:`a`, of which
    right answers are a part only: :math:`a = \pi s + (1 - \pi)(1 - c)`, so that

    .. math:: \hat\pi = \frac{\hat a + \hat c - 1}{\hat s + \hat c - 1}

    cut at 0 and 1. The interval holds all :math:`\pi` within 0 and 1 for which this equation may be true, by Fieller's
    theorem:

    .. math:: \big(\tilde a + \tilde c - 1 - \pi (\tilde s + \tilde c - 1)\big)^2 \le z^2 \big(v_a + \pi^2 v_s +
              (1 - \pi)^2 v_c\big), \qquad v_x = \frac{\tilde x (1 - \tilde x)}{\tilde n_x}

    The tildes are Lang and Reiczigel's: two observations are added to each of the samples behind :math:`s` and
    :math:`c`, and :math:`z^2` to that behind :math:`a`, half of them right. Theirs is a normal interval around a
    shifted center, which is too narrow where the judge is hardly better than chance; this one then reaches from 0 to 1.

    The labeled examples may be chosen as you like by their labels, half of them wrong ones for instance, where
    :func:`companion.stats.prediction_powered_ci` needs a random sample. The price is an assumption that no data here
    can test: that the judge errs as often on the unlabeled right (and wrong) answers as on the labeled ones. It fails
    where these are harder, longer, or another model's. Where the labels are a random sample of all examples, take
    :func:`companion.stats.prediction_powered_ci`, which needs no such thing.

    Coverage at 95%, 100 to 10,000 unlabeled examples, proportions from 0.02 to 0.995 (4,000 samples each): 0.94 to 1
    with 3 labeled answers of each kind or more, also for judges hardly better than chance, of which it then says
    little. With 2 wrong answers, sensitivity 0.99 and specificity 0.3 it was 0.83. Few wrong answers make it wide:
    label 20 at least. Examples must be independent: there is no form for clusters.

    Args:
        labels: what people say, 1 for right and 0 for wrong ``[n]``; both must be there.
        judged_labeled: the judge's verdicts on the same examples, 1 or 0 ``[n]``.
        judged_unlabeled: its verdicts on other examples, whose proportion is in question ``[N]``.
        level: intended coverage.

    Raises:
        ValueError: for NaN, values other than 0 and 1, other lengths, labels of one class only, a judge that passes
            right answers no more often than wrong ones.

    Source:
        Rogan and Gladen 1978, *American Journal of Epidemiology* 107; Lang and Reiczigel 2014, *Preventive Veterinary
        Medicine* 113; Fieller 1954, *Journal of the Royal Statistical Society B* 16.

    >>> labels, judged = [1] * 40 + [0] * 40, [1] * 38 + [0] * 2 + [1] * 12 + [0] * 28
    >>> print(rogan_gladen_ci(labels, judged, [1] * 640 + [0] * 360))
    The estimate is 0.52, with a 95% confidence interval from 0.38 to 0.66 (Rogan-Gladen, Fieller's bounds).
    """
    y, f = as_numbers(labels=labels, judged_labeled=judged_labeled)
    (more,) = as_numbers(judged_unlabeled=judged_unlabeled)
    purpose = "a judge's errors"
    check_binary(purpose, labels=y, judged_labeled=f, judged_unlabeled=more)
    check_two_classes(purpose, labels=y)
    check_level(level)
    sensitivity, specificity = float(f[y == 1].mean()), float(1 - f[y == 0].mean())
    if sensitivity + specificity <= 1:
        raise ValueError(
            "expected a judge that passes right answers more often than wrong ones, got "
            f"{sensitivity:.3g} and {1 - specificity:.3g} of them; check that 1 means right in both columns"
        )
    estimate = float(np.clip((more.mean() + specificity - 1) / (sensitivity + specificity - 1), 0, 1))
    z = float(ndtri((1 + level) / 2))
    passed = _Proportion.of(more, added=z**2)
    low, high = _fieller(passed, _Proportion.of(f[y == 1], added=2), _Proportion.of(1 - f[y == 0], added=2), z)
    return Interval.around(estimate, low, high, level, "Rogan-Gladen, Fieller's bounds", within=(0, 1))


def _fieller(passed: _Proportion, right: _Proportion, wrong: _Proportion, z: float) -> tuple[float, float]:
    """Where the quadratic in the distance from its center is at most 0: anywhere, if the judge may go by chance."""
    youden = right.value + wrong.value - 1
    square = youden**2 - z**2 * (right.variance + wrong.variance)
    if square <= 0 or youden <= 0:
        return 0.0, 1.0
    center = (passed.value + wrong.value - 1) / youden
    linear = z**2 * (center * right.variance - (1 - center) * wrong.variance)
    constant = z**2 * (passed.variance + center**2 * right.variance + (1 - center) ** 2 * wrong.variance)
    middle, half_width = center + linear / square, np.sqrt(linear**2 + square * constant) / square
    return float(middle - half_width), float(middle + half_width)

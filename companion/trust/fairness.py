r"""Whom a model fails: metrics by group, a gap between groups with an interval that covers, and what cannot be had."""

import math
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Shaped
from numpy.typing import ArrayLike

from companion.checks import check_one_of, is_number
from companion.stats import Interval, proportion_ci, proportion_difference_ci, sample_size
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_binary, as_groups
from companion.stats.base.options import check_between, check_level

GroupMetric = Literal["selection_rate", "accuracy", "fpr", "fnr", "ppv"]


@same_examples("y_true", "y_pred", "groups")
def group_metrics(y_true: ArrayLike, y_pred: ArrayLike, groups: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """Metrics of each group, each with Wilson's interval.

    Args:
        y_true: 0 and 1, or booleans ``[examples]``.
        y_pred: decisions, 0 and 1 or booleans ``[examples]``.
        groups: of each example, as text or numbers; whoever has none is a group of its own, or is left out by you.
        level: intended coverage of each interval.

    Returns:
        A frame with a row for each group and metric, and the columns ``estimate``, ``low``, ``high`` and ``n``, the
        number of examples that the metric is about. They are all for ``selection_rate`` and ``accuracy``, those of
        class 0 for ``fpr``, those of class 1 for ``fnr``, those selected for ``ppv``. Where there are none, it is NaN.

    Raises:
        ValueError: for values other than 0 and 1, missing ones, columns of several lengths or other indexes.
    """
    check_level(level)
    y, d, g = _columns(y_true, y_pred, groups)
    rows = []
    for group in np.unique(g):
        for metric in get_args(GroupMetric):
            hits, about = _events(metric, y, d)
            n, k = int((about & (g == group)).sum()), int((hits & about & (g == group)).sum())
            interval = proportion_ci(k, n, level=level) if n else None
            bounds = (interval.estimate, interval.low, interval.high) if interval else (math.nan,) * 3
            rows.append((group, metric, *bounds, n))
    columns = ["group", "metric", "estimate", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns).set_index(["group", "metric"])


@same_examples("y_true", "y_pred", "groups")
def gap_ci(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    groups: ArrayLike,
    *,
    metric: GroupMetric = "selection_rate",
    level: float = 0.95,
) -> Interval:
    r"""The largest difference of a metric between two groups, with an interval that covers a gap of 0 too.

    The estimate, a maximum, is above 0 in almost every sample although all groups be equal, and a bootstrap of it
    never says 0. Here all pairs of groups get intervals at once (Newcombe's, each at
    :math:`1 - \alpha / \tbinom{k}{2}`). If all of them cover, the true gap lies between the largest lower bound of a
    difference, or 0, and the largest upper one: the interval is conservative.

    Args:
        y_true: 0 and 1, or booleans ``[examples]``; not used for ``selection_rate``.
        y_pred: decisions, 0 and 1 or booleans ``[examples]``.
        groups: of each example, two or more.
        metric: ``selection_rate``, ``accuracy``, ``fpr``, ``fnr`` or ``ppv``.
        level: intended coverage.

    Raises:
        ValueError: for fewer than two groups, a group that the metric says nothing of, values other than 0 and 1,
            missing ones, columns of several lengths or other indexes.

    Source:
        Newcombe 1998 for a pair; Bonferroni's inequality for all.

    >>> y = [0, 1] * 200
    >>> print(gap_ci(y, [1] * 150 + [0] * 50 + [1] * 120 + [0] * 80, ["a"] * 200 + ["b"] * 200))
    The estimate is 0.150, with a 95% confidence interval from 0.058 to 0.238 (pairs of groups by Newcombe, Bonferroni).
    """
    check_level(level)
    check_one_of("metric", metric, get_args(GroupMetric))
    y, d, g = _columns(y_true, y_pred, groups)
    names = np.unique(g)
    if len(names) < 2:
        raise ValueError(f"expected two groups or more, got {names.tolist()}")
    hits, about = _events(metric, y, d)
    counts = [(int((hits & about & (g == name)).sum()), int((about & (g == name)).sum())) for name in names]
    if empty := [str(name) for name, (_, n) in zip(names, counts, strict=True) if not n]:
        raise ValueError(f"expected examples that {metric} is about in each group, got none in {empty[0]}")
    pairs = list(combinations(counts, 2))
    each = 1 - (1 - level) / len(pairs)
    found = [proportion_difference_ci(*a, *b, level=each) for a, b in pairs]
    estimate = max(abs(one.estimate) for one in found)
    low = max(0.0, max(max(one.low, -one.high) for one in found))
    high = max(max(one.high, -one.low) for one in found)
    return Interval.around(estimate, low, high, level, "pairs of groups by Newcombe, Bonferroni", within=(0.0, 1.0))


def impossibility(prevalence: float, *, ppv: float, fnr: float) -> float:
    r"""The false positive rate that a group must have, given the rest.

    .. math:: \text{FPR} = \frac{p}{1 - p} \cdot \frac{1 - \text{PPV}}{\text{PPV}} \cdot (1 - \text{FNR})

    Two groups of different prevalence :math:`p` therefore cannot have equal PPV, equal FNR and equal FPR, unless nobody
    of class 0 is selected.

    Args:
        prevalence: proportion of class 1 in the group.
        ppv: proportion of class 1 among those selected.
        fnr: proportion of class 1 that was not selected.

    Raises:
        ValueError: for a prevalence or a PPV outside (0, 1), an FNR outside [0, 1], or values that no decisions have
            together: of so many selected that are of class 0, there are not as many.

    Source:
        Chouldechova 2017, equation 2.6.

    >>> round(impossibility(1901 / 3696, ppv=1369 / 2174, fnr=532 / 1901), 4)  # COMPAS, Black defendants
    0.4485
    """
    check_between("prevalence", prevalence, 0, 1)
    check_between("ppv", ppv, 0, 1)
    if not is_number(fnr) or not 0 <= fnr <= 1:
        raise ValueError(f"expected fnr in [0, 1], got {fnr!r}")
    fpr = prevalence / (1 - prevalence) * (1 - ppv) / ppv * (1 - fnr)
    if fpr > 1:
        raise ValueError(f"expected values that go together, got a false positive rate of {fpr:.3g}: raise ppv or fnr")
    return fpr


def n_for_gap(rate: float, gap: float, *, share: float = 0.5, power: float = 0.8, alpha: float = 0.05) -> int:
    """How many examples, of all groups together, find a gap between the smallest group and the rest.

    The smaller the group, the more of all others come with it; what counts is how many of *it* there are.

    Args:
        rate: of the rest.
        gap: of the group above the rest; negative below it.
        share: proportion of the group among all examples.
        power: probability to find the gap.
        alpha: of the two-sided test.

    Raises:
        ValueError: for rates outside (0, 1), no gap, or a share outside (0, 1).

    >>> n_for_gap(0.2, 0.05), n_for_gap(0.2, 0.05, share=0.02)
    (2188, 27909)
    """
    check_between("share", share, 0, 1)
    equal = sample_size("proportions", gap, share=rate, power=power, alpha=alpha).n
    # The variance of a difference between parts s and 1 - s of n is 1 / (4 s (1 - s)) times that between its halves.
    return math.ceil(2 * equal / (4 * share * (1 - share)))


def _columns(
    y_true: ArrayLike, y_pred: ArrayLike, groups: ArrayLike
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"], Shaped[np.ndarray, " n"]]:
    y, d = as_binary("metrics by group", y_true=y_true, y_pred=y_pred)
    codes, names = as_groups("groups", groups, len(y))
    return y, d, names[codes]


def _events(
    metric: str, y: Shaped[np.ndarray, " n"], d: Shaped[np.ndarray, " n"]
) -> tuple[Shaped[np.ndarray, " n"], Shaped[np.ndarray, " n"]]:
    """What is counted, and among which examples."""
    everybody = np.ones(len(y), dtype=bool)
    return {
        "selection_rate": (d, everybody),
        "accuracy": (d == y, everybody),
        "fpr": (d, ~y),
        "fnr": (~d, y),
        "ppv": (y, d),
    }[metric]

"""Is model A really better than model B? Both on the same examples, so that what is hard for both cancels."""

import numpy as np
from jaxtyping import Shaped
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from companion.stats.base.comparison import Comparison
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import as_labels, as_scores
from companion.stats.base.options import check_one_of, generator_of
from companion.stats.base.ties import rounding
from companion.stats.compare.mcnemar import mid_p, paired_interval
from companion.stats.metrics.auc import delong
from companion.stats.metrics.counts import Table
from companion.stats.metrics.metrics import METRICS, check_classes
from companion.stats.resampling.bootstrap import blocks

LEVEL = 0.95
N_RESAMPLES = 9_999

Column = Shaped[np.ndarray, " examples"]


@same_examples("y_true", "pred_a", "pred_b")
def compare_paired(
    y_true: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike, *, metric: str = "accuracy", seed: int | None = None
) -> Comparison:
    """Compares two models on the same independent examples: the difference with a 95% interval, and a test.

    - ``accuracy``: McNemar's test, exact with mid-p (Fagerland, Lydersen and Laake 2013), which looks only at examples
      where one model alone is right; the interval of Bonett and Price (2012). Simulated for 20 to 1,000 examples with 4
      to 15% of them in dispute: level up to 0.051, coverage from 0.948 up, towards 1 where few are in dispute.
    - ``auc``: DeLong's test (1988). Simulated level 0.025 to 0.065, from 10 examples of each class on.
    - other metrics: counts of the joint table (truth, a, b) are resampled for the interval, as in
      :func:`companion.stats.metric_ci` (with more than two classes by percentiles), and examples are given to the
      models by a coin for the test. For ``f1`` with 50 to 1,000 examples: level up to 0.058, also where equal F1 comes
      from different precision and recall; coverage from 0.939 up.

    Interval and test are two procedures, so that near p = 0.05 they may disagree: for accuracy in 0 to 6% of simulated
    samples. Decide beforehand which one counts.

    Args:
        y_true: true labels ``[examples]``, as for :func:`companion.stats.metric_ci`.
        pred_a: predicted labels of model a ``[examples]``; for ``auc`` its scores.
        pred_b: those of model b on the same examples in the same order.
        metric: as for :func:`companion.stats.metric_ci`.
        seed: of the resampling, which accuracy and AUC do without; ``None`` takes a fresh one.

    Raises:
        ValueError: as :func:`companion.stats.metric_ci`; and where the models never differ, but for accuracy.
    """
    check_one_of("metric", metric, METRICS)
    if metric == "auc":
        truth, a, b = as_scores(metric, y_true, pred_a=pred_a, pred_b=pred_b)
        return _compare_auc(truth, a, b)
    truth, a, b = as_labels(y_true=y_true, pred_a=pred_a, pred_b=pred_b)
    check_classes(metric, y_true=truth, pred_a=a, pred_b=b)
    if metric in ("accuracy", "micro_f1"):
        return _compare_accuracy(truth == a, truth == b)
    return _compare_counts(metric, Table.of(truth, a, b), generator_of(seed))


def _compare_accuracy(right_a: Column, right_b: Column) -> Comparison:
    only_a, only_b = (np.sum(one & ~other) for one, other in ((right_a, right_b), (right_b, right_a)))
    estimate, low, high = (float(value) for value in paired_interval(len(right_a), only_a, only_b, LEVEL))
    difference = Interval(estimate, low, high, LEVEL, "Bonett-Price, paired")
    return Comparison(difference, float(mid_p(only_a, only_b)), "McNemar, exact mid-p")


def _compare_auc(truth: Column, a: Column, b: Column) -> Comparison:
    (area_a, area_b), covariance = delong(truth, a, b)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if error < 1e-12:
        raise ValueError(
            f"expected models whose difference varies over the examples, got the same for all (areas {area_a:.4g} and "
            f"{area_b:.4g}): DeLong's test has no variance to go by; add examples"
        )
    difference = float(area_a - area_b)
    half_width = float(ndtri((1 + LEVEL) / 2) * error)
    low, high = max(-1.0, difference - half_width), min(1.0, difference + half_width)
    p_value = float(2 * ndtr(-abs(difference) / error))
    return Comparison(Interval(difference, low, high, LEVEL, "DeLong, paired"), p_value, "DeLong")


def _compare_counts(metric: str, table: Table, rng: np.random.Generator) -> Comparison:
    metric_a, metric_b = table.metric(metric, column=1), table.metric(metric, column=2)
    observed = (metric_a(table.counts) - metric_b(table.counts)).item()
    resampled = table.resampled(lambda counts: metric_a(counts) - metric_b(counts), N_RESAMPLES, rng)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    law = "counts from Jeffreys' posterior" if table.n_classes == 2 else "multinomial counts"
    difference = Interval(observed, low, high, LEVEL, f"{law}, {N_RESAMPLES:,} resamples")
    return Comparison(difference, _randomisation_p(metric, table, observed, rng), "paired randomisation")


def _randomisation_p(metric: str, table: Table, observed: float, rng: np.random.Generator) -> float:
    """How often a difference at least as large comes up when a coin decides, for each example, which model said what.

    Of the examples in a cell a binomial number is swapped, so that no row is handled (Noreen 1989, chapter 2).
    """
    doubled = Table(np.tile(table.counts, 2), np.hstack([table.classes, table.classes[[0, 2, 1]]]), table.n_classes)
    metric_a, metric_b = doubled.metric(metric, column=1), doubled.metric(metric, column=2)
    as_large, width = 0, rounding(1.0, table.n_classes)  # metrics lie between -1 and 1
    for size in blocks(N_RESAMPLES, len(doubled.counts)):
        swaps = rng.binomial(table.counts, 0.5, size=(size, len(table.counts)))
        counts = np.hstack([table.counts - swaps, swaps])
        as_large += int(np.sum(np.abs(metric_a(counts) - metric_b(counts)) >= abs(observed) - width))
    return (1 + as_large) / (1 + N_RESAMPLES)

"""Is model A really better than model B? Both on the same examples, so that what is hard for both cancels."""

from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Shaped
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import t

from companion.checks import check_one_of
from companion.stats.base.comparison import Comparison, SizedComparison
from companion.stats.base.frames import same_columns, same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import as_clusters, as_labels, as_scores
from companion.stats.base.options import check_level, check_n_resamples, generator_of
from companion.stats.base.ties import rounding
from companion.stats.compare.mcnemar import mid_p, paired_interval
from companion.stats.compare.permutation import permutation_test
from companion.stats.metrics.auc import auc_influence, delong
from companion.stats.metrics.clusters import standard_error, sums_of
from companion.stats.metrics.counts import COUNT_METRICS, Table
from companion.stats.metrics.losses import Compared, of_examples
from companion.stats.metrics.metrics import METRICS, check_classes
from companion.stats.metrics.numbers import REGRESSION_METRICS
from companion.stats.metrics.probabilities import PROBABILITY_METRICS
from companion.stats.resampling.bootstrap import blocks

Column = Shaped[np.ndarray, " examples"]


@same_examples("y_true", "pred_a", "pred_b", "clusters")
@same_columns("pred_a", "pred_b")
def compare_paired(
    y_true: ArrayLike,
    pred_a: ArrayLike,
    pred_b: ArrayLike,
    *,
    metric: str = "accuracy",
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
    clusters: ArrayLike | None = None,
) -> Comparison:
    """Compares two models on the same examples, alone or in ``clusters``: the difference with its interval, and a test.

    - ``accuracy``: McNemar's test, exact with mid-p (Fagerland, Lydersen and Laake 2013), which looks only at examples
      where one model alone is right; the interval of Bonett and Price (2012). Simulated for 20 to 1,000 examples with 4
      to 15% of them in dispute: level up to 0.051, coverage from 0.948 up, toward 1 where few are in dispute.
    - ``auc``: DeLong's test (1988). Simulated level 0.025 to 0.065, from 10 examples of each class on.
    - other metrics of labels: counts of the joint table (truth, a, b) are resampled for the interval, as in
      :func:`companion.stats.metric_ci` (with more than two classes by percentiles), and examples are given to the
      models by a coin for the test. For ``f1`` with 50 to 1,000 examples: level up to 0.058, also where equal F1 comes
      from different precision and recall; coverage from 0.939 up.
    - ``brier``, ``log_loss``, ``mae``, ``rmse``, ``r2``: means of losses, or functions of such means. The test and the
      interval are those of :func:`companion.stats.permutation_test` for pairs of losses: examples are given to the
      models by a coin, and Student's interval is that of the jackknife's pseudo-values. Simulated for heavy-tailed
      errors and for noisy probabilities, 30 and 200 examples (500 samples each): coverage 0.93 to 0.96, for ``r2`` 0.97
      to 0.99; level 0.04 to 0.07.

    With ``clusters`` the test gives whole clusters to the models by a coin, and the interval is Student's of the
    jackknife's pseudo-values of clusters; of ``auc`` both are Student's, from how much each cluster moves the areas.
    Simulated for 20 and 50 clusters of 1 to 9 examples that are alike: coverage 0.92 to 0.98, level up to 0.07.

    Interval and test are two procedures, so that near p = 0.05 they may disagree: for accuracy in 0 to 6% of simulated
    samples. Decide beforehand which one counts.

    Args:
        y_true: true labels or values ``[examples]``, as for :func:`companion.stats.metric_ci`.
        pred_a: what model a predicts, as the metric wants it: labels, scores, probabilities or numbers.
        pred_b: the same of model b on the same examples in the same order.
        metric: as for :func:`companion.stats.metric_ci`, but for ``average_precision`` and ``calibration_error``.
        level: intended coverage of the interval.
        n_resamples: of the resampling, which accuracy and AUC do without.
        seed: of the resampling; ``None`` takes a fresh one.
        clusters: the cluster of each example, as numbers or text; whole clusters are drawn independently.

    Raises:
        ValueError: as :func:`companion.stats.metric_ci`; and where the models never differ, but for accuracy without
            ``clusters``.

    >>> y, new, old = [2.0, 3.1, 4.7, 1.2, 5.0], [2.1, 3.0, 4.4, 1.3, 5.2], [2.5, 2.7, 5.2, 0.8, 5.9]
    >>> print(compare_paired(y, new, old, metric="mae"))
    The difference, a minus b, is -0.38, with a 95% confidence interval from -0.62 to -0.14 (Student's t of the pairs);
    p = 0.062 (paired permutations, all 32); the standardized difference is -1.98.
    """
    check_one_of("metric", metric, (*METRICS, *PROBABILITY_METRICS, *REGRESSION_METRICS))
    check_level(level)
    check_n_resamples(n_resamples)
    if metric == "auc":
        truth, a, b = as_scores(metric, y_true, pred_a=pred_a, pred_b=pred_b)
        if clusters is not None:
            return _compare_auc_in_clusters(truth, a, b, as_clusters(clusters, len(truth)), level)
        return _compare_auc(truth, a, b, level)
    if metric in COUNT_METRICS:
        y_true, pred_a, pred_b = truth, *predicted = as_labels(y_true=y_true, pred_a=pred_a, pred_b=pred_b)
        check_classes(metric, y_true=truth, pred_a=predicted[0], pred_b=predicted[1])
    if clusters is None and metric in ("accuracy", "micro_f1"):
        return _compare_accuracy(truth == predicted[0], truth == predicted[1], level)
    if clusters is None and metric in COUNT_METRICS:
        return _compare_counts(metric, Table.of(truth, *predicted), level, n_resamples, generator_of(seed))
    compared = of_examples if clusters is None else partial(_of_clusters, clusters=clusters)
    x, y, value = compared(metric, y_true, pred_a, pred_b)
    found = permutation_test(x, y, paired=True, statistic=value, level=level, n_resamples=n_resamples, seed=seed)
    return found if clusters is None else _of_whole_clusters(found, len(x))


def _of_clusters(
    metric: str, y_true: ArrayLike, pred_a: ArrayLike, pred_b: ArrayLike, *, clusters: ArrayLike
) -> Compared:
    a = sums_of(metric, y_true, pred_a, clusters, called="pred_a", beside=pred_b)
    b = sums_of(metric, y_true, pred_b, clusters, called="pred_b", beside=pred_a)
    return a.rows, b.rows, a.value


def _of_whole_clusters(found: SizedComparison, n_clusters: int) -> SizedComparison:
    """The same numbers, whose methods say what was exchanged."""
    difference = replace(found.difference, method=f"Student's t of {n_clusters:,} clusters")
    return replace(found, difference=difference, test=f"{found.test}, of whole clusters")


def _compare_accuracy(right_a: Column, right_b: Column, level: float) -> Comparison:
    only_a, only_b = (np.sum(one & ~other, keepdims=True) for one, other in ((right_a, right_b), (right_b, right_a)))
    estimate, low, high = (value.item() for value in paired_interval(len(right_a), only_a, only_b, level))
    difference = Interval(estimate, low, high, level, "Bonett-Price, paired")
    return Comparison(difference, mid_p(only_a, only_b).item(), "McNemar, exact mid-p")


def _compare_auc(truth: Column, a: Column, b: Column, level: float) -> Comparison:
    (area_a, area_b), covariance = delong(truth, a, b)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if error < 1e-12:
        raise ValueError(
            f"expected models whose difference varies over the examples, got the same for all (areas {area_a:.4g} and "
            f"{area_b:.4g}): DeLong's test has no variance to go by; add examples"
        )
    difference = float(area_a - area_b)
    half_width = float(ndtri((1 + level) / 2) * error)
    low, high = difference - half_width, difference + half_width
    p_value = float(2 * ndtr(-abs(difference) / error))
    interval = Interval.around(difference, low, high, level, "DeLong, paired", within=(-1, 1))
    return Comparison(interval, p_value, "DeLong")


def _compare_auc_in_clusters(truth: Column, a: Column, b: Column, codes: Column, level: float) -> Comparison:
    """By the influences of each cluster's examples, summed (Obuchowski 1997, *Biometrics* 53)."""
    (area_a, of_a), (area_b, of_b) = auc_influence(truth, a), auc_influence(truth, b)
    difference, degrees = area_a - area_b, int(codes.max())
    error = standard_error(np.bincount(codes, of_a - of_b) / len(truth))
    if error < 1e-12:
        raise ValueError(
            f"expected models whose difference varies over the clusters, got the same for all (areas {area_a:.4g} and "
            f"{area_b:.4g}): there is no variance to go by; add clusters"
        )
    half_width = float(t.ppf((1 + level) / 2, degrees)) * error
    method = f"cluster-robust, t of {degrees + 1:,} clusters"
    interval = Interval.around(
        difference, difference - half_width, difference + half_width, level, method, within=(-1, 1)
    )
    return Comparison(interval, float(2 * t.sf(abs(difference) / error, degrees)), method)


def _compare_counts(metric: str, table: Table, level: float, n_resamples: int, rng: np.random.Generator) -> Comparison:
    metric_a, metric_b = table.metric(metric, column=1), table.metric(metric, column=2)
    observed = (metric_a(table.counts) - metric_b(table.counts)).item()
    resampled = table.resampled(lambda counts: metric_a(counts) - metric_b(counts), n_resamples, rng)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2]).tolist()
    drawn = "counts from Jeffreys' posterior" if table.n_classes == 2 else "multinomial counts"
    difference = Interval.around(observed, low, high, level, f"{drawn}, {n_resamples:,} resamples")
    return Comparison(difference, _randomization_p(metric, table, observed, n_resamples, rng), "paired randomization")


def _randomization_p(metric: str, table: Table, observed: float, n_resamples: int, rng: np.random.Generator) -> float:
    """How often a difference at least as large comes up when a coin decides, for each example, which model said what.

    Of the examples in a cell a binomial number is swapped, so that no row is handled (Noreen 1989, chapter 2).
    """
    doubled = Table(np.tile(table.counts, 2), np.hstack([table.classes, table.classes[[0, 2, 1]]]), table.n_classes)
    metric_a, metric_b = doubled.metric(metric, column=1), doubled.metric(metric, column=2)
    as_large, width = 0, rounding(1.0, table.n_classes)  # metrics lie between -1 and 1
    for size in blocks(n_resamples, len(doubled.counts)):
        swaps = rng.binomial(table.counts, 0.5, size=(size, len(table.counts)))
        counts = np.hstack([table.counts - swaps, swaps])
        as_large += int(np.sum(np.abs(metric_a(counts) - metric_b(counts)) >= abs(observed) - width))
    return (1 + as_large) / (1 + n_resamples)

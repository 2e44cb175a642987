"""Metrics of a model's predictions with their intervals."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import ArrayLike

from companion.checks import check_one_of
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval, wilson
from companion.stats.base.labels import as_clusters, as_labels, as_scores, check_binary, check_two_classes
from companion.stats.base.options import check_level, check_n_resamples, generator_of
from companion.stats.estimates.bounded import bounded_interval
from companion.stats.metrics.auc import auc_interval
from companion.stats.metrics.clusters import rank_interval, sums_of
from companion.stats.metrics.counts import BINARY_METRICS, COUNT_METRICS, Table
from companion.stats.metrics.numbers import REGRESSION_METRICS, regression_interval
from companion.stats.metrics.precision_recall import average_precision_interval
from companion.stats.metrics.probabilities import PROBABILITY_METRICS, probability_interval
from companion.stats.probabilities.calibration import reliability
from companion.stats.resampling.bounds import bca_bounds, percentile_bounds

#: Of labels and ranks: the metrics in which :func:`companion.stats.compare_paired` compares, too.
METRICS = (*COUNT_METRICS, "auc")

#: From real scores to the interval, for metrics that look at nothing but their order.
_OF_RANKS = {"auc": auc_interval, "average_precision": average_precision_interval}

ALL_METRICS = (*COUNT_METRICS, *_OF_RANKS, *PROBABILITY_METRICS, "calibration_error", *REGRESSION_METRICS)

Labels = Shaped[np.ndarray, " examples"]

#: The examples among which a metric is the proportion of right predictions.
_SHARE_OF: dict[str, Callable[[Labels, Labels], Bool[np.ndarray, " examples"]]] = {
    "accuracy": lambda y_true, y_pred: np.ones(len(y_true), dtype=bool),
    "micro_f1": lambda y_true, y_pred: np.ones(len(y_true), dtype=bool),
    "precision": lambda y_true, y_pred: y_pred == 1,
    "recall": lambda y_true, y_pred: y_true == 1,
    "specificity": lambda y_true, y_pred: y_true == 0,
}


@same_examples("y_true", "y_pred", "clusters")
def metric_ci(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    metric: str = "accuracy",
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
    clusters: ArrayLike | None = None,
) -> Interval:
    """A metric of predictions with its interval, on independent examples or on examples in ``clusters``.

    The methods, each chosen by simulating its coverage at 95%, with what the runner-up reached:

    - ``accuracy``, ``precision``, ``recall``, ``specificity`` are proportions: Wilson's score interval. Over true
      values from 0.5 to 0.99 its exact coverage for 100 examples is 0.95 on average and 0.92 at worst; the textbook's
      ``p ± 1.96 SE`` has 0.93 and 0.63. ``micro_f1`` of one label an example *is* the accuracy.
    - ``f1``, ``balanced_accuracy``, ``macro_f1`` and ``mcc`` (Matthews' correlation coefficient) are functions of the
      confusion counts: the counts are resampled, never the rows. With two classes the tables come from Jeffreys'
      posterior: 0.93 to 0.97 from 50 to 1,000 examples, at least 10 of each class, recall and specificity from 0.7 to
      0.97 (1,500 tables each; ``mcc`` 0.92 to 0.96, 600 tables each). Multinomial tables, which amount to a bootstrap
      of rows, fall to 0.63 where few errors are expected in a class.
    - With more classes tables are multinomial and the bounds BCa: 0.93 to 0.97 with at least 30 examples of each class,
      but 0.88 to 0.90 where a small class shows no error. There, collect more examples of that class.
    - ``auc``: DeLong's variance on the logit scale: 0.93 to 0.97 with at least 20 examples of each class and an area up
      to 0.92 (1,500 samples each), 0.90 to 0.98 beyond; untransformed 0.88 to 0.95, and from 0.68 beyond.
    - ``average_precision``: the variance of its influence function on the logit scale, Student's quantiles for the size
      of the rarer class: 0.92 to 0.98 with at least 100 examples, 10 positives and a value up to 0.96 (1,500 samples
      each), 0.91 to 0.99 beyond; untransformed from 0.80.
    - ``brier``, ``log_loss``: the studentized bootstrap on the logit or log scale: 0.92 to 0.96 with at least 100
      examples, calibrated or overconfident, two classes or four (400 to 1,000 samples each); BCa 0.88 to 0.95.
    - ``calibration_error``: the debiased root mean square of :func:`companion.stats.reliability` in 15 bins, for which
      1,000 examples are enough. It is no mean absolute difference, as the usual ECE is.
    - ``mae``, ``rmse``, ``r2``: the studentized bootstrap on a log scale: 0.92 to 0.96 with at least 100 examples,
      errors normal, Laplace, Student's with 5 degrees of freedom or exponential (1,000 samples each); 0.89 to 0.95 with
      50; BCa 0.88 to 0.95 with 100.

    The studentized bootstrap gives way to Student's quantiles on the same scale beyond 5,000 examples.

    Where examples come in clusters (patients, documents, users), all of these are too short: of clusters of 1 to 9
    examples that are alike they hold the truth in 0.63 to 0.95. So name the ``clusters``. Proportions get the interval
    of :func:`companion.stats.clustered_proportion_ci`, the other metrics Student's on the logit scale (``mcc``:
    Fisher's; ``log_loss``, ``mae``, ``rmse`` and 1 - ``r2``: the logarithmic one), from how much each cluster moves the
    metric: 0.90 to 0.98 with 20 clusters, 0.92 to 0.98 with 50.

    Args:
        y_true: true labels ``[examples]``: whole numbers, booleans or text; 0 and 1 for the binary metrics, ``auc`` and
            ``average_precision``; the number of the class, from 0, for rows of probabilities; real numbers for ``mae``,
            ``rmse`` and ``r2``.
        y_pred: predicted labels ``[examples]``; for ``auc`` and ``average_precision`` real scores, higher meaning more
            likely 1; for ``brier``, ``log_loss`` and ``calibration_error`` probabilities of class 1 ``[examples]``, or
            of every class ``[examples, classes]``; for ``mae``, ``rmse`` and ``r2`` real numbers.
        metric: ``accuracy``, ``micro_f1``, ``balanced_accuracy``, ``macro_f1``, ``mcc`` (any classes); ``precision``,
            ``recall``, ``specificity``, ``f1``, ``auc``, ``average_precision`` (class 1 is the positive one);
            ``brier``, ``log_loss``, ``calibration_error`` (of probabilities); ``mae``, ``rmse``, ``r2`` (of numbers).
        level: intended coverage.
        n_resamples: tables (or weights) drawn, where the method resamples; the bounds then vary by about 1% of the
            width between seeds.
        seed: of the resampling; ``None`` takes a fresh one.
        clusters: the cluster of each example, as numbers or text; whole clusters are drawn independently. Nothing is
            then resampled.

    Raises:
        ValueError: for columns of other lengths, empty or missing values, NaN scores, fractions as labels, labels other
            than 0 and 1 in a binary metric, one class only (but for accuracy), a metric that the predictions leave
            undefined, labels of three or more classes without any error (or any hit) in ``balanced_accuracy``,
            ``macro_f1`` and ``mcc``, probabilities outside [0, 1] or whose row does not sum to one, losses or errors
            that are all equal, fewer than 2 clusters (with the rarer class, for ranks), clusters that all leave the
            metric the same (but for proportions), clusters with ``calibration_error``, an unknown metric, a level
            outside (0, 1), ``n_resamples`` below 1. Messages name the first row.

    >>> print(metric_ci([0, 1, 1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 0, 1, 1, 1]))
    The estimate is 0.75, with a 95% confidence interval from 0.41 to 0.93 (Wilson score).
    """
    check_one_of("metric", metric, ALL_METRICS)
    check_level(level)
    check_n_resamples(n_resamples)
    if clusters is not None:
        return _in_clusters(metric, y_true, y_pred, clusters, level)
    if metric == "calibration_error":
        return reliability(y_true, y_pred, level=level).error
    if metric in _OF_RANKS:
        truth, scores = as_scores(metric, y_true, y_pred=y_pred)
        return _OF_RANKS[metric](truth, scores, level=level)
    if metric in PROBABILITY_METRICS:
        return probability_interval(metric, y_true, y_pred, level=level, n_resamples=n_resamples, seed=seed)
    if metric in REGRESSION_METRICS:
        truth, predicted = as_numbers(at_least=2, y_true=y_true, y_pred=y_pred)
        return regression_interval(metric, truth, predicted, level=level, n_resamples=n_resamples, seed=seed)
    truth, predicted = as_labels(y_true=y_true, y_pred=y_pred)
    check_classes(metric, y_true=truth, y_pred=predicted)
    if metric in _SHARE_OF:
        return _share_interval(metric, truth, predicted, level)
    return _counts_interval(metric, Table.of(truth, predicted), level, n_resamples, seed)


def check_classes(metric: str, **columns: Labels) -> None:
    """Refuses labels on which the metric is not defined; the first column holds the true ones."""
    if metric in BINARY_METRICS:
        check_binary(f"metric {metric!r}", ", or take 'balanced_accuracy' or 'macro_f1' for many classes", **columns)
    if metric not in ("accuracy", "micro_f1"):
        name, truth = next(iter(columns.items()))
        check_two_classes(f"metric {metric!r}", ", or take 'accuracy'", **{name: truth})
    for name, values in columns.items():
        if metric == "precision" and not (values == 1).any():
            raise ValueError(f"expected {name} to hold a 1 for metric 'precision', got none; lower the threshold")
        if metric == "mcc" and (values == values[0]).all():
            raise ValueError(
                f"expected {name} to hold at least two classes for metric 'mcc', got only {values[0].item()!r}: a "
                "constant has no correlation; move the threshold, or take 'accuracy'"
            )


def _share_interval(metric: str, truth: Labels, predicted: Labels, level: float) -> Interval:
    among = _SHARE_OF[metric](truth, predicted)
    return wilson(int((truth == predicted)[among].sum()), int(among.sum()), level=level)


def _in_clusters(metric: str, y_true: ArrayLike, y_pred: ArrayLike, clusters: ArrayLike, level: float) -> Interval:
    if metric == "calibration_error":
        raise ValueError("expected metric 'calibration_error' without clusters, got clusters; take 'brier' for them")
    if metric in _OF_RANKS:
        truth, scores = as_scores(metric, y_true, y_pred=y_pred)
        return rank_interval(metric, truth, scores, as_clusters(clusters, len(truth)), level=level)
    if metric in COUNT_METRICS:
        y_true, y_pred = truth, predicted = as_labels(y_true=y_true, y_pred=y_pred)
        check_classes(metric, y_true=truth, y_pred=predicted)
        if metric in _SHARE_OF:
            among = _SHARE_OF[metric](truth, predicted)
            codes = as_clusters(as_clusters(clusters, len(truth))[among], int(among.sum()))
            return bounded_interval((truth == predicted)[among].astype(float), clusters=codes, level=level)
    return sums_of(metric, y_true, y_pred, clusters).interval(level=level)


def _counts_interval(metric: str, table: Table, level: float, n_resamples: int, seed: int | None) -> Interval:
    value = table.metric(metric)
    estimate = value(table.counts).item()
    resampled = table.resampled(value, n_resamples, generator_of(seed))
    if table.n_classes == 2:
        low, high = percentile_bounds(resampled, level=level)
        return Interval.around(
            estimate, low, high, level, f"counts from Jeffreys' posterior, {n_resamples:,} resamples"
        )
    low, high = bca_bounds(estimate, resampled, *table.left_out(value), level=level)
    return Interval.around(estimate, low, high, level, f"multinomial counts, BCa, {n_resamples:,} resamples")

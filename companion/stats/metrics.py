"""Metrics of a classifier with their intervals."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Shaped
from numpy.typing import ArrayLike

from companion.stats.auc import auc_interval
from companion.stats.bootstrap import bca_bounds
from companion.stats.checks import (
    as_labels,
    as_scores,
    check_binary,
    check_level,
    check_n_resamples,
    check_one_of,
    check_two_classes,
)
from companion.stats.counts import BINARY_METRICS, COUNT_METRICS, Table
from companion.stats.intervals import Interval, wilson

METRICS = (*COUNT_METRICS, "auc")

Labels = Shaped[np.ndarray, " examples"]

#: The examples among which a metric is the share of right predictions.
_SHARE_OF: dict[str, Callable[[Labels, Labels], Bool[np.ndarray, " examples"]]] = {
    "accuracy": lambda y_true, y_pred: np.ones(len(y_true), dtype=bool),
    "precision": lambda y_true, y_pred: y_pred == 1,
    "recall": lambda y_true, y_pred: y_true == 1,
    "specificity": lambda y_true, y_pred: y_true == 0,
}


def metric_ci(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    metric: str = "accuracy",
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Interval:
    """A metric of predictions on independent examples, with its interval.

    The methods, each chosen by simulating its coverage at 95%, with what the runner-up reached:

    - ``accuracy``, ``precision``, ``recall``, ``specificity`` are shares: Wilson's score interval. Over true values
      from 0.5 to 0.99 its exact coverage for 100 examples is 0.95 on average and 0.92 at worst; the textbook's
      ``p ± 1.96 SE`` has 0.93 and 0.63.
    - ``f1``, ``balanced_accuracy``, ``macro_f1`` are functions of the confusion counts: the counts are resampled, never
      the rows. With two classes the tables come from Jeffreys' posterior: 0.93 to 0.97 from 50 to 1,000 examples, at
      least 10 of each class, recall and specificity from 0.7 to 0.97 (1,500 tables each). Multinomial tables, which
      amount to a bootstrap of rows, fall to 0.63 where few errors are expected in a class.
    - With more classes tables are multinomial and the bounds BCa: 0.93 to 0.97 with at least 30 examples of each class,
      but 0.88 to 0.90 where a small class shows no error. There, collect more examples of that class.
    - ``auc``: DeLong's variance on the logit scale: 0.93 to 0.97 with at least 20 examples of each class and an area up
      to 0.92 (1,500 samples each), 0.90 to 0.98 beyond; untransformed 0.88 to 0.95, and from 0.68 beyond.

    Examples must be independent: where they come in clusters (patients, documents, users), all of these are too short;
    give :func:`companion.stats.bootstrap_ci` a row for each cluster.

    Args:
        y_true: true labels ``[examples]``: whole numbers, booleans or text; 0 and 1 for the binary metrics and ``auc``.
        y_pred: predicted labels ``[examples]``; for ``auc`` real scores, higher meaning more likely 1.
        metric: ``accuracy``, ``balanced_accuracy``, ``macro_f1`` (any classes); ``precision``, ``recall``,
            ``specificity``, ``f1``, ``auc`` (class 1 is the positive one).
        level: intended coverage.
        n_resamples: tables drawn, where the method resamples; the bounds then vary by about 1% of the width between
            seeds.
        seed: of the resampling; ``None`` takes a fresh one.

    Raises:
        ValueError: for columns of other lengths, empty or missing values, NaN scores, fractions as labels, labels other
            than 0 and 1 in a binary metric, one class only (but for accuracy), a metric that the predictions leave
            undefined, an unknown metric, a level outside (0, 1), ``n_resamples`` below 1.
    """
    check_one_of("metric", metric, METRICS)
    check_level(level)
    check_n_resamples(n_resamples)
    if metric == "auc":
        truth, scores = as_scores(y_true, y_pred=y_pred)
        check_binary(metric, y_true=truth)
        check_two_classes(metric, truth)
        return auc_interval(truth, scores, level=level)
    truth, predicted = as_labels(y_true=y_true, y_pred=y_pred)
    check_classes(metric, y_true=truth, y_pred=predicted)
    if metric in _SHARE_OF:
        return _share_interval(metric, truth, predicted, level)
    return _counts_interval(metric, Table.of(truth, predicted), level, n_resamples, seed)


def check_classes(metric: str, **columns: Labels) -> None:
    """Refuses labels on which the metric is not defined; the first column holds the true ones."""
    if metric in BINARY_METRICS:
        check_binary(metric, **columns)
    if metric != "accuracy":
        check_two_classes(metric, next(iter(columns.values())))
    if metric == "precision":
        for name, values in columns.items():
            if not (values == 1).any():
                raise ValueError(f"expected {name} to hold a 1 for metric 'precision', got none; lower the threshold")


def _share_interval(metric: str, truth: Labels, predicted: Labels, level: float) -> Interval:
    among = _SHARE_OF[metric](truth, predicted)
    return wilson(int((truth == predicted)[among].sum()), int(among.sum()), level=level)


def _counts_interval(metric: str, table: Table, level: float, n_resamples: int, seed: int | None) -> Interval:
    value = table.metric(metric)
    estimate = value(table.counts).item()
    resampled = table.resampled(value, n_resamples, np.random.default_rng(seed))
    if table.n_classes == 2:
        low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2]).tolist()
        return Interval(estimate, low, high, level, f"counts from Jeffreys' posterior, {n_resamples:,} resamples")
    low, high = bca_bounds(estimate, resampled, *table.left_out(value), level=level)
    return Interval(estimate, low, high, level, f"multinomial counts, BCa, {n_resamples:,} resamples")

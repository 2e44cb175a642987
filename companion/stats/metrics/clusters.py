r"""Metrics of examples in clusters: by how much each cluster moves the metric, and Student's interval from that.

Most metrics are functions of sums, :math:`\theta = f(\mathbf{S})`, to which cluster :math:`g` adds its row
:math:`\mathbf{x}_g`, and which it moves by about :math:`u_g = \nabla f(\mathbf{S}) \cdot \mathbf{x}_g`. On a scale
:math:`h` that stretches the metric's bounded side (logarithm, logit, Fisher's), the interval of :math:`G` clusters is

.. math:: h^{-1}\Big(h(\hat\theta) \pm t_{G-1}\, h'(\hat\theta)\, s\Big), \qquad s^2 = \frac{G}{G - 1} \sum_g
    (u_g - \bar u)^2

(Liang and Zeger 1986, *Biometrika* 73). Metrics of ranks are no functions of sums: :math:`u_g` is then the sum of the
influences of a cluster's examples (Obuchowski 1997, *Biometrics* 53).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.stats import t

from companion.stats.base.checks import as_numbers
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import as_clusters
from companion.stats.metrics.auc import auc_influence
from companion.stats.metrics.counts import COUNT_METRICS, averaged_ratio
from companion.stats.metrics.losses import rows_of_losses, rows_of_numbers
from companion.stats.metrics.numbers import check_magnitudes
from companion.stats.metrics.precision_recall import average_precision
from companion.stats.metrics.probabilities import PROBABILITY_METRICS, losses
from companion.stats.resampling.smooth import (
    CORRELATION,
    LOG,
    LOG_UNEXPLAINED,
    Scale,
    logit_scale,
)

Labels = Shaped[np.ndarray, " examples"]
Codes = Int[np.ndarray, " examples"]
Sums = Float[np.ndarray, "*any columns"]

#: Metrics that rank, and the influence of each example on them.
INFLUENCES = {"auc": auc_influence, "average_precision": average_precision}


@dataclass(frozen=True)
class ClusterSums:
    """A metric of one model.

    Attributes:
        rows: what each cluster adds to the sums.
        value: the metric, from sums of rows.
        scale: where it is closer to normal.
    """

    rows: Float[np.ndarray, "clusters columns"]
    value: Callable[[Sums], Float[np.ndarray, "*any"]]
    scale: Scale

    def interval(self, *, level: float) -> Interval:
        """Student's, of whole clusters.

        Raises:
            ValueError: where the metric is the same whichever cluster is left out, as where there is no error at all.
        """
        sums = self.rows.sum(0)
        value, moves = float(self.value(sums)), self.rows @ self._slopes(sums)
        return student_interval(value, moves, self.scale, degrees=len(self.rows) - 1, level=level)

    def _slopes(self, sums: Float[np.ndarray, " columns"]) -> Float[np.ndarray, " columns"]:
        """By central differences; a sum of 0 has none, since no cluster adds to it."""
        step = np.diag(1e-5 * np.abs(sums))
        moved = self.value(sums + step) - self.value(sums - step)
        return np.divide(moved, 2 * step.sum(0), out=np.zeros_like(sums), where=sums != 0)


def student_interval(
    value: float, moves: Float[np.ndarray, " clusters"], scale: Scale, *, degrees: int, level: float
) -> Interval:
    """The interval of a metric that each cluster moves by so much.

    Raises:
        ValueError: where clusters do not differ.
    """
    error = standard_error(moves)
    if error <= 1e-8 * abs(value):
        raise ValueError(
            f"expected clusters that differ in how right they are, got {value:.4g} whichever is left out: no interval "
            "can come from them; collect more clusters, or take metric 'accuracy'"
        )
    half_width = t.ppf((1 + level) / 2, degrees) * error * scale.slope(np.array(value))
    with np.errstate(over="ignore"):  # what is not finite is refused below
        low, high = scale.back(scale.to(np.array(value)) + half_width * np.array([-1, 1]))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"expected clusters none of which decides alone, got no finite bound for {value:.4g}; collect more"
        )
    method = f"cluster-robust, {scale.name}, t of {len(moves):,} clusters"
    return Interval.around(value, low, high, level, method)


def standard_error(moves: Float[np.ndarray, " clusters"]) -> float:
    """Of a sum of what independent clusters add."""
    return float(np.sqrt(len(moves) * moves.var(ddof=1)))


def sums_of(
    metric: str,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    clusters: ArrayLike,
    *,
    called: str = "y_pred",
    beside: ArrayLike | None = None,
) -> ClusterSums:
    """The metric of labels (checked before), probabilities or numbers.

    ``called`` names the predictions in refusals; ``beside`` are another model's labels, whose classes have columns too.
    """
    if metric in COUNT_METRICS:
        truth, predicted = np.asarray(y_true), np.asarray(y_pred)
        names = np.unique(np.concatenate([truth, predicted, predicted if beside is None else np.asarray(beside)]))
        return _of_labels(metric, truth, predicted, as_clusters(clusters, len(truth)), names)
    if metric in PROBABILITY_METRICS:
        each, upper = losses(metric, y_true, y_pred, called=called)
        rows, value = rows_of_losses(each)
        scale = LOG if np.isinf(upper) else logit_scale(upper)
    else:
        truth, predicted = as_numbers(at_least=2, y_true=y_true, **{called: y_pred})
        check_magnitudes(metric, truth, predicted)
        rows, value = rows_of_numbers(metric, truth, predicted)
        scale = LOG_UNEXPLAINED if metric == "r2" else LOG
    codes = as_clusters(clusters, len(rows))
    with_sizes = np.column_stack([rows, np.ones(len(rows))])
    sums = np.stack([np.bincount(codes, column) for column in with_sizes.T], axis=1)
    return ClusterSums(sums, lambda sums: value(sums[..., :-1] / sums[..., -1:]), scale)


def _of_labels(
    metric: str, truth: Labels, predicted: Labels, codes: Codes, names: Shaped[np.ndarray, " classes"]
) -> ClusterSums:
    """Of each class: how many examples are right, there, and called so."""
    true, called = np.searchsorted(names, truth), np.searchsorted(names, predicted)
    n_clusters = int(codes.max()) + 1

    def counted(classes: Codes, among: Shaped[np.ndarray, " examples"]) -> Float[np.ndarray, "clusters classes"]:
        cells = codes[among] * len(names) + classes[among]
        return np.bincount(cells, minlength=n_clusters * len(names)).reshape(n_clusters, -1).astype(float)

    everywhere = np.ones(len(truth), dtype=bool)
    rows = np.hstack([counted(true, true == called), counted(true, everywhere), counted(called, everywhere)])
    scale = CORRELATION if metric == "mcc" else logit_scale()
    return ClusterSums(rows, lambda sums: averaged_ratio(metric, *np.split(sums, 3, axis=-1)), scale)


def rank_interval(metric: str, truth: Labels, scores: Labels, codes: Codes, *, level: float) -> Interval:
    """Of a metric of ranks, with as many degrees of freedom as clusters that hold the rarer class give.

    Raises:
        ValueError: for perfect separation, or a class that fewer than two clusters hold.
    """
    n_clusters = min(len(np.unique(codes[(truth == 1) == positive])) for positive in (True, False))
    if n_clusters < 2:
        raise ValueError(f"expected each class in at least 2 clusters for {metric!r}, got one in 1; add clusters")
    value, influence = INFLUENCES[metric](truth, scores)
    moves = np.bincount(codes, influence) / len(truth)
    return student_interval(value, moves, logit_scale(), degrees=n_clusters - 1, level=level)

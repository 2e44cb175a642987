"""Metrics of labels as functions of counts: of the confusion table, or of the joint table of two models' predictions.

Axis names: ``examples``; ``cells`` of the table, each a combination of a true and one or two predicted classes;
``classes``; ``tables``, any number of leading axes, one for each resample.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Real, Shaped

from companion.stats.base.labels import distinct
from companion.stats.resampling.bootstrap import BLOCK, blocks
from companion.stats.resampling.bounds import check_varies

Counts = Real[np.ndarray, "*tables cells"]
Values = Float[np.ndarray, "*tables"]
PerClass = Float[np.ndarray, "*tables classes"]
Ratios = Float[np.ndarray, "*tables ratios"]

#: Jeffreys' prior for each cell of a table of two classes.
JEFFREYS = 0.5


def _accuracy(hits: PerClass, true: PerClass, predicted: PerClass) -> tuple[Ratios, Ratios]:
    return hits.sum(-1, keepdims=True), true.sum(-1, keepdims=True)


def _correlation(hits: PerClass, true: PerClass, predicted: PerClass) -> tuple[Ratios, Ratios]:
    """Gorodkin (2004, *Computational Biology and Chemistry* 28): covariance of the classes, over their deviations."""
    n = true.sum(-1, keepdims=True)
    covariance = n * hits.sum(-1, keepdims=True) - (true * predicted).sum(-1, keepdims=True)
    # n² - Σ p², as a sum of products that rounding hardly makes negative
    spreads = [np.maximum((side * (n - side)).sum(-1, keepdims=True), 0) for side in (true, predicted)]
    return covariance, np.sqrt(spreads[0] * spreads[1])


#: From (hits, true, predicted), the examples of each class that are right, there, and called so, to the numerators and
#: denominators whose ratios are averaged. In binary metrics class 1 is the positive one.
_RATIOS: dict[str, Callable[[PerClass, PerClass, PerClass], tuple[Ratios, Ratios]]] = {
    "accuracy": _accuracy,
    "micro_f1": _accuracy,  # summed over classes, a wrong label is one false positive and one false negative
    "precision": lambda hits, true, predicted: (hits[..., 1:], predicted[..., 1:]),
    "recall": lambda hits, true, predicted: (hits[..., 1:], true[..., 1:]),
    "specificity": lambda hits, true, predicted: (hits[..., :1], true[..., :1]),
    "f1": lambda hits, true, predicted: (2 * hits[..., 1:], true[..., 1:] + predicted[..., 1:]),
    "balanced_accuracy": lambda hits, true, predicted: (hits, true),
    "macro_f1": lambda hits, true, predicted: (2 * hits, true + predicted),
    "mcc": _correlation,
}
COUNT_METRICS = tuple(_RATIOS)
BINARY_METRICS = ("precision", "recall", "specificity", "f1")


def averaged_ratio(name: str, hits: PerClass, true: PerClass, predicted: PerClass) -> Values:
    """The metric, from how many examples of each class are right, there, and called so."""
    above, below = _RATIOS[name](hits, true, predicted)
    ratios = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.asarray(ratios.sum(-1) / np.maximum((below > 0).sum(-1), 1))  # of one table NumPy makes a number


@dataclass(frozen=True)
class Table:
    """Counts of the combinations of classes that occur (of all combinations, where there are two classes).

    Attributes:
        counts: number of examples of each cell.
        classes: the class of each cell in each column: true, predicted (by a, by b).
        n_classes: number of classes; they are numbered from 0 in sorted order.
    """

    counts: Int[np.ndarray, " cells"]
    classes: Int[np.ndarray, "columns cells"]
    n_classes: int

    @classmethod
    def of(cls, *columns: Shaped[np.ndarray, " examples"]) -> "Table":
        """Counts the examples, a block at a time: the only pass over them."""
        names = np.unique(np.concatenate([distinct(column) for column in columns]))
        shape = (len(names),) * len(columns)
        cells = (
            np.ravel_multi_index(
                [np.searchsorted(names, column[start : start + BLOCK // 8]) for column in columns], shape
            )
            for start in range(0, len(columns[0]), BLOCK // 8)
        )
        if np.prod(shape, dtype=float) > BLOCK:  # too many for one counter each
            occupied, counts = np.unique(np.concatenate(list(cells)), return_counts=True)
            return cls(counts, np.array(np.unravel_index(occupied, shape)), len(names))
        counts = np.zeros(np.prod(shape), dtype=int)
        for block in cells:
            counts += np.bincount(block, minlength=len(counts))
        occupied = np.arange(len(counts)) if len(names) == 2 else np.flatnonzero(counts)
        return cls(counts[occupied], np.array(np.unravel_index(occupied, shape)), len(names))

    def metric(self, name: str, *, column: int = 1) -> Callable[[Counts], Values]:
        """The metric of the predictions in ``column``, as a function of counts of this table's cells.

        Classes without examples do not enter an average over classes, as in scikit-learn.
        """
        is_true, is_predicted = (np.eye(self.n_classes)[self.classes[k]] for k in (0, column))
        classes = self.n_classes
        sums = np.hstack([is_true * is_predicted, is_true, is_predicted])

        def value(counts: Counts) -> Values:
            summed = np.asarray(counts, dtype=float) @ sums  # one product: NumPy would copy integers for each of three
            return averaged_ratio(
                name, summed[..., :classes], summed[..., classes : 2 * classes], summed[..., 2 * classes :]
            )

        return value

    def resampled(self, value: Callable[[Counts], Values], n_resamples: int, rng: np.random.Generator) -> Values:
        r"""``value`` on tables that other samples of the same size might have given.

        Labels that are drawn independently make counts :math:`c` that follow the multinomial distribution, so whole
        tables are drawn at once and no row is: the time is that of the cells, whatever the number of examples. With two
        classes the distribution's probabilities are themselves drawn, from Jeffreys' posterior
        :math:`\mathrm{Dirichlet}(c + 1/2)`: an error that did not occur in the sample can then occur in a resample.
        With more classes most cells are empty for good, a half in each would swamp the data, and tables are drawn from
        :math:`\mathrm{Multinomial}(n, c / n)`.

        Raises:
            ValueError: where ``value`` is the same on all tables.
        """
        values = np.concatenate([value(self._draw(size, rng)) for size in blocks(n_resamples, self._numbers_each)])
        check_varies(values)
        return values

    def left_out(self, value: Callable[[Counts], Values]) -> tuple[Values, Int[np.ndarray, " occupied"]]:
        """``value`` with one example of each occupied cell left out, and the number of such examples."""
        occupied = np.flatnonzero(self.counts)
        without = [value(self.counts - np.eye(len(self.counts))[cell]) for cell in occupied]
        return np.array(without), self.counts[occupied]

    @property
    def _numbers_each(self) -> int:
        return max(len(self.counts), self.n_classes)

    def _draw(self, size: int, rng: np.random.Generator) -> Float[np.ndarray, "size cells"]:
        if self.n_classes == 2:  # a Dirichlet draw, but for its sum, which cancels in every metric
            return rng.standard_gamma(self.counts + JEFFREYS, size=(size, len(self.counts)))
        n = self.counts.sum()
        return rng.multinomial(n, self.counts / n, size=size).astype(float)

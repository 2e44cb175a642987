r"""One prediction from several models': a weighted average, with the weights that suit held-out data best.

.. math:: \hat{\mathbf{p}} = \sum_m w_m \mathbf{p}_m, \qquad w_m \ge 0, \quad \sum_m w_m = 1

where :math:`\mathbf{p}_m` is what model m predicts. The weights minimize the mean loss on data that no model was
trained on: held-out data, or out-of-fold predictions. (The weights of Breiman 1996, *Stacked regressions*, need not add
up to 1.) A convex combination of probabilities is a probability, and both losses are convex in the weights, so each
minimum is a least one. Axes: models, items, classes.

Stacking with a learner on top (Wolpert 1992, *Stacked generalization*) is scikit-learn's ``StackingClassifier`` and
``StackingRegressor``; :class:`companion.training.TorchClassifier` and :class:`companion.training.TorchRegressor` make
our models ready for them.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from companion.checks import check_one_of
from companion.stats.base.checks import as_ndarray
from companion.stats.base.frames import check_same_index

LossName = Literal["log_loss", "squared_error"]


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a weighted average.

    Attributes:
        values: one a model; they add up to 1.
        loss: of the average, on the data that the weights were fitted to; it promises a little too much for others.
        losses: of each model alone, on the same data.

    Example:
        >>> average = fit_weights([[1.0, 2.0, 4.0], [3.0, 2.0, 0.0]], [2.0, 2.0, 2.0], loss="squared_error")
        >>> average.values.round(2).tolist()
        [0.5, 0.5]
        >>> average.average([[5.0], [7.0]]).tolist()
        [6.0]
    """

    values: Float[np.ndarray, " models"]
    loss: float
    losses: Float[np.ndarray, " models"]

    def average(self, predictions: ArrayLike) -> Float[np.ndarray, "items ..."]:
        """The weighted average of the same models' predictions ``[models, items, ...]``, on these items or others.

        Raises:
            ValueError: for another number of models.
        """
        array = np.asarray(predictions)
        if len(array) != len(self.values):
            raise ValueError(f"expected predictions of {len(self.values)} models, got shape {list(array.shape)}")
        return np.average(array, axis=0, weights=self.values)


def fit_weights(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    loss: LossName = "log_loss",
) -> Weights:
    r"""The convex weights with the least mean loss of the weighted average.

    The squared error is a quadratic function of the weights, and its minimum is found exactly, by non-negative least
    squares. The log loss is met by Newton's method, each step of which is such a problem again (as in Kim et al. 2020,
    *A fast algorithm for maximum likelihood estimation of mixture proportions using sequential quadratic programming*).
    It ends within 1e-9 nats of the least loss.

    Args:
        predictions: ``[models, items, classes]``, of models that did not see these items in training: for ``log_loss``
            the probabilities of the classes; for ``squared_error`` numbers, without the last axis.
        targets: ``[items]``, the classes, counted from 0; or the numbers.
        loss: ``log_loss``, :math:`-\log \hat{p}_y` in nats; or ``squared_error``, :math:`(\hat{p} - y)^2`.

    Raises:
        ValueError: where shapes do not fit, indexes differ, a number is not finite, probabilities do not add up to 1, a
            target is no class, or all models give probability 0 to what happened.

    Example:
        >>> rain = [1, 0, 1, 1, 0]
        >>> ours, theirs = [0.9, 0.4, 0.8, 0.6, 0.2], [0.5, 0.1, 0.6, 0.9, 0.4]
        >>> weights = fit_weights([ours, theirs], rain, loss="squared_error")
        >>> bool(weights.loss <= weights.losses.min())  # the average is at least as good as the better one
        True
    """
    check_one_of("loss", loss, get_args(LossName))
    each = predictions if isinstance(predictions, list | tuple) else []
    check_same_index(targets=targets, **{f"predictions[{model}]": rows for model, rows in enumerate(each)})
    given, wanted = as_ndarray("predictions", predictions, dtype=float), as_ndarray("targets", targets, dtype=float)
    axes = 3 if loss == "log_loss" else 2
    if given.ndim != axes or wanted.shape != given.shape[1:2] or not given.size:
        shape = "[models, items, classes]" if axes == 3 else "[models, items]"
        raise ValueError(
            f"expected predictions of shape {shape} and targets of shape [items] with loss={loss!r}, "
            f"got {list(given.shape)} and {list(wanted.shape)}"
        )
    for name, array in (("predictions", given), ("targets", wanted)):
        if not np.isfinite(array).all():
            raise ValueError(f"expected finite {name}, got {(~np.isfinite(array)).sum()} NaN or infinite ones")
    if loss == "squared_error":
        errors = given.T - wanted[:, None]
        values = _least_squares(errors)
        return Weights(values, float(((errors @ values) ** 2).mean()), (errors**2).mean(axis=0))
    likelihoods = _likelihoods(given, wanted)
    values = _most_likely(likelihoods)
    with np.errstate(divide="ignore"):  # a model that rules out what happened has an infinite loss
        return Weights(values, _log_loss(likelihoods, values), -np.log(likelihoods).mean(axis=0))


def _likelihoods(
    probabilities: Float[np.ndarray, "models items classes"], targets: Shaped[np.ndarray, " items"]
) -> Float[np.ndarray, "items models"]:
    """The probability that each model gave to what happened."""
    if (probabilities < 0).any() or np.abs(probabilities.sum(axis=-1) - 1).max() > 1e-3:
        raise ValueError("expected probabilities that add up to 1 over the classes, got others: take softmax(logits)")
    n = probabilities.shape[-1]
    if not np.isin(targets, np.arange(n)).all():
        raise ValueError(f"expected targets to be classes from 0 to {n - 1}, got {sorted(set(targets.tolist()))[:7]}")
    likelihoods = probabilities[:, np.arange(len(targets)), targets.astype(int)].T
    if len(impossible := np.flatnonzero(likelihoods.max(axis=1) == 0)):
        raise ValueError(
            f"expected each item's class to be possible for some model, got probability 0 from all for item "
            f"{impossible[0]}: mix a little of the uniform distribution into the predictions"
        )
    return likelihoods


def _most_likely(likelihoods: Float[np.ndarray, "items models"]) -> Float[np.ndarray, " models"]:
    """The weights with the least log loss."""
    likelihoods = likelihoods / likelihoods.max(axis=1, keepdims=True)  # no matter to the weights, and none is tiny
    weights = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(100):  # in 20,000 problems made to be hard, none took more than 11
        ratios = likelihoods / (likelihoods @ weights)[:, None]
        if ratios.mean(axis=0).max() - 1 < 1e-9:  # by convexity, no less than how far the loss is from the least
            return weights
        # Up to a constant, the loss's quadratic approximation on the simplex is half the mean of (ratios @ w - 2)².
        step = _least_squares(ratios - 2) - weights
        size = 1.0
        while _log_loss(likelihoods, weights + size * step) > _log_loss(likelihoods, weights) + 1e-12:  # of rounding
            size /= 2
        weights = weights + size * step
    raise AssertionError("Newton's method did not come to an end")


def _log_loss(likelihoods: Float[np.ndarray, "items models"], weights: Float[np.ndarray, " models"]) -> float:
    with np.errstate(divide="ignore"):
        return float(-np.log(likelihoods @ weights).mean())


def _least_squares(errors: Float[np.ndarray, "items models"]) -> Float[np.ndarray, " models"]:
    """The convex weights with the least sum of ``(errors @ weights)²``.

    They are proportional to the non-negative u that minimizes ``|errors @ u|² + scale² (1 - sum(u))²``: for a given
    direction of u the best length leaves a sum that grows with the direction's error.
    """
    triangle = np.linalg.qr(errors).R  # has the same products, and no more rows than models
    scale = np.abs(triangle).max() or 1.0
    system = np.vstack([triangle / scale, np.ones(errors.shape[1])])
    u, _ = nnls(system, np.append(np.zeros(len(triangle)), 1.0))
    return u / u.sum()

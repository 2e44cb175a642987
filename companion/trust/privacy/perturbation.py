r"""Linear models that are private because noise is added once: to the finished weights, or to the sums they come from.

Both see each row's columns shortened to a length of at most :math:`R`, and both add Gaussian noise whose scale
:math:`\sigma` times the most that one row can move (the sensitivity) keeps :math:`(\epsilon, \delta)` exactly (Balle
and Wang 2018). Neighbors differ by one row that is there or not, as in :func:`companion.trust.epsilon`. They are what
DP-SGD has to beat: no steps, no batch, one number to choose.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression

from companion.stats.base.checks import as_ndarray
from companion.stats.base.frames import same_examples
from companion.stats.base.options import check_between, check_positive
from companion.trust.privacy.accountants import gaussian_delta


@same_examples("x", "y")
def output_perturbation(
    x: ArrayLike,
    y: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    length: float = 1.0,
    spread: float = 0.125,
    seed: int = 0,
) -> Float[np.ndarray, " columns"]:
    r"""Logistic regression, finished and then blurred: the minimum of a strictly convex loss moves little with a row.

    .. math:: \hat{\mathbf w} = \arg\min_{\mathbf w} \sum_i \ln(1 + e^{-y_i \mathbf w \cdot \mathbf x_i}) +
        \frac{\Lambda}{2} \lVert\mathbf w\rVert^2 + N(0, s^2 \mathbf I), \qquad s = \sigma R / \Lambda

    with :math:`y_i = \pm 1`. One row more or less moves the minimum by at most :math:`R / \Lambda`, because its
    gradient is no longer than :math:`R` and the loss is :math:`\Lambda`-strongly convex.

    Args:
        x: a row a person, [rows, columns]; rows longer than ``length`` are shortened. For a bias give a column of ones.
        y: 0 or 1, both of which occur, [rows].
        epsilon: of the promise.
        delta: of the promise.
        length: :math:`R`; a number that was not computed from these rows.
        spread: :math:`s`, the noise on a weight. It sets the penalty :math:`\Lambda = \sigma R / s`: less noise, more
            shrinking.
        seed: of the noise. Whoever knows it can take the noise away: keep it secret.

    Raises:
        ValueError: for shapes that do not fit, other labels, or a number outside its range.

    Source:
        Chaudhuri, Monteleoni and Sarwate 2011, algorithm 1 and corollary 8, who exchange a row of length 1 in a mean
        of :math:`n` losses with penalty :math:`\lambda`, hence :math:`2 / (n\lambda)`, and keep :math:`\delta = 0`
        with noise of another shape.

    >>> x = np.random.default_rng(0).normal(size=(5_000, 2))
    >>> weights = output_perturbation(x, x[:, 0] > 0, epsilon=1.0, delta=1e-5, length=2.0)
    >>> bool(weights[0] > 5 * abs(weights[1]))
    True
    """
    rows, labels = _checked(x, y, length)
    check_positive("spread", spread)
    sigma = _release(epsilon, delta)
    fitted = LogisticRegression(
        C=spread / (sigma * length), fit_intercept=False, solver="newton-cholesky", tol=1e-9
    ).fit(rows, labels)
    return fitted.coef_[0] + spread * np.random.default_rng(seed).normal(size=rows.shape[1])


@same_examples("x", "y")
def noisy_least_squares(
    x: ArrayLike, y: ArrayLike, *, epsilon: float, delta: float, length: float = 1.0, seed: int = 0
) -> Float[np.ndarray, " columns"]:
    r"""Least squares on labels of ±1, from sums that were blurred (sufficient statistics perturbation).

    .. math:: \hat{\mathbf w} = \big(\mathbf X^\top\mathbf X + \mathbf Z + 2 s\sqrt{d}\,\mathbf I\big)^{-1}
        \big(\mathbf X^\top\mathbf y + \mathbf z\big), \qquad s = \sigma R \sqrt{R^2 + 1}

    One row moves both sums together by at most :math:`R\sqrt{R^2 + 1}`. The ridge of :math:`2 s \sqrt d` is the
    largest eigenvalue of the noise :math:`\mathbf Z` on :math:`d` columns, so it keeps the matrix positive.

    Args:
        x: a row a person, [rows, columns]; rows longer than ``length`` are shortened. For a bias give a column of ones.
        y: 0 or 1, [rows].
        epsilon: of the promise.
        delta: of the promise.
        length: :math:`R`; a number that was not computed from these rows.
        seed: of the noise. Whoever knows it can take the noise away: keep it secret.

    Returns:
        Weights whose sign says the class, not probabilities.

    Raises:
        ValueError: as :func:`output_perturbation`.

    Source:
        Wang 2018, *Revisiting differentially private linear regression*. Its AdaSSP also spends a part of the promise
        on choosing the ridge; here that is fixed.

    >>> x = np.random.default_rng(0).normal(size=(5_000, 2))
    >>> weights = noisy_least_squares(x, x[:, 0] > 0, epsilon=1.0, delta=1e-5, length=2.0)
    >>> bool(weights[0] > 5 * abs(weights[1]))
    True
    """
    rows, labels = _checked(x, y, length)
    scale = _release(epsilon, delta) * length * np.hypot(length, 1)
    squares, products = _blurred(rows, labels, scale, seed)
    ridge = 2 * scale * np.sqrt(len(products))
    return np.linalg.solve(squares + ridge * np.eye(len(products)), products)


def _blurred(
    rows: Float[np.ndarray, "rows columns"], labels: Int[np.ndarray, " rows"], scale: float, seed: int
) -> tuple[Float[np.ndarray, "columns columns"], Float[np.ndarray, " columns"]]:
    """Sums of squares and of products with ±1; what stands above the diagonal once gets noise once."""
    rng, size = np.random.default_rng(seed), rows.shape[1]
    above = np.triu(rng.normal(0, scale, (size, size)))
    noise = above + np.triu(above, 1).T
    return rows.T @ rows + noise, rows.T @ (2.0 * labels - 1) + rng.normal(0, scale, size)


def _release(epsilon: float, delta: float) -> float:
    """The noise for one release, beside what one row can move."""
    check_positive("epsilon", epsilon)
    check_between("delta", delta, 0, 1)
    low = high = 1.0
    while gaussian_delta(epsilon, high) > delta:
        high *= 2
    while gaussian_delta(epsilon, low) < delta:
        low /= 2
    return float(brentq(lambda sigma: gaussian_delta(epsilon, sigma) - delta, low, high, xtol=1e-12))


def _checked(
    x: ArrayLike, y: ArrayLike, length: float
) -> tuple[Float[np.ndarray, "rows columns"], Int[np.ndarray, " rows"]]:
    """Rows of at most this length, and labels as whole numbers."""
    check_positive("length", length)
    rows, labels = as_ndarray("x", x, dtype=float), as_ndarray("y", y)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise ValueError(f"expected x [rows, columns] and y [rows], got shapes {rows.shape} and {labels.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("expected numbers in x, got some that are missing or infinite: fill them in first")
    if set(np.unique(labels)) != {0, 1}:
        raise ValueError(f"expected labels of 0 and 1 and both of them, got {np.unique(labels)[:5]}")
    long = np.linalg.norm(rows, axis=1, keepdims=True) / length
    return rows / np.maximum(long, 1), labels.astype(int)

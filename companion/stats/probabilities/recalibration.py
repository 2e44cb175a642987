r"""Maps, learned on held-out examples, that make predicted probabilities honest: a temperature, or a monotone curve.

Axis names: ``examples``; ``classes``; ``knots`` of a piecewise linear curve.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtri, softmax
from sklearn.isotonic import IsotonicRegression

from companion.stats.base.arrays import as_array, as_classes, as_probabilities
from companion.stats.base.frames import check_class_columns, same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.labels import check_two_classes
from companion.stats.base.options import check_level
from companion.stats.base.result import Result

Logits = Float[np.ndarray, "examples classes"]

#: With fewer, the steps of an isotonic fit are noise: see :func:`isotonic_scaling`.
LEAST_FOR_ISOTONIC = 200

#: The inverse temperature is sought within a factor of exp(30), 1e13, of one over the logits' usual size.
LOG_RANGE = 30.0


@dataclass(frozen=True)
class Temperature(Result):
    """A number by which to divide a model's logits.

    Attributes:
        temperature: above 1 where the model claims too much, with its interval.
        n_examples: held-out examples it was fitted to.
    """

    temperature: Interval
    n_examples: int

    def __str__(self) -> str:
        return f"Divide the logits by {self.temperature.in_words()}, fitted to {self.n_examples:,} examples."

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the temperature with its interval, and 1, at which nothing changes."""
        axes = super().plot(axes)
        axes.axvline(1, color="gray", linestyle="--", linewidth=1)
        return axes

    def apply(self, logits: ArrayLike) -> Float[np.ndarray, "examples ..."]:
        """Probabilities from logits, shaped as the logits are: softmax over classes, or sigmoid of a vector."""
        check_class_columns("logits", logits)
        array = as_array("logits", logits)
        probabilities = softmax(_of_classes(array) / self.temperature.estimate, axis=1)
        return probabilities if array.ndim == 2 else probabilities[:, 1]


@same_examples("logits", "labels")
def temperature_scaling(logits: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Temperature:
    r"""The temperature that makes held-out labels most likely.

    Minimizes over :math:`\beta = 1/T` the mean negative log-likelihood

    .. math::

        -\frac{1}{n} \sum_i \log \mathrm{softmax}(\beta z_i)_{y_i}, \qquad \text{with slope} \quad
        \frac{1}{n} \sum_i g_i,

        g_i = \mathrm{E}_{c \sim \mathrm{softmax}(\beta z_i)}[z_{ic}] - z_{i y_i}

    It is convex in :math:`\beta`, so the one root of the slope is the minimum. The class predicted stays the same, as
    does accuracy. The interval is that of an M-estimator, normal on the scale of :math:`\log T` and valid also where no
    temperature makes the model right: :math:`\mathrm{se}(\log T) = \sqrt{\sum_i g_i^2} \,/\, (\beta \sum_i
    \mathrm{Var}_i[z])`, the variances being those of the logits under :math:`\mathrm{softmax}(\beta z_i)`.

    Coverage at 95%, :math:`T` 0.7 to 3, 2 and 10 classes, 400 simulated samples each: 0.93 to 0.97 from 100 examples on
    (0.90 to 0.94 with 50), and 0.93 to 0.96 where no temperature makes the model right.
    Examples must be independent and not those that the model was trained on. Missing values are refused.

    Args:
        logits: of each class ``[examples, classes]``, or of class 1 against 0 ``[examples]``.
        labels: numbers of the true classes, counted from 0 ``[examples]``.
        level: intended coverage of the temperature's interval.

    Raises:
        ValueError: for NaN, other lengths, labels that are no class, less than 2 examples, and where no temperature is
            best: every example right by its largest logit, or logits that say nothing of the labels, or too little.

    Source:
        Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", *ICML*.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2_000, 3))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(1)  # softmax(z) is the truth
    >>> print(temperature_scaling(2 * z, y))
    Divide the logits by 1.91, with a 95% confidence interval from 1.77 to 2.06 (sandwich variance, log scale), fitted
    to 2,000 examples.
    """
    check_level(level)
    check_class_columns("logits", logits)
    array = as_array("logits", logits, at_least=2)
    gaps = _of_classes(array)
    classes = as_classes("labels", labels, like=gaps)
    gaps = gaps - gaps[np.arange(len(gaps)), classes, None]  # the true class has 0; only differences count
    log_inverse = _best(gaps)
    probabilities = softmax(np.exp(log_inverse) * gaps, axis=1)
    slopes = (probabilities * gaps).sum(1)
    variances = (probabilities * gaps**2).sum(1) - slopes**2
    error = np.sqrt((slopes**2).sum()) / (np.exp(log_inverse) * variances.sum())
    if error > LOG_RANGE:
        raise ValueError(
            f"expected logits that tell the temperature, got a standard error of {error:.3g} in its logarithm; add "
            "examples near the border between classes"
        )
    bounds = -log_inverse + ndtri((1 + level) / 2) * error * np.array([0, -1, 1])
    estimate, low, high = np.exp(bounds).tolist()
    return Temperature(Interval.around(estimate, low, high, level, "sandwich variance, log scale"), len(classes))


def _of_classes(logits: Float[np.ndarray, "examples ..."]) -> Logits:
    """A column a class; a vector holds the logits of class 1 against 0."""
    if logits.ndim > 2 or (logits.ndim == 2 and logits.shape[1] < 2):
        raise ValueError(
            f"expected logits as [examples], or [examples, classes] with at least 2 classes, got shape {logits.shape}; "
            "for a single column pass logits[:, 0]"
        )
    return logits if logits.ndim == 2 else np.stack([np.zeros_like(logits), logits], axis=1)


def _best(gaps: Logits) -> float:
    """The root of the slope in the logarithm of the inverse temperature."""
    unit = np.median(np.abs(gaps).max(1))
    if unit == 0:
        raise ValueError(
            "expected logits that differ between classes, got equal ones in most examples; check the model"
        )

    def slope(log_inverse: float) -> float:
        scaled = gaps / unit
        return float((softmax(np.exp(log_inverse) * scaled, axis=1) * scaled).sum(1).mean())

    if slope(-LOG_RANGE) >= 0:
        raise ValueError(
            "expected logits that are larger for the true classes, got none that help: no temperature is best; check "
            "that the columns are in the order of the labels"
        )
    if slope(LOG_RANGE) <= 0:
        raise ValueError(
            f"expected some of the {len(gaps):,} examples to be wrong by their largest logit, got all right: the best "
            "temperature would be 0; take examples that the model was not trained on, or more of them"
        )
    return float(brentq(slope, -LOG_RANGE, LOG_RANGE, xtol=1e-12)) - float(np.log(unit))


@dataclass(frozen=True)
class Isotonic(Result):
    """A monotone map of probabilities: linear between knots, constant beyond.

    Attributes:
        predicted: the knots' predicted probabilities, increasing.
        calibrated: the probabilities they are mapped to, never decreasing.
        n_examples: held-out examples it was fitted to.
    """

    predicted: tuple[float, ...]
    calibrated: tuple[float, ...]
    n_examples: int

    @property
    def frame(self) -> pd.DataFrame:
        """One row a knot."""
        return pd.DataFrame({"predicted": self.predicted, "calibrated": self.calibrated})

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the map beside the one that changes nothing, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        axes.plot([0, 1], [0, 1], color="gray", linewidth=1, linestyle="--", label="unchanged")
        knots = [0.0, *self.predicted, 1.0]
        axes.plot(knots, self.apply(np.array(knots)), marker="o", markersize=4, label="calibrated")
        axes.set(xlabel="predicted probability", ylabel="calibrated probability", xlim=(0, 1), ylim=(0, 1))
        axes.legend()
        return axes

    def __str__(self) -> str:
        return (
            f"A monotone map with {len(self.predicted):,} knots takes probabilities to between "
            f"{self.calibrated[0]:.3g} and {self.calibrated[-1]:.3g}, fitted to {self.n_examples:,} examples."
        )

    def apply(self, probabilities: ArrayLike) -> Float[np.ndarray, " examples"]:
        """Calibrated probabilities of class 1."""
        return np.interp(_of_one("probabilities", probabilities), self.predicted, self.calibrated)


@same_examples("probabilities", "labels")
def isotonic_scaling(probabilities: ArrayLike, labels: ArrayLike) -> Isotonic:
    r"""The never-decreasing map of probabilities of class 1 that is closest to held-out labels.

    Minimizes :math:`\sum_i (g(f_i) - y_i)^2` over all never-decreasing :math:`g`, by scikit-learn's
    ``IsotonicRegression``. It assumes no form, and pays with noise.
    For probabilities from Beta(2, 2) the root-mean-square distance of the map's probabilities from the true ones was,
    over 100 samples:

    ==================  ======  ====  ====  =====  =====  =====
    true temperature    before  n=50   200    500  1,000  5,000
    ==================  ======  ====  ====  =====  =====  =====
    1 (calibrated)       0.000  0.14  0.08   0.06   0.05   0.03
    1.5                  0.059  0.14  0.09   0.06   0.05   0.03
    2.5                  0.117  0.14  0.09   0.06   0.05   0.03
    ==================  ======  ====  ====  =====  =====  =====

    So a few hundred examples help only a model that is far off, and fewer than 200 are refused.

    It may give exactly 0 or 1, for which the log loss is infinite, and gives equal probabilities to examples that
    the model told apart. Missing values are refused.

    Args:
        probabilities: of class 1, on held-out examples ``[examples]``.
        labels: 0 or 1 ``[examples]``.

    Raises:
        ValueError: for fewer than 200 examples, labels of one class, NaN, other lengths, probabilities outside [0, 1]
            or of many classes, and where the map would be constant.

    Source:
        Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates", *KDD*.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(2_000)
    >>> curve = isotonic_scaling(p, rng.random(2_000) < p**2)
    >>> curve.apply([0.2, 0.5, 0.8]).round(2)
    array([0.04, 0.28, 0.68])
    """
    predicted = _of_one("probabilities", probabilities)
    classes = as_classes("labels", labels, like=predicted)
    if len(classes) < LEAST_FOR_ISOTONIC:
        raise ValueError(
            f"expected at least {LEAST_FOR_ISOTONIC} examples for an isotonic fit, got {len(classes)}: its steps would "
            "be noise; take temperature_scaling, or more examples"
        )
    check_two_classes("isotonic scaling", labels=classes)
    fit = IsotonicRegression(y_min=0, y_max=1).fit(predicted, classes)
    if fit.y_thresholds_[0] == fit.y_thresholds_[-1]:
        raise ValueError(
            "expected labels that are 1 more often where probabilities are high, got a constant as the best map; check "
            "that the probabilities are of class 1"
        )
    return Isotonic(tuple(fit.X_thresholds_.tolist()), tuple(fit.y_thresholds_.tolist()), len(classes))


def _of_one(name: str, values: ArrayLike) -> Float[np.ndarray, " examples"]:
    probabilities = as_probabilities(name, values)
    if probabilities.ndim != 1:
        raise ValueError(
            f"expected {name} of class 1 only, got shape {probabilities.shape}; pass {name}[:, 1], or for many classes "
            "take temperature_scaling"
        )
    return probabilities

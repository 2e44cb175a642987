r"""Scaling laws of losses, with intervals for exponents, predictions and compute-optimal sizes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from companion.stats.checks import as_numbers, check_differs, check_level
from companion.stats.intervals import Interval
from companion.stats.loglaw import LogLaw, Reduced, Theta, log_loss
from companion.stats.result import Result

#: How many times beyond the largest run (or below the smallest) a prediction is called an extrapolation.
EXTRAPOLATION = 10.0

METHOD = "profile of Huber's loss"


@dataclass(frozen=True)
class LossPrediction(Result):
    """The loss that a law expects at one size.

    Attributes:
        loss: with the interval of the law's value; a single run lies about it with the noise of its seed.
        beyond: how many times the size is beyond the data, at most over the columns; 1 within them.
    """

    loss: Interval
    beyond: float

    def __str__(self) -> str:
        return f"The law expects a loss of {_words(self.loss)}{_warning(self.beyond)}."


@dataclass(frozen=True)
class ComputeOptimal(Result):
    """The split of a training budget that a law expects the least loss from.

    Attributes:
        flops: the budget, in floating-point operations.
        parameters: of the model.
        tokens: to train on.
        loss: expected there.
        beyond: how many times the sizes are beyond the data, at most of the two; 1 within them.
    """

    flops: float
    parameters: Interval
    tokens: Interval
    loss: Interval
    beyond: float

    def __str__(self) -> str:
        return (
            f"Of {self.flops:.3g} FLOPs the law makes the most with {_words(self.parameters)} parameters and "
            f"{_words(self.tokens)} tokens, for a loss of {self.loss.estimate:.4g}{_warning(self.beyond)}."
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class ScalingLaw(Result):
    """What laws of one and of two sizes share: the loss that no size removes, and the noise.

    Attributes:
        irreducible: :math:`E`, in the loss's unit; from 0 where the data allow a law without it.
        noise_sd: robust standard deviation of runs about the law, as a share of the loss.
        law: the fit.
        centre: mean logarithm of each column.
    """

    irreducible: Interval
    noise_sd: float
    law: LogLaw = field(repr=False)
    centre: Float[np.ndarray, " columns"] = field(repr=False)

    def _predict(self, level: float, **sizes: float) -> LossPrediction:
        check_level(level)
        for name, size in sizes.items():
            if not 0 < size < np.inf:
                raise ValueError(f"expected {name} to be a positive number, got {size}")
        return LossPrediction(_loss_at(self.law, self._logs(sizes), level), self._beyond(sizes))

    def _logs(self, sizes: dict[str, float]) -> Float[np.ndarray, " columns"]:
        return np.log(list(sizes.values())) - self.centre

    def _beyond(self, sizes: dict[str, float]) -> float:
        logs = self._logs(sizes)
        return float(np.exp(max(0, *(logs - self.law.logs.max(1)), *(self.law.logs.min(1) - logs))))


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerLaw(ScalingLaw):
    r"""A law :math:`L = E + A x^{-\alpha}`, from :func:`companion.stats.power_law`.

    Attributes:
        coefficient: :math:`A`: what the law has above :math:`E` at a size of 1, in the loss's unit.
        exponent: :math:`\alpha`, without a unit.
    """

    coefficient: Interval
    exponent: Interval

    def __str__(self) -> str:
        return (
            f"The loss falls towards {_words(self.irreducible)} with the exponent {_words(self.exponent)}, over "
            f"{len(self.law.target):,} runs with noise of {100 * self.noise_sd:.2g}%."
        )

    def predict(self, x: float, *, level: float = 0.95) -> LossPrediction:
        """The loss at a size, in the unit of the sizes that were fitted."""
        return self._predict(level, x=x)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the runs and the law with its 95% interval, ten times beyond the largest run, on logarithmic axes."""
        axes = plt.subplots()[1] if axes is None else axes
        logs = self.law.logs[0]
        z = np.linspace(logs.min(), logs.max() + np.log(EXTRAPOLATION), 25)
        at = [_loss_at(self.law, np.array([place]), 0.95) for place in z]
        x = np.exp(z + self.centre[0])
        axes.fill_between(x, [i.low for i in at], [i.high for i in at], color="C1", alpha=0.2, label="95% interval")
        axes.plot(x, [i.estimate for i in at], color="C1", label="law")
        axes.plot(np.exp(logs + self.centre[0]), np.exp(self.law.target), "o", color="C0", markersize=4, label="runs")
        axes.set(xscale="log", yscale="log", xlabel="size [unit of x]", ylabel="loss")
        axes.legend()
        return axes


@dataclass(frozen=True, eq=False, kw_only=True)
class Chinchilla(ScalingLaw):
    r"""A law :math:`L = E + A / N^\alpha + B / D^\beta`, from :func:`companion.stats.chinchilla`.

    Attributes:
        coefficient_n: :math:`A`, in the loss's unit.
        exponent_n: :math:`\alpha` of the parameters.
        coefficient_d: :math:`B`, in the loss's unit.
        exponent_d: :math:`\beta` of the tokens.
    """

    coefficient_n: Interval
    exponent_n: Interval
    coefficient_d: Interval
    exponent_d: Interval

    def __str__(self) -> str:
        return (
            f"The loss falls towards {_words(self.irreducible)} with the exponents {_words(self.exponent_n)} of the "
            f"parameters and {_words(self.exponent_d)} of the tokens, over {len(self.law.target):,} runs with noise of "
            f"{100 * self.noise_sd:.2g}%."
        )

    def predict(self, parameters: float, tokens: float, *, level: float = 0.95) -> LossPrediction:
        """The loss of a model of ``parameters`` trained on ``tokens``."""
        return self._predict(level, parameters=parameters, tokens=tokens)

    def compute_optimal(self, flops: float, *, level: float = 0.95) -> ComputeOptimal:
        r"""Splits a budget of :math:`C = 6 N D` operations so that the loss is least.

        .. math:: N = G (C/6)^{\beta / (\alpha + \beta)}, \quad D = G^{-1} (C/6)^{\alpha / (\alpha + \beta)}, \quad
            G = (\alpha A / \beta B)^{1 / (\alpha + \beta)}

        (Hoffmann et al. 2022, equation 4.) The intervals are profiles of :math:`\log N`, so that those of parameters
        and tokens belong together: the upper end of one is the lower of the other.

        Args:
            flops: operations of the training, forward and backward.
            level: intended coverage.
        """
        check_level(level)
        if not 0 < flops < np.inf:
            raise ValueError(f"expected flops to be a positive number, got {flops}")
        budget = np.log(flops / 6) - self.centre.sum()  # centred, as the columns are

        def reduce(theta: Theta) -> Reduced:
            e, a, log_alpha, b, log_beta = theta
            alpha, beta = np.exp(np.minimum([log_alpha, log_beta], 5.0))
            log_n = (log_alpha - log_beta + a - b + beta * budget) / (alpha + beta)
            return log_n, np.array([e, a, log_alpha, log_beta])

        def expand(log_n: float, free: Theta) -> Theta:
            e, a, log_alpha, log_beta = free
            alpha, beta = np.exp(np.minimum([log_alpha, log_beta], 5.0))
            return np.array(
                [e, a, log_alpha, log_alpha - log_beta + a + beta * budget - log_n * (alpha + beta), log_beta]
            )

        log_n, low, high = self.law.profile(reduce, expand, level=level)
        logs = np.array([log_n, budget - log_n])
        n, d = np.exp(logs + self.centre)
        n_low, n_high = np.exp(np.array([low, high]) + self.centre[0])
        return ComputeOptimal(
            flops,
            Interval(float(n), float(n_low), float(n_high), level, METHOD),
            Interval(float(d), float(flops / 6 / n_high), float(flops / 6 / n_low), level, METHOD),
            _loss_at(self.law, logs, level),
            self._beyond({"parameters": n, "tokens": d}),
        )


def power_law(x: ArrayLike, loss: ArrayLike, *, level: float = 0.95) -> PowerLaw:
    r"""Fits :math:`L = E + A x^{-\alpha}` to the losses of several runs, such as over sizes of model or of data.

    COVERAGE_POWER

    Args:
        x: sizes of the runs ``[runs]``, positive.
        loss: their losses ``[runs]``, positive, all in one unit (nats or bits).
        level: intended coverage.

    Raises:
        ValueError: for fewer than 5 runs, NaN (named by its index), sizes or losses that are not positive, sizes that
            are all equal or only two, losses that do not fall with the size.

    Source:
        The form: Hestness et al. 2017, "Deep learning scaling is predictable, empirically"; the fit: Hoffmann et al.
        2022, as in :func:`companion.stats.chinchilla`.

    >>> x = np.geomspace(1e7, 1e10, 8)
    >>> law = power_law(x, 1.69 + 406.4 / x**0.34 * (1 + 0.01 * np.cos(np.arange(8))))
    >>> print(law)
    >>> print(law.predict(1e12))
    """
    law, centre = _fit(loss, level, x=x)
    return PowerLaw(
        irreducible=_irreducible(law, level),
        coefficient=_coefficient(law, centre, 0, level),
        exponent=_exponent(law, 0, level),
        noise_sd=law.noise_sd,
        law=law,
        centre=centre,
    )


def chinchilla(parameters: ArrayLike, tokens: ArrayLike, loss: ArrayLike, *, level: float = 0.95) -> Chinchilla:
    r"""Fits :math:`L = E + A / N^\alpha + B / D^\beta` to runs of several sizes on several amounts of data.

    As in approach 3 of Hoffmann et al. (2022), Huber's loss of the differences of logarithms is minimised, the law as a
    log-sum-exp, from several starts. Departures: the bend of Huber's loss lies at 1.345 robust standard deviations of
    the noise rather than at 0.001, which would be near to least absolute errors and waste a third of the runs where the
    noise is normal; starts come from a linear fit over a grid of exponents; exponents are kept positive. Besiroglu et
    al. (2024) show that the published constants, rounded and from an optimiser that stopped early, do not fit the
    paper's own runs, and that its intervals are far too short.

    Intervals are profiles: all values of a quantity that the others can be fitted around without the loss rising beyond
    :math:`t^2` standard errors squared. COVERAGE_CHINCHILLA

    Args:
        parameters: :math:`N` of each run ``[runs]``, positive.
        tokens: :math:`D` of each run ``[runs]``, positive.
        loss: final loss of each run ``[runs]``, positive, all in one unit (nats or bits).
        level: intended coverage.

    Raises:
        ValueError: for fewer than 7 runs, NaN (named by its index), sizes or losses that are not positive, sizes of
            fewer than three values, parameters and tokens in a fixed relation, losses that do not fall with the sizes.

    Source:
        Hoffmann et al. 2022, "Training compute-optimal large language models", section 3.3 and appendix D.3; Besiroglu,
        Erdil, Barnett and You 2024, "Chinchilla scaling: a replication attempt".

    >>> n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(5e7, 1e10, 5), np.geomspace(1e9, 3e11, 5)))
    >>> law = chinchilla(n, d, (1.69 + 406.4 / n**0.34 + 410.7 / d**0.28) * (1 + 0.002 * np.cos(np.arange(25))))
    >>> print(law)
    >>> print(law.compute_optimal(1e21))
    """
    law, centre = _fit(loss, level, parameters=parameters, tokens=tokens)
    return Chinchilla(
        irreducible=_irreducible(law, level),
        coefficient_n=_coefficient(law, centre, 0, level),
        exponent_n=_exponent(law, 0, level),
        coefficient_d=_coefficient(law, centre, 1, level),
        exponent_d=_exponent(law, 1, level),
        noise_sd=law.noise_sd,
        law=law,
        centre=centre,
    )


def _fit(loss: ArrayLike, level: float, **sizes: ArrayLike) -> tuple[LogLaw, Float[np.ndarray, " columns"]]:
    check_level(level)
    *columns, losses = as_numbers(at_least=2 * len(sizes) + 3, **sizes, loss=loss)
    for name, column in (*zip(sizes, columns, strict=True), ("loss", losses)):
        if (bad := column <= 0).any():
            raise ValueError(f"expected {name} to be positive, got {column[bad.argmax()]:.4g} at index {bad.argmax()}")
    for name, column in zip(sizes, columns, strict=True):
        if (distinct := len(np.unique(column))) < 3:
            raise ValueError(f"expected {name} of at least 3 values, got {distinct}: a curve has no shape; vary it")
    check_differs("loss", losses)
    logs = np.log(columns)
    centre = logs.mean(1)
    if len(logs) == 2 and np.linalg.matrix_rank(np.vstack([np.ones(len(losses)), logs]), rtol=1e-6) < 3:
        raise ValueError(
            "expected parameters and tokens that vary by themselves, got tokens in a fixed relation to parameters: "
            "which of them lowers the loss cannot be told; add runs with another ratio, or fit power_law to one of them"
        )
    law = LogLaw.fit(logs - centre[:, None], np.log(losses))
    if not law.falls(level=level):
        raise ValueError(
            "expected losses that fall with the size, got none beyond the noise; add larger or smaller runs"
        )
    return law, centre


def _irreducible(law: LogLaw, level: float) -> Interval:
    found = _of_parameter(law, 0, level)
    least = 1e-6 * np.exp(law.target.min())
    low, estimate = (value if value > least else 0.0 for value in (found.low, found.estimate))  # a logarithm has no 0
    return replace(found, low=low, estimate=estimate)


def _exponent(law: LogLaw, column: int, level: float) -> Interval:
    return _of_parameter(law, 2 + 2 * column, level)


def _of_parameter(law: LogLaw, index: int, level: float) -> Interval:
    def reduce(theta: Theta) -> Reduced:
        return theta[index], np.delete(theta, index)

    return _interval(law, reduce, lambda value, free: np.insert(free, index, value), level)


def _coefficient(law: LogLaw, centre: Float[np.ndarray, " columns"], column: int, level: float) -> Interval:
    """What lies above E at a size of 1, far from the data's centre."""
    index = 1 + 2 * column

    def reduce(theta: Theta) -> Reduced:
        return theta[index] + np.exp(theta[index + 1]) * centre[column], np.delete(theta, index)

    def expand(value: float, free: Theta) -> Theta:
        return np.insert(free, index, value - np.exp(min(free[index], 5.0)) * centre[column])

    return _interval(law, reduce, expand, level)


def _loss_at(law: LogLaw, z: Float[np.ndarray, " columns"], level: float) -> Interval:
    """The law at one size: its parameters are the loss there, how the terms share it, and the exponents."""

    def reduce(theta: Theta) -> Reduced:
        logits = theta[1::2] - np.exp(theta[2::2]) * z - theta[0]
        return float(log_loss(theta, z[:, None])[0]), np.column_stack([logits, theta[2::2]]).ravel()

    def expand(value: float, free: Theta) -> Theta:
        parts = value + log_softmax(np.r_[0, free[::2]])
        levels = parts[1:] + np.exp(np.minimum(free[1::2], 5.0)) * z
        return np.r_[parts[0], np.column_stack([levels, free[1::2]]).ravel()]

    return _interval(law, reduce, expand, level)


def _interval(
    law: LogLaw, reduce: Callable[[Theta], Reduced], expand: Callable[[float, Theta], Theta], level: float
) -> Interval:
    """The profile of a logarithm, as an interval of the number."""
    at, low, high = np.exp(law.profile(reduce, expand, level=level)).tolist()
    return Interval(at, low, high, level, METHOD)


def _words(interval: Interval) -> str:
    return f"{interval.estimate:.3g} ({100 * interval.level:g}% interval {interval.low:.3g} to {interval.high:.3g})"


def _warning(beyond: float) -> str:
    if beyond <= EXTRAPOLATION:
        return ""
    return f"; this lies {beyond:.3g} times beyond the data, where the interval holds only if the law does"

r"""Scaling laws that were fitted: what they predict, how they split a budget, and how far beyond the data that is."""

from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from companion.stats.base.forest import forest
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level, check_positive
from companion.stats.base.result import Result
from companion.stats.scaling.loglaw import Free, LogLaw, Reduced, Theta, log_loss
from companion.stats.scaling.profiles import loss_interval, method_of

#: How many times beyond the largest run (or below the smallest) a prediction is called an extrapolation.
EXTRAPOLATION = 10.0

#: Sizes and losses further apart than any runs are would leave the range of a float.
LARGEST_FACTOR = 1e30


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

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws parameters and tokens with their intervals on a logarithmic axis; the title has the loss."""
        axes = forest([self.parameters, self.tokens], ["parameters", "tokens"], quantity="number", axes=axes)
        axes.set(xscale="log", title=f"{self.flops:.3g} FLOPs, loss {self.loss.estimate:.4g}")
        return axes


@dataclass(frozen=True, eq=False, kw_only=True)
class ScalingLaw(Result):
    """What laws of one and of two sizes share: the loss that no size removes, and the noise.

    Attributes:
        irreducible: :math:`E`, in the loss's unit; from 0 where the data allow a law without it.
        noise_sd: robust standard deviation of runs about the law, as a proportion of the loss.
        law: the fit.
        center: mean logarithm of each column.
    """

    irreducible: Interval
    noise_sd: float
    law: LogLaw = field(repr=False)
    center: Float[np.ndarray, " columns"] = field(repr=False)

    def _predict(self, level: float, **sizes: float) -> LossPrediction:
        check_level(level)
        for name, size in sizes.items():
            check_positive(name, size)
        logs = np.log(list(sizes.values())) - self.center
        beyond = self._beyond(logs)
        return LossPrediction(loss_interval(self.law, logs, level), beyond)

    def _beyond(self, logs: Float[np.ndarray, " columns"]) -> float:
        """How many times the sizes, as centered logarithms, are beyond the data, at most over the columns."""
        distance = float(max(0, *(logs - self.law.logs.max(1)), *(self.law.logs.min(1) - logs)))
        if distance > np.log(LARGEST_FACTOR):
            raise ValueError(
                f"expected sizes within a factor of {LARGEST_FACTOR:g} of the data, got one a factor of 10 to the "
                f"{distance / np.log(10):.0f} beyond; no law reaches so far"
            )
        return float(np.exp(distance))


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
            f"The loss falls toward {_words(self.irreducible)} with the exponent {_words(self.exponent)}, over "
            f"{len(self.law.target):,} runs with noise of {100 * self.noise_sd:.2g}%."
        )

    def predict(self, x: float, *, level: float = 0.95) -> LossPrediction:
        """The loss at a size, in the unit of the sizes that were fitted."""
        return self._predict(level, x=x)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the runs and the law with its 95% interval, ten times beyond the largest run, on logarithmic axes."""
        axes = plt.subplots()[1] if axes is None else axes
        logs = self.law.logs[0]
        z = np.linspace(logs.min(), logs.max() + np.log(EXTRAPOLATION), 13)
        at = [loss_interval(self.law, np.array([place]), 0.95) for place in z]
        x = np.exp(z + self.center[0])
        axes.fill_between(x, [i.low for i in at], [i.high for i in at], color="C1", alpha=0.2, label="95% interval")
        axes.plot(x, [i.estimate for i in at], color="C1", label="law")
        axes.plot(np.exp(logs + self.center[0]), np.exp(self.law.target), "o", color="C0", markersize=4, label="runs")
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

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the runs' losses against those that the law expects, on ``axes`` or on new ones."""
        axes = plt.subplots()[1] if axes is None else axes
        observed, expected = np.exp(self.law.target), np.exp(log_loss(self.law.theta, self.law.logs))
        ends = [min(observed.min(), expected.min()), max(observed.max(), expected.max())]
        axes.plot(ends, ends, color="gray", linestyle="--", linewidth=1, label="the law")
        axes.plot(expected, observed, "o", color="C0", markersize=4, label="runs")
        axes.set(xscale="log", yscale="log", xlabel="loss that the law expects", ylabel="loss of the run")
        axes.legend()
        return axes

    def __str__(self) -> str:
        return (
            f"The loss falls toward {_words(self.irreducible)} with the exponents {_words(self.exponent_n)} of the "
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
        check_positive("flops", flops)
        budget = np.log(flops) - np.log(6) - self.center.sum()  # centered, as the columns are
        self._beyond(np.full(2, budget / 2))

        def reduce(theta: Theta) -> Reduced:
            e, a, log_alpha, b, log_beta = theta
            alpha, beta = np.exp(np.minimum([log_alpha, log_beta], 5.0))
            log_n = (log_alpha - log_beta + a - b + beta * budget) / (alpha + beta)
            return log_n, np.array([e, a, log_alpha, log_beta])

        def expand(log_n: float, free: Free) -> Theta:
            e, a, log_alpha, log_beta = free
            alpha, beta = np.exp(np.minimum([log_alpha, log_beta], 5.0))
            return np.array(
                [e, a, log_alpha, log_alpha - log_beta + a + beta * budget - log_n * (alpha + beta), log_beta]
            )

        log_n, low, high = self.law.profile(reduce, expand, level=level)
        logs = np.array([log_n, budget - log_n])
        beyond = self._beyond(logs)
        n, d = np.exp(logs + self.center)
        n_low, n_high = np.exp(np.array([low, high]) + self.center[0]).tolist()
        d_low, d_high = np.exp(budget - np.array([high, low]) + self.center[1]).tolist()
        return ComputeOptimal(
            flops,
            Interval.around(n, n_low, n_high, level, method_of(n_high)),
            Interval.around(d, d_low, d_high, level, method_of(d_high)),
            loss_interval(self.law, logs, level),
            beyond,
        )


def _words(interval: Interval) -> str:
    high = f"to {interval.high:.4g}" if np.isfinite(interval.high) else "upwards, with no upper bound"
    return f"{interval.estimate:.4g} ({100 * interval.level:g}% interval {interval.low:.4g} {high})"


def _warning(beyond: float) -> str:
    if beyond <= EXTRAPOLATION:
        return ""
    return f"; this lies {beyond:.3g} times beyond the data, where the interval holds only if the law does"

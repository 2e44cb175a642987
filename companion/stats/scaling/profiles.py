"""Intervals of what follows from a law: parameters, coefficients, losses."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax

from companion.stats.base.intervals import Interval
from companion.stats.scaling.loglaw import Free, LogLaw, Reduced, Theta, log_loss

METHOD = "profile of Huber's loss"


def parameter_interval(law: LogLaw, index: int, level: float) -> Interval:
    """One of the parameters, as a number rather than a logarithm."""

    def reduce(theta: Theta) -> Reduced:
        return theta[index], np.delete(theta, index)

    return _interval(law, reduce, lambda value, free: np.insert(free, index, value), level)


def coefficient_interval(law: LogLaw, center: Float[np.ndarray, " columns"], column: int, level: float) -> Interval:
    """What lies above E at a size of 1, far from the data's center."""
    index = 1 + 2 * column

    def reduce(theta: Theta) -> Reduced:
        return theta[index] + np.exp(theta[index + 1]) * center[column], np.delete(theta, index)

    def expand(value: float, free: Free) -> Theta:
        return np.insert(free, index, value - np.exp(min(free[index], 5.0)) * center[column])

    return _interval(law, reduce, expand, level)


def loss_interval(law: LogLaw, z: Float[np.ndarray, " columns"], level: float) -> Interval:
    """The law at one size: its parameters are the loss there, how the terms share it, and the exponents."""

    def reduce(theta: Theta) -> Reduced:
        logits = theta[1::2] - np.exp(theta[2::2]) * z - theta[0]
        return float(log_loss(theta, z[:, None])[0]), np.column_stack([logits, theta[2::2]]).ravel()

    def expand(value: float, free: Free) -> Theta:
        parts = value + log_softmax(np.r_[0, free[::2]])
        levels = parts[1:] + np.exp(np.minimum(free[1::2], 5.0)) * z
        return np.r_[parts[0], np.column_stack([levels, free[1::2]]).ravel()]

    return _interval(law, reduce, expand, level)


def _interval(
    law: LogLaw, reduce: Callable[[Theta], Reduced], expand: Callable[[float, Free], Theta], level: float
) -> Interval:
    """The profile of a logarithm, as an interval of the number."""
    with np.errstate(over="ignore"):  # what is not finite is refused, or said, below
        at, low, high = np.exp(law.profile(reduce, expand, level=level)).tolist()
    if not np.isfinite(at):
        raise ValueError("expected sizes in a unit in which the law has a finite coefficient, got infinity; change it")
    return Interval.around(at, low, high, level, method_of(high))


def method_of(high: float) -> str:
    """The method in words, which say so where the data set no upper bound."""
    return METHOD if np.isfinite(high) else f"{METHOD}, no upper bound"

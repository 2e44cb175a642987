"""Weight of evidence and information value: what a bin says about good and bad, in nats."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def woe(good: ArrayLike, bad: ArrayLike) -> Float[np.ndarray, " bins"]:
    r"""Weight of evidence of each bin, :math:`\ln\frac{g_b/G}{d_b/D}`: positive where the good are over-represented.

    By Bayes' rule a bin's log odds of good are the log odds of all plus its weight of evidence. A count of 0 is taken
    as ½, so that the weight stays finite.

    Args:
        good: :math:`g_b`, how many in each bin paid back; their sum is :math:`G`.
        bad: :math:`d_b`, how many did not; their sum is :math:`D`.

    Returns:
        the weights, in nats, a number a bin.

    Raises:
        ValueError: where a count is negative, the shapes differ, or one of the classes has no member at all.

    Source:
        Siddiqi, *Credit Risk Scorecards* (2006), chapter 6; Good, *Probability and the Weighing of Evidence* (1950).

    Example:
        >>> woe([80, 20], [20, 20]).round(3)
        array([ 0.47 , -0.916])
    """
    good, bad = _counts(good, bad)
    filled = np.maximum(good, 0.5), np.maximum(bad, 0.5)
    return np.log(filled[0] / good.sum()) - np.log(filled[1] / bad.sum())


def information_value(good: ArrayLike, bad: ArrayLike) -> float:
    r"""How far the bins part good from bad, :math:`\sum_b (g_b/G-d_b/D)\,\mathrm{woe}_b` in nats; 0 where they do not.

    It is the sum of the two Kullback–Leibler divergences between the good's and the bad's distribution over the bins.

    Args:
        good: how many in each bin paid back.
        bad: how many did not.

    Raises:
        ValueError: as for :func:`woe`.

    Source:
        Siddiqi, *Credit Risk Scorecards* (2006), chapter 6; Jeffreys' divergence (1946).

    Example:
        >>> round(information_value([80, 20], [20, 20]), 4)
        0.4159
    """
    weights = woe(good, bad)
    good, bad = _counts(good, bad)
    return float(np.sum((good / good.sum() - bad / bad.sum()) * weights))


def _counts(good: ArrayLike, bad: ArrayLike) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    counts = np.asarray(good, float), np.asarray(bad, float)
    if counts[0].ndim != 1 or counts[0].shape != counts[1].shape:
        raise ValueError(f"expected good and bad of one length, got shapes {counts[0].shape} and {counts[1].shape}")
    for name, values in zip(("good", "bad"), counts, strict=True):
        if not np.isfinite(values).all() or (values < 0).any() or values.sum() == 0:
            raise ValueError(f"expected counts of {name} that are at least 0 and not all 0, got {values.tolist()}")
    return counts

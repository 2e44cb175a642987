r"""Scaling laws of losses, with intervals for exponents, predictions and compute-optimal sizes."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.stats.base.checks import as_numbers, check_differs, check_unit
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_level
from companion.stats.scaling.loglaw import LogLaw
from companion.stats.scaling.profiles import coefficient_interval, parameter_interval
from companion.stats.scaling.results import LARGEST_FACTOR, Chinchilla, PowerLaw


@same_examples("x", "loss")
def power_law(x: ArrayLike, loss: ArrayLike, *, level: float = 0.95) -> PowerLaw:
    r"""Fits :math:`L = E + A x^{-\alpha}` to the losses of several runs, such as over sizes of model or of data.

    The fit and its intervals are those of :func:`companion.stats.chinchilla`, of which this is the half. Coverage at
    95% of profiles, runs spread evenly over the logarithm of the size, losses from :math:`1.69 + 406.4 x^{-0.34}`
    upwards of :math:`x = 10^7` (400 samples each; 1,500 for 20 runs over 3 decades). The last column is the prediction
    ten times beyond the largest run, where the law itself still holds:

    ====  =======  ===========  =====  =====  ==============  ==========
    runs  decades  noise        E      A      :math:`\alpha`  prediction
    ====  =======  ===========  =====  =====  ==============  ==========
    5     3        1%           0.960  0.955  0.955           0.970
    8     1        1%           0.948  0.948  0.945           0.940
    8     3        1%           0.942  0.945  0.942           0.945
    8     3        5%           0.940  0.945  0.945           0.938
    20    1.5      5%           0.938  0.952  0.952           0.942
    20    3        1%           0.960  0.950  0.953           0.965
    20    3        1%, heavy    0.945  0.948  0.950           0.942
    50    2        2%           0.948  0.948  0.948           0.938
    ====  =======  ===========  =====  =====  ==============  ==========

    (Heavy: Student's t with 3 degrees of freedom; 5 runs: 200 samples.) Wald's intervals cover 0.76 of :math:`E` with
    20 runs over 1.5 decades at 5%. Such data allow a law without :math:`E`: the interval then starts at 0.

    Args:
        x: sizes of the runs ``[runs]``, positive.
        loss: their losses ``[runs]``, positive, all in one unit (nats or bits).
        level: intended coverage.

    Raises:
        ValueError: for fewer than 5 runs, NaN (named by its index), sizes or losses that are not positive, sizes that
            are all equal or only two, sizes or losses more than a factor of 1e30 apart, losses that do not fall with
            the size.

    Source:
        The form: Hestness et al. 2017, "Deep learning scaling is predictable, empirically"; the fit: Hoffmann et al.
        2022, as in :func:`companion.stats.chinchilla`.

    >>> x = np.geomspace(1e7, 1e10, 8)
    >>> law = power_law(x, (1.69 + 406.4 / x**0.34) * (1 + 0.005 * np.cos(np.arange(8))))
    >>> print(law)
    The loss falls toward 1.72 (95% interval 1.703 to 1.738) with the exponent 0.359 (95% interval 0.3479 to
    0.3702), over 8 runs with noise of 0.26%.
    >>> print(law.predict(1e12))
    The law expects a loss of 1.747 (95% interval 1.733 to 1.762); this lies 100 times beyond the data, where the
    interval holds only if the law does.
    """
    law, center = _fit(loss, level, x=x)
    return PowerLaw(
        irreducible=_irreducible(law, level),
        coefficient=coefficient_interval(law, center, 0, level),
        exponent=_exponent(law, 0, level),
        noise_sd=law.noise_sd,
        law=law,
        center=center,
    )


@same_examples("parameters", "tokens", "loss")
def chinchilla(parameters: ArrayLike, tokens: ArrayLike, loss: ArrayLike, *, level: float = 0.95) -> Chinchilla:
    r"""Fits :math:`L = E + A / N^\alpha + B / D^\beta` to runs of several sizes on several amounts of data.

    As in approach 3 of Hoffmann et al. (2022), Huber's loss of the differences of logarithms is minimized, the law as a
    log-sum-exp, from several starts. Departures: the bend of Huber's loss lies at 1.345 robust standard deviations of
    the noise rather than at 0.001, which would be near to least absolute errors and waste a third of the runs where the
    noise is normal; starts come from a linear fit over a grid of exponents; exponents are kept positive. Besiroglu et
    al. (2024) show that the published constants, rounded and from an optimizer that stopped early, do not fit the
    paper's own runs, and that its intervals are far too short.

    Intervals are profiles: all values of a quantity that the others can be fitted around without the loss rising beyond
    :math:`t^2` standard errors squared. Coverage at 95% for runs spread at random, from the published constants (200
    samples each, 700 for 100 runs), of the parameters, of the compute-optimal size at :math:`10^{23}` operations and of
    the loss there:

    ====  =======  =====  =====  ==============  =====  ==============  =====  =====
    runs  decades  noise  E      :math:`\alpha`  B      :math:`\beta`   size   loss
    ====  =======  =====  =====  ==============  =====  ==============  =====  =====
    7     2.5      0.5%   0.975  0.985           0.980  0.980           0.985  0.985
    9     2.5      0.5%   0.960  0.940           0.965  0.965           0.940  0.945
    30    2        1%     0.975  0.960           0.965  0.965           0.970  0.970
    100   2.5      1%     0.956  0.939           0.956  0.953           0.959  0.951
    ====  =======  =====  =====  ==============  =====  ==============  =====  =====

    Runs must be independent, with noise that is the same proportion of every loss. Points along one run are not
    independent: take final losses only.

    Args:
        parameters: :math:`N` of each run ``[runs]``, positive.
        tokens: :math:`D` of each run ``[runs]``, positive.
        loss: final loss of each run ``[runs]``, positive, all in one unit (nats or bits).
        level: intended coverage.

    Raises:
        ValueError: for fewer than 7 runs, NaN (named by its index), sizes or losses that are not positive, sizes of
            fewer than three values, sizes or losses more than a factor of 1e30 apart, parameters and tokens in a fixed
            relation, losses that do not fall with the sizes.

    Source:
        Hoffmann et al. 2022, "Training compute-optimal large language models", section 3.3 and appendix D.3; Besiroglu,
        Erdil, Barnett and You 2024, "Chinchilla scaling: a replication attempt".

    >>> n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(5e7, 1e10, 5), np.geomspace(1e9, 3e11, 5)))
    >>> law = chinchilla(n, d, (1.69 + 406.4 / n**0.34 + 410.7 / d**0.28) * (1 + 0.002 * np.cos(np.arange(25))))
    >>> print(law)
    The loss falls toward 1.683 (95% interval 1.665 to 1.701) with the exponents 0.341 (95% interval 0.3323 to
    0.3499) of the parameters and 0.2761 (95% interval 0.2695 to 0.2827) of the tokens, over 25 runs with noise of
    0.2%.
    >>> print(law.compute_optimal(1e21))
    Of 1e+21 FLOPs the law makes the most with 1.79e+09 (95% interval 1.723e+09 to 1.857e+09) parameters and
    9.312e+10 (95% interval 8.977e+10 to 9.674e+10) tokens, for a loss of 2.329.
    """
    law, center = _fit(loss, level, parameters=parameters, tokens=tokens)
    return Chinchilla(
        irreducible=_irreducible(law, level),
        coefficient_n=coefficient_interval(law, center, 0, level),
        exponent_n=_exponent(law, 0, level),
        coefficient_d=coefficient_interval(law, center, 1, level),
        exponent_d=_exponent(law, 1, level),
        noise_sd=law.noise_sd,
        law=law,
        center=center,
    )


def _fit(loss: ArrayLike, level: float, **sizes: ArrayLike) -> tuple[LogLaw, Float[np.ndarray, " columns"]]:
    check_level(level)
    *columns, losses = as_numbers(at_least=2 * len(sizes) + 3, **sizes, loss=loss)
    for name, column in (*zip(sizes, columns, strict=True), ("loss", losses)):
        if (bad := column <= 0).any():
            raise ValueError(f"expected {name} to be positive, got {column[bad.argmax()]:.4g} at index {bad.argmax()}")
    for name, column in (*zip(sizes, columns, strict=True), ("loss", losses)):
        if np.ptp(np.log(column)) > np.log(LARGEST_FACTOR):
            raise ValueError(
                f"expected {name} within a factor of {LARGEST_FACTOR:g}, got {column.min():.3g} to {column.max():.3g}; "
                "drop what cannot be"
            )
    check_unit("loss", losses)
    for name, column in zip(sizes, columns, strict=True):
        if (distinct := len(np.unique(column))) < 3:
            raise ValueError(f"expected {name} of at least 3 values, got {distinct}: a curve has no shape; vary it")
    check_differs("loss", losses)
    logs = np.log(columns)
    center = logs.mean(1)
    if len(logs) == 2 and np.linalg.matrix_rank(np.vstack([np.ones(len(losses)), logs]), rtol=1e-6) < 3:
        raise ValueError(
            "expected parameters and tokens that vary by themselves, got tokens in a fixed relation to parameters: "
            "which of them lowers the loss cannot be told; add runs with another ratio, or fit power_law to one of them"
        )
    law = LogLaw.fit(logs - center[:, None], np.log(losses))
    if not law.falls(level=level):
        raise ValueError(
            "expected losses that fall with the size, got none beyond the noise; add larger or smaller runs"
        )
    return law, center


def _irreducible(law: LogLaw, level: float) -> Interval:
    found = parameter_interval(law, 0, level)
    least = 1e-6 * np.exp(law.target.min())
    low, estimate = (value if value > least else 0.0 for value in (found.low, found.estimate))  # a logarithm has no 0
    return replace(found, low=low, estimate=estimate)


def _exponent(law: LogLaw, column: int, level: float) -> Interval:
    return parameter_interval(law, 2 + 2 * column, level)

r"""Logistic regression that refuses classes which can be told apart without error, where it has no answer."""

from collections.abc import Sequence

import numpy as np
import statsmodels.api as sm
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit

from companion.stats.base.frames import same_examples
from companion.stats.base.labels import check_binary, check_two_classes
from companion.stats.regression.columns import Design
from companion.stats.regression.linear import degrees_of_freedom, regression_inputs
from companion.stats.regression.results import LogisticFit
from companion.stats.regression.sandwich import hc3, leave_cluster_out


@same_examples("y", "x", "clusters")
def logistic_regression(
    y: ArrayLike,
    x: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    errors: str = "hc3",
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> LogisticFit:
    r"""Logistic regression by maximum likelihood, with an intercept; coefficients are changes of log-odds.

    .. math:: \log \frac{P(y_i = 1)}{P(y_i = 0)} = \beta_0 + \sum_j \beta_j x_{ij}

    The errors are those of :func:`companion.stats.linear_regression`, with quantiles of the normal distribution (of
    :math:`t_{G-1}` for clusters). For ``"hc3"`` the residuals :math:`y_i - \hat p_i` and the weighted leverages enter,
    as in R's ``sandwich::vcovHC``; statsmodels computes HC0 under that name. Where the log-odds are not linear, robust
    errors belong to the line that fits best, which is no longer the truth.

    Coverage at 95% of a log odds ratio of 1, two normal columns (600 samples each):

    ======================  =====  =========
    n                       HC3    classical
    ======================  =====  =========
    30                      0.980  0.982
    50                      0.958  0.945
    100                     0.960  0.950
    300                     0.938  0.937
    200, a sixth of them 1  0.964  0.962
    ======================  =====  =========

    With 10, 20 and 50 clusters of five rows: 0.974, 0.964 and 0.968.

    Args:
        y: 0 and 1, or booleans ``[examples]``.
        x: columns ``[examples, columns]``, without one of ones.
        names: one a column; a frame brings its own.
        errors: ``"hc3"``, ``"classical"`` or ``"cluster"``.
        clusters: for ``"cluster"``, the cluster of each row, as numbers or text; 10 clusters at least.
        level: intended coverage of the coefficients' intervals.

    Raises:
        ValueError: as :func:`companion.stats.linear_regression`; and for labels other than 0 and 1, one class only,
            and classes that a plane separates, for which no finite coefficients are most likely.

    >>> y = [0, 0, 1, 0, 1, 0, 1, 1, 0, 1]
    >>> fit = logistic_regression(y, range(10), names=["hours"], errors="classical")
    >>> print(fit.coefficients[1])
    The coefficient of 'hours' is 0.29, with a 95% confidence interval from -0.21 to 0.79 (Wald, classical errors);
    p = 0.25.
    """
    response, design, groups = regression_inputs(y, x, names, errors, clusters, level)
    check_binary("logistic regression", y=response)
    check_two_classes("logistic regression", y=response)
    _check_not_separated(design, response == 1)
    start = _most_likely(design, response)
    with np.errstate(over="ignore"):  # where statsmodels takes the exponential of large log-odds, the limit is right
        fit = sm.Logit(response, design.basis).fit(start, disp=0, warn_convergence=False)
        covariance, r_squared = fit.cov_params(), float(fit.prsquared)
    probabilities = expit(design.basis @ fit.params)
    weights, residuals = probabilities * (1 - probabilities), response - probabilities
    if groups is not None:
        covariance = leave_cluster_out(design, groups, residuals, weights)
    elif errors == "hc3":
        covariance = hc3(design, residuals, weights)
    return LogisticFit(
        design=design,
        parameters=fit.params,
        covariance=covariance,
        degrees_of_freedom=degrees_of_freedom(groups, np.inf),
        errors=errors,
        level=level,
        observed=response,
        fitted=probabilities,
        r_squared=r_squared,
    )


def _check_not_separated(design: Design, positive: Bool[np.ndarray, " examples"]) -> None:
    if len(columns := design.separating(positive)):
        raise ValueError(
            f"expected classes that overlap, got {', '.join(map(repr, columns))} telling them apart without error: the "
            "most likely coefficients are infinite; drop a column, merge rare categories, or penalize "
            "(sklearn.linear_model.LogisticRegression)"
        )


def _most_likely(design: Design, response: Float[np.ndarray, " examples"]) -> Float[np.ndarray, " coefficients"]:
    """The maximum of the likelihood within a trust region: Newton's steps alone may run away from far-out rows."""
    against = np.where(response == 1, -1.0, 1.0)[:, None] * design.basis

    def information(parameters: Float[np.ndarray, " coefficients"]) -> Float[np.ndarray, "coefficients coefficients"]:
        wrong = expit(against @ parameters)
        return against.T @ ((wrong * (1 - wrong))[:, None] * against)

    found = minimize(
        lambda parameters: np.logaddexp(0, against @ parameters).mean(),
        np.zeros(against.shape[1]),
        jac=lambda parameters: against.T @ expit(against @ parameters) / len(against),
        hess=lambda parameters: information(parameters) / len(against),
        method="trust-exact",
        options={"gtol": 1e-9},
    )
    if np.linalg.cond(information(found.x)) > 1e10:
        raise ValueError(
            "expected classes that overlap, got a handful of rows between them: the likelihood is too flat to tell the "
            "coefficients; drop a column, or collect more rows where the classes meet"
        )
    return found.x

r"""Linear regression whose intervals hold where the noise is not the same everywhere.

The parameters are found by statsmodels, in an orthonormal basis of the columns: this keeps 11 digits of NIST's Longley
and Norris, 8 of Wampler1, and 7 of Filip, whose columns are dependent up to the ninth digit.
"""

from collections.abc import Sequence

import numpy as np
import statsmodels.api as sm
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from companion.checks import check_one_of
from companion.stats.base.checks import as_numbers, check_differs, check_unit
from companion.stats.base.frames import column_names, same_examples
from companion.stats.base.labels import as_groups
from companion.stats.base.options import check_level
from companion.stats.regression.columns import Design
from companion.stats.regression.results import LinearFit
from companion.stats.regression.sandwich import check_leverage, leave_cluster_out

ERRORS = ("hc3", "classical", "cluster")

#: With fewer clusters there are too few numbers to tell a variance from.
MIN_CLUSTERS = 10


@same_examples("y", "x", "clusters")
def linear_regression(
    y: ArrayLike,
    x: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    errors: str = "hc3",
    clusters: ArrayLike | None = None,
    intercept: bool = True,
    level: float = 0.95,
) -> LinearFit:
    r"""Least squares, and intervals that allow for noise of unequal size.

    .. math:: y_i = \beta_0 + \sum_j \beta_j x_{ij} + \varepsilon_i, \quad
        \widehat{\text{Var}}(\hat\beta) = (X^\top X)^{-1} X^\top \Omega X (X^\top X)^{-1}

    - ``errors="hc3"``: :math:`\Omega` is diagonal with :math:`(r_i / (1 - h_i))^2`, the residuals over one minus their
      leverage (MacKinnon and White 1985), quantiles from :math:`t_{n-p}`.
    - ``"classical"``: :math:`\Omega = s^2 I`: exact for normal noise of one size, wrong otherwise.
    - ``"cluster"``: rows of a cluster may agree; the sum of squares of :math:`\hat\beta_{(g)} - \hat\beta`, one of
      :math:`G` clusters left out in turn, and :math:`t_{G-1}`. This is CR3, and HC3 where each row is a cluster;
      statsmodels' ``cluster-crv3`` has :math:`(G-1)/G` of it.

    Coverage of a slope at 95%, two normal columns (1,000 samples each), the noise normal, or exponential, or growing by
    half its size with each unit of the column:

    ===  ===================  ===================
    n    HC3                  classical
    ===  ===================  ===================
    10   0.965, 0.969, 0.966  0.950, 0.931, 0.911
    20   0.951, 0.960, 0.947  0.955, 0.939, 0.887
    50   0.942, 0.967, 0.946  0.946, 0.954, 0.855
    200  0.941, 0.949, 0.952  0.946, 0.938, 0.841
    ===  ===================  ===================

    With fewer rows HC3 is on the safe side: 0.99 with 4, the fewest for two columns, 0.98 with 6, 0.96 with 8.

    For a column that is the same within clusters of five rows, with noise that they share: 0.954, 0.953 and 0.956 with
    10, 20 and 50 clusters, where statsmodels' ``cov_type="cluster"`` has 0.885, 0.920 and 0.940; with clusters of 1 to
    19 rows, 0.941 and 0.944 for 10 and 30 of them.

    Assumed: rows (or clusters) are independent and the mean is linear in the columns; ``plot_diagnostics`` shows
    whether. A coefficient is a cause only where the column was assigned at random.

    Args:
        y: the response ``[examples]``.
        x: columns ``[examples, columns]``, without one of ones; more rows than columns, by two at least.
        names: one a column; a frame brings its own.
        errors: ``"hc3"``, ``"classical"`` or ``"cluster"``.
        clusters: for ``"cluster"``, the cluster of each row, as numbers or text; 10 clusters at least.
        intercept: False only where the response is 0 by nature where all columns are 0. R² then compares with 0, not
            with the mean, and is not to be held against that of a fit with an intercept.
        level: intended coverage of the coefficients' intervals.

    Raises:
        ValueError: for NaN (named by its row; none is dropped silently), text, other lengths, columns that are constant
            or follow from others (named), a unit beyond 1e±60, as many coefficients as rows, a constant response, a row
            that alone determines a coefficient (for ``"hc3"``), missing or too few clusters.

    Source:
        MacKinnon and White 1985, *Journal of Econometrics* 29; Long and Ervin 2000, *The American Statistician* 54,
        who recommend HC3 for small samples.

    >>> fit = linear_regression([2.1, 3.9, 6.2, 7.8, 10.1], [1, 2, 3, 4, 5], names=["dose"], errors="classical")
    >>> print(fit)
    Per unit, all else equal, y changes by 1.99 with 'dose' (95% interval 1.8 to 2.18); R² is 0.997 over 5 rows
    (classical errors).
    """
    response, design, groups = regression_inputs(y, x, names, errors, clusters, level, intercept=intercept)
    check_differs("y", response if intercept else np.append(response, 0.0))
    model = sm.OLS(response, design.basis, hasconst=True)
    if errors == "hc3":
        check_leverage(design.leverage)
    fit = model.fit(cov_type="HC3" if errors == "hc3" else "nonrobust")
    return LinearFit(
        design=design,
        parameters=fit.params,
        covariance=fit.cov_params() if groups is None else leave_cluster_out(design, groups, fit.resid),
        degrees_of_freedom=degrees_of_freedom(groups, fit.df_resid),
        errors=errors,
        level=level,
        observed=response,
        fitted=fit.fittedvalues,
        r_squared=float(1 - fit.ssr / np.sum((response - response.mean() * intercept) ** 2)),
    )


def regression_inputs(
    y: ArrayLike,
    x: ArrayLike,
    names: Sequence[str] | None,
    errors: str,
    clusters: ArrayLike | None,
    level: float,
    *,
    intercept: bool = True,
) -> tuple[Float[np.ndarray, " examples"], Design, Int[np.ndarray, " examples"] | None]:
    """The response, the design and the clusters by number, checked."""
    check_level(level)
    check_one_of("errors", errors, ERRORS)
    (response,) = as_numbers(y=y)
    check_unit("y", response)
    design = Design.of(x, column_names(x, names), intercept=intercept)
    if len(design.basis) != len(response):
        raise ValueError(f"expected a row of x for each y, got {len(design.basis):,} for {len(response):,}; align them")
    if (clusters is None) == (errors == "cluster"):
        raise ValueError("expected clusters together with errors='cluster', got one without the other; pass both")
    return response, design, None if clusters is None else _groups(clusters, len(response))


def _groups(clusters: ArrayLike, n: int) -> Int[np.ndarray, " examples"]:
    groups, found = as_groups("clusters", clusters, n)
    if len(found) < MIN_CLUSTERS:
        raise ValueError(
            f"expected at least {MIN_CLUSTERS} clusters, got {len(found)}: too few to tell how much they vary; "
            "average each cluster to one row and take errors='hc3'"
        )
    return groups


def degrees_of_freedom(groups: Int[np.ndarray, " examples"] | None, otherwise: float) -> float:
    """Of Student's t: the clusters less one, or ``otherwise`` where there are none."""
    return otherwise if groups is None else float(groups.max())  # numbered from 0

"""Covariances of coefficients that allow for noise of unequal size, or shared within clusters."""

import numpy as np
from jaxtyping import Float, Int

from companion.stats.regression.columns import Design


def check_leverage(leverage: Float[np.ndarray, " examples"]) -> None:
    """Refuses a row that alone determines a coefficient, and so has no residual."""
    if (alone := leverage > 1 - 1e-9).any():
        raise ValueError(
            f"expected coefficients that several rows determine, got one that row {alone.argmax()} alone does "
            "(leverage 1): it has no residual for errors='hc3'; drop the row, or the column that singles it out"
        )


def hc3(
    design: Design, residuals: Float[np.ndarray, " examples"], weights: Float[np.ndarray, " examples"]
) -> Float[np.ndarray, "coefficients coefficients"]:
    """The sandwich with residuals over one minus their leverage in the weighted least squares of the last step."""
    bread = np.linalg.inv(design.basis.T @ (weights[:, None] * design.basis))
    leverage = weights * np.sum(design.basis @ bread * design.basis, axis=1)
    check_leverage(leverage)
    changes = (residuals / (1 - leverage))[:, None] * design.basis @ bread
    return changes.T @ changes


def leave_cluster_out(
    design: Design,
    groups: Int[np.ndarray, " examples"],
    residuals: Float[np.ndarray, " examples"],
    weights: Float[np.ndarray, " examples"] | None = None,
) -> Float[np.ndarray, "coefficients coefficients"]:
    """The sum of squares of what the parameters change by, to first order, when each cluster is left out in turn."""
    basis = design.basis
    weighted = basis if weights is None else weights[:, None] * basis
    information, covariance = basis.T @ weighted, np.zeros((basis.shape[1], basis.shape[1]))
    for rows in np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1]):
        without = information - basis[rows].T @ weighted[rows]
        if np.linalg.cond(without) > 1e9 * np.linalg.cond(information):
            raise ValueError(
                f"expected coefficients that several clusters determine, got one that the cluster of row {rows[0]} "
                "alone does; drop that cluster, or the column that singles it out"
            )
        change = np.linalg.solve(without, basis[rows].T @ residuals[rows])
        covariance += np.outer(change, change)
    return covariance

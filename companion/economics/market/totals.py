"""How large a market is, where each factor of it is a guess: the whole distribution, and which guess matters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import sobol_indices

from companion.stats.base.options import check_share

#: From factors by name, arrays of one shape, to the market.
Formula = Callable[..., Any]


@dataclass(frozen=True)
class MarketSize:
    """A market as a distribution.

    Attributes:
        draws: of its size, in the formula's own unit.
        sensitivities: a row a factor: ``alone`` is the proportion of the variance that would vanish on average if the
            factor were known (first-order index of Sobol), ``in_all`` the one that would be left if all others were
            (total index).
    """

    draws: Float[np.ndarray, " draws"]
    sensitivities: pd.DataFrame

    def quantile(self, share: float) -> float:
        """The size that is not exceeded with probability ``share``."""
        check_share("share", share, "0.5 is the median")
        return float(np.quantile(self.draws, share))

    @property
    def mean(self) -> float:
        """The expected size."""
        return float(self.draws.mean())


def total_market(
    factors: Mapping[str, Any], formula: Formula | None = None, *, n_draws: int = 2**14, seed: int = 0
) -> MarketSize:
    """The size of a market by Monte Carlo, and by how much each factor moves it.

    The product of best guesses is not the best guess of the product: where factors are skewed, it lies below the mean
    and may lie above or below the median.

    Args:
        factors: a frozen distribution of ``scipy.stats`` for each, independent of the others.
        formula: from the factors, by name, to the size; their product by default.
        n_draws: a power of 2.
        seed: of the draws (scrambled Sobol points).

    Raises:
        ValueError: for fewer than two factors, one that is no distribution, a number of draws that is no power of 2, or
            sizes that are not finite.

    Source:
        Saltelli et al. 2010 for the indices, by ``scipy.stats.sobol_indices``.

    >>> from scipy.stats import lognorm
    >>> size = total_market({"customers": lognorm(0.8, scale=50_000), "dollars a year": lognorm(0.4, scale=120)})
    >>> round(float(size.sensitivities["in_all"]["customers"]), 2)  # 0.858 exactly
    0.87
    """
    if len(factors) < 2:
        raise ValueError(f"expected two factors or more, got {len(factors)}: one has nothing to be compared with")
    if wrong := [name for name, factor in factors.items() if not hasattr(factor, "ppf")]:
        raise ValueError(f"expected a frozen distribution of scipy.stats for {wrong[0]}, got {factors[wrong[0]]!r}")
    if n_draws < 2 or n_draws & (n_draws - 1):
        raise ValueError(f"expected n_draws to be a power of 2, got {n_draws}")
    names = list(factors)

    def size(x: Float[np.ndarray, "factors ..."]) -> Float[np.ndarray, "..."]:
        sizes = np.prod(x, axis=0) if formula is None else formula(**dict(zip(names, x, strict=True)))
        values = np.asarray(sizes, dtype=float)
        if values.shape != x.shape[1:] or not np.isfinite(values).all():
            raise ValueError("expected a finite size for each draw from the formula: check factors that may be 0")
        return values

    indices = sobol_indices(func=size, n=n_draws, dists=list(factors.values()), rng=np.random.default_rng(seed))
    table = pd.DataFrame({"alone": indices.first_order.ravel(), "in_all": indices.total_order.ravel()}, index=names)
    uniform = np.random.default_rng(seed).random((len(names), n_draws))
    draws = np.stack([factor.ppf(row) for factor, row in zip(factors.values(), uniform, strict=True)])
    return MarketSize(size(draws), table)

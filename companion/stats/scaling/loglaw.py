r"""Sums of power laws fitted to logarithms, and profile intervals of anything that follows from them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy import stats
from scipy.optimize import brentq, leastsq, nnls

#: Huber's bend in robust standard deviations: 95% efficient where the noise is normal.
BEND = 1.345

#: A change of a logarithm beyond which a bound is said not to exist.
FAR = 60.0

#: Irreducible losses to start from, as proportions of the least loss: with and without, valleys may lie far apart.
SHARES = (0.01, 0.5, 0.9)

Theta = Float[np.ndarray, " parameters"]
Logs = Float[np.ndarray, "columns runs"]
Free = Float[np.ndarray, " free"]
Reduced = tuple[float, Free]


@dataclass(frozen=True, eq=False)
class LogLaw:
    r"""The law :math:`\log L = \log(e^{\theta_0} + \sum_k e^{a_k - \alpha_k z_k})` and how well it fits.

    Attributes:
        theta: :math:`(\theta_0, a_1, \log \alpha_1, a_2, \log \alpha_2, \dots)`.
        logs: :math:`z_k`, logarithms of each column less their mean.
        target: logarithms of the losses.
        noise_sd: robust standard deviation of the residuals, as a proportion of the loss.
        unit: by how much the objective rises at one standard error.
        starts: parameters from which minima are sought.
    """

    theta: Theta
    logs: Logs
    target: Float[np.ndarray, " runs"]
    noise_sd: float
    unit: float
    starts: list[Theta]

    @classmethod
    def fit(cls, logs: Logs, target: Float[np.ndarray, " runs"]) -> "LogLaw":
        """Finds the parameters from several starts: near to least absolute errors, then Huber's loss at its scale."""
        n, p = len(target), 1 + 2 * len(logs)
        starts = [_start(logs, target, share) for share in SHARES]
        bend = 1e-3
        for _ in range(3):
            theta, _ = min((_minimize(_same, start, logs, target, bend) for start in starts), key=_cost)
            residuals = np.abs(log_loss(theta, logs) - target)
            noise_sd = max(float(np.median(np.sort(residuals)[p - 1 :])) / 0.6745, 1e-6)  # below, rounding decides
            bend = BEND * noise_sd
        theta, _ = min((_minimize(_same, start, logs, target, bend) for start in (theta, *starts)), key=_cost)
        theta[0] = max(theta[0], target.min() + np.log(1e-9))  # none at all, at a finite logarithm
        residuals = np.abs(log_loss(theta, logs) - target)
        inside = max(np.mean(residuals <= bend), 1 / n)
        few = 1 + p / n * (1 - inside) / inside  # Huber 1981, Robust Statistics, section 7.6
        variance = few**2 * np.sum(np.minimum(residuals, bend) ** 2) / (n - p)
        return cls(theta, logs, target, noise_sd, max(float(variance / (2 * inside)), 1e-14), starts)

    def profile(
        self, reduce: Callable[[Theta], Reduced], expand: Callable[[float, Free], Theta], *, level: float
    ) -> tuple[float, float, float]:
        """A quantity at the fit, and the least and largest value that the data do not refuse, whatever else varies.

        Where nothing refuses a value, the bound is infinite.

        Args:
            reduce: turns ``theta`` into the quantity and the other parameters.
            expand: turns them back.
            level: intended coverage.
        """
        best = self._objective(self.theta)
        allowed = self.unit * stats.t.ppf((1 + level) / 2, len(self.target) - len(self.theta)) ** 2
        (at, free), others = reduce(self.theta), [reduce(start)[1] for start in self.starts]

        def bound(direction: int) -> float:
            slope, reached = np.zeros_like(free), self.noise_sd

            def excess(distance: float) -> float:
                nonlocal slope
                if distance == 0:
                    return -allowed
                here = partial(expand, at + direction * distance)
                found = self._minimum(here, free + slope * distance)  # the path is nearly straight
                if found[1] - best >= allowed:  # or there is another valley
                    found = min((found, *(self._minimum(here, other) for other in others)), key=_cost)
                if found[1] - best < allowed:
                    slope = (found[0] - free) / distance
                return found[1] - best - allowed

            while excess(reached) < 0:
                reached *= 1.6
                if reached > FAR:
                    return direction * np.inf
            return at + direction * float(brentq(excess, 0, reached, xtol=5e-3 * reached))

        return at, bound(-1), bound(1)

    def falls(self, *, level: float) -> bool:
        """Whether a loss that is the same everywhere is refused."""
        _, flat = self._minimum(_same, np.array([np.median(self.target)]))
        terms, freedom = len(self.theta) - 1, len(self.target) - len(self.theta)
        return bool(flat - self._objective(self.theta) > self.unit * terms * stats.f.ppf(level, terms, freedom))

    def _minimum(self, expand: Callable[[Free], Theta], start: Free) -> tuple[Free, float]:
        return _minimize(expand, start, self.logs, self.target, BEND * self.noise_sd)

    def _objective(self, theta: Theta) -> float:
        return float(np.sum(_bent(log_loss(theta, self.logs) - self.target, BEND * self.noise_sd) ** 2)) / 2


def log_loss(theta: Theta, logs: Logs) -> Float[np.ndarray, " runs"]:
    """The logarithm of the loss; columns without parameters are left out."""
    total = np.full(logs.shape[1], theta[0])
    for a, log_alpha, z in zip(theta[1::2], theta[2::2], logs, strict=False):
        total = np.logaddexp(total, a - np.exp(min(log_alpha, 5.0)) * z)
    return total


def _minimize(
    expand: Callable[[Free], Theta], start: Free, logs: Logs, target: Float[np.ndarray, " runs"], bend: float
) -> tuple[Free, float]:
    def residuals(free: Free) -> Float[np.ndarray, " runs"]:
        return _bent(log_loss(expand(free), logs) - target, bend)

    found, *_ = leastsq(residuals, start, full_output=True, ftol=1e-10, xtol=1e-10)  # else it warns at a plateau
    return found, float(np.sum(residuals(found) ** 2)) / 2


def _bent(residuals: Float[np.ndarray, " runs"], bend: float) -> Float[np.ndarray, " runs"]:
    """Numbers whose halved squares are Huber's loss, so that MINPACK's least squares minimizes it."""
    size = np.abs(residuals)
    return np.sign(residuals) * np.where(size <= bend, size, np.sqrt(np.maximum(2 * bend * size - bend**2, 0)))


def _start(logs: Logs, target: Float[np.ndarray, " runs"], share: float) -> Theta:
    """With ``share`` of the least loss irreducible: for exponents on a grid the rest is linear."""
    grid = np.geomspace(0.03, 2, 24 if len(logs) == 1 else 10)
    irreducible = target.min() + np.log(share)
    best, start = np.inf, np.zeros(0)
    for alphas in product(grid, repeat=len(logs)):
        columns = np.exp(-np.array(alphas)[:, None] * logs - target)
        weights, error = nnls(columns.T, 1 - np.exp(irreducible - target))
        if error < best:
            levels = np.log(np.maximum(weights, 0.01 * weights.max()))
            best, start = error, np.r_[irreducible, np.column_stack([levels, np.log(alphas)]).ravel()]
    return start


def _same(theta: Theta) -> Theta:
    return theta


def _cost(minimum: tuple[Free, float]) -> float:
    return minimum[1]

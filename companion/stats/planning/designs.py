"""The power of a test as a function of the number of examples and of the difference, one function for each design."""

import bisect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from reprlib import repr as brief

import numpy as np
from scipy.integrate import fixed_quad
from scipy.special import ndtr, ndtri
from scipy.stats import binom, nct, t
from statsmodels.stats.proportion import power_proportions_2indep, proportion_confint

from companion.checks import check_one_of, is_number
from companion.stats.base.options import check_alpha, check_between

JUDGED_BY_BOTH = "examples judged by both models"
IN_EACH_GROUP = "examples in each of two groups"


@dataclass(frozen=True)
class Kind:
    """What a design is made of.

    Attributes:
        power: of ``n`` examples (of two at least, a fraction where clusters shrink them), the difference, alpha, and
            the assumptions by name.
        test: the test that it is the power of.
        unit: what is counted.
        ranges: the assumptions and the open intervals they lie in.
        limits: from the assumptions to the open interval in which the difference lies.
    """

    power: Callable[..., float]
    test: str
    unit: str
    ranges: Mapping[str, tuple[float, float]]
    limits: Callable[[Mapping[str, float]], tuple[float, float]]


@dataclass(frozen=True)
class PowerDesign:
    """A kind with its assumptions.

    Attributes:
        name: of the kind.
        alpha: two-sided level of the test.
        assumed: the assumptions by name.
    """

    name: str
    alpha: float
    assumed: Mapping[str, float]

    def __post_init__(self) -> None:
        check_one_of("kind", self.name, KINDS)
        check_alpha(self.alpha)
        needed, clustered = set(self.kind.ranges), {"cluster_size", "icc"}
        if set(self.assumed) not in (needed, needed | clustered):
            raise ValueError(
                f"expected {', '.join(self.kind.ranges)} by keyword for kind {self.name!r}, and for clusters both "
                f"cluster_size and icc; got {', '.join(self.assumed) or 'none'}"
            )
        for name, (low, high) in self.kind.ranges.items():
            check_between(name, self.assumed[name], low, high)
        size, icc = self.assumed.get("cluster_size", 1), self.assumed.get("icc", 0)
        if not (is_number(size) and is_number(icc) and size >= 1 and 0 <= icc <= 1):
            raise ValueError(
                f"expected cluster_size of at least 1 and icc from 0 to 1, got {brief(size)} and {brief(icc)}; icc is "
                "the share of variance that lies between clusters"
            )

    @property
    def kind(self) -> Kind:
        """What the name stands for."""
        return KINDS[self.name]

    @property
    def limits(self) -> tuple[float, float]:
        """The open interval in which the difference lies."""
        return self.kind.limits(self.assumed)

    @property
    def design_effect(self) -> float:
        """By how much clusters raise the number of examples."""
        return 1 + (self.assumed.get("cluster_size", 1) - 1) * self.assumed.get("icc", 0)

    def power(self, n: int, difference: float) -> float:
        """Probability that the test finds ``difference`` with ``n`` examples; 0 where there are too few to test."""
        worth = n / self.design_effect
        if worth < 2:
            return 0.0
        assumed = {name: self.assumed[name] for name in self.kind.ranges}
        return float(self.kind.power(worth, difference, self.alpha, **assumed))


def _proportion(n: float, half_width: float, alpha: float, *, share: float) -> float:
    """Probability that Wilson's interval is so narrow; its width falls with the count's distance from n / 2."""
    n = int(n)

    def width(count: int) -> float:
        low, high = proportion_confint(count, n, alpha=alpha, method="wilson")
        return float(high - low)

    narrow = bisect.bisect_right(range(n // 2 + 1), 2 * half_width, key=width)  # widths grow up to the middle
    if narrow > n // 2:
        return 1.0
    return float(binom.cdf(narrow - 1, n, share) + binom.sf(n - narrow, n, share))


def _paired_proportions(n: float, difference: float, alpha: float, *, disagreement: float) -> float:
    """McNemar's mid-p test: exact, over the number of examples in dispute."""
    n = int(n)
    spread = 8 * math.sqrt(n * disagreement * (1 - disagreement)) + 8
    disputed = np.arange(max(0, int(n * disagreement - spread)), min(n, int(n * disagreement + spread)) + 1)
    critical = binom.ppf(alpha / 2, disputed, 0.5)
    mid_p = binom.cdf(critical, disputed, 0.5) - binom.pmf(critical, disputed, 0.5) / 2
    critical -= mid_p > alpha / 2
    for_second = (1 + abs(difference) / disagreement) / 2
    found = binom.cdf(critical, disputed, for_second) + binom.sf(disputed - critical - 1, disputed, for_second)
    return float(binom.pmf(disputed, n, disagreement) @ found)


def _proportions(n: float, difference: float, alpha: float, *, share: float) -> float:
    return float(power_proportions_2indep(difference, share, n, alpha=alpha, return_results=False))


def _paired_means(n: float, difference: float, alpha: float, *, sd: float) -> float:
    return _t_test(abs(difference) / sd * math.sqrt(n), n - 1, alpha)


def _means(n: float, difference: float, alpha: float, *, sd: float) -> float:
    return _t_test(abs(difference) / sd * math.sqrt(n / 2), 2 * n - 2, alpha)


def _t_test(noncentrality: float, degrees: float, alpha: float) -> float:
    if degrees > 1e6:  # where SciPy's noncentral t gives NaN at times, and where it is normal
        return _two_sided(noncentrality, alpha)
    critical = t.ppf(1 - alpha / 2, degrees)
    # SciPy gives NaN far out on the other side, where nothing is.
    wrong_side = nct.cdf(-critical, degrees, noncentrality) if noncentrality < 5 else 0.0
    return float(nct.sf(critical, degrees, noncentrality) + wrong_side)


def _auc(n: float, difference: float, alpha: float, *, auc: float, positive_share: float) -> float:
    variances = [_auc_covariance(n, positive_share, area, area, 1.0) for area in (auc, auc + difference)]
    return _wald(difference, sum(variances), alpha)


def _paired_auc(
    n: float, difference: float, alpha: float, *, auc: float, positive_share: float, correlation: float
) -> float:
    pairs = ((auc, auc, 1.0, 1), (auc + difference, auc + difference, 1.0, 1), (auc, auc + difference, correlation, -2))
    variance = sum(sign * _auc_covariance(n, positive_share, a, b, rho) for a, b, rho, sign in pairs)
    return _wald(difference, variance, alpha)


def _auc_covariance(n: float, positive_share: float, auc_a: float, auc_b: float, correlation: float) -> float:
    """Of two empirical areas on the same examples, normal scores of equal variance in both classes.

    Two pairs (positive, negative) that share both examples have correlation rho, those that share one, rho / 2.
    """
    positives, negatives = n * positive_share, n * (1 - positive_share)
    both, one = (_joint_excess(auc_a, auc_b, rho) for rho in (correlation, correlation / 2))
    return (both + (positives + negatives - 2) * one) / (positives * negatives)


def _joint_excess(auc_a: float, auc_b: float, correlation: float) -> float:
    """P(X < a, Y < b) - P(X < a) P(Y < b) of standard normals: Plackett's integral, over the angle sin(t) = rho."""
    a, b = ndtri(auc_a), ndtri(auc_b)

    def density(angle: np.ndarray) -> np.ndarray:
        return np.exp(-(a * a + b * b - 2 * a * b * np.sin(angle)) / (2 * np.cos(angle) ** 2)) / (2 * math.pi)

    return float(fixed_quad(density, 0, math.asin(correlation), n=64)[0])


def _wald(difference: float, variance: float, alpha: float) -> float:
    return _two_sided(abs(difference) / math.sqrt(max(variance, 1e-300)), alpha)


def _two_sided(signal: float, alpha: float) -> float:
    """Power of a normal test whose statistic has mean ``signal`` and variance 1."""
    z = ndtri(1 - alpha / 2)
    return float(ndtr(signal - z) + ndtr(-signal - z))


def _up_to_one(name: str) -> Callable[[Mapping[str, float]], tuple[float, float]]:
    return lambda assumed: (-assumed[name], 1 - assumed[name])


def _in_deviations(assumed: Mapping[str, float]) -> tuple[float, float]:
    """Beyond, two examples are enough, and SciPy's noncentral t gives NaN."""
    return -1_000 * assumed["sd"], 1_000 * assumed["sd"]


_SHARE, _AUC = {"share": (0, 1)}, {"auc": (0, 1), "positive_share": (0, 1)}

KINDS = {
    "proportion": Kind(_proportion, "Wilson's interval", "examples", _SHARE, lambda assumed: (0, 0.5)),
    "paired_proportions": Kind(
        _paired_proportions,
        "McNemar's test, mid-p",
        JUDGED_BY_BOTH,
        {"disagreement": (0, 1)},
        lambda assumed: (-assumed["disagreement"], assumed["disagreement"]),
    ),
    "proportions": Kind(_proportions, "the z test of two shares", IN_EACH_GROUP, _SHARE, _up_to_one("share")),
    "paired_means": Kind(_paired_means, "the paired t test", JUDGED_BY_BOTH, {"sd": (0, math.inf)}, _in_deviations),
    "means": Kind(_means, "the t test", IN_EACH_GROUP, {"sd": (0, math.inf)}, _in_deviations),
    "paired_auc": Kind(
        _paired_auc, "DeLong's paired test", JUDGED_BY_BOTH, _AUC | {"correlation": (-1, 1)}, _up_to_one("auc")
    ),
    "auc": Kind(_auc, "DeLong's test of two samples", IN_EACH_GROUP, _AUC, _up_to_one("auc")),
}

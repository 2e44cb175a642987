"""Power that is promised and power that is found; decisions on releases."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import stats

from benchmarks.coverage.case import Case, Claim, Outcome, rejects
from benchmarks.coverage.distributions import answers
from companion.stats import (
    SampleSize,
    compare_paired,
    detectable_difference,
    mean_ci,
    proportion_ci,
    release_gate,
    sample_size,
)
from companion.stats.metrics.auc import delong

Generator = np.random.Generator
Find = Callable[[Generator, SampleSize], Outcome]


def cases() -> list[Case]:
    """All of them."""
    return [*_sizes(), *_gates()]


def _paired_proportions(rng: Generator, size: SampleSize) -> Outcome:
    new, old = answers(rng, size.n, size.assumed["disagreement"], size.difference)
    return rejects(compare_paired(np.ones(size.n, dtype=bool), new, old).p_value)


def _proportions(rng: Generator, size: SampleSize) -> Outcome:
    share = size.assumed["share"]
    a, b = rng.binomial(size.n, [share, share + size.difference])
    pooled = (a + b) / (2 * size.n)
    z = (b - a) / size.n / np.sqrt(2 * pooled * (1 - pooled) / size.n)
    return rejects(2 * stats.norm.sf(abs(z)))


def _paired_means(rng: Generator, size: SampleSize) -> Outcome:
    interval = mean_ci(size.difference + size.assumed["sd"] * rng.normal(size=size.n))
    return Outcome(not interval.low <= 0 <= interval.high)


def _means(rng: Generator, size: SampleSize) -> Outcome:
    a, b = size.assumed["sd"] * rng.normal(size=(2, size.n))
    return rejects(stats.ttest_ind(a, b + size.difference).pvalue)


def _clustered_means(rng: Generator, size: SampleSize) -> Outcome:
    m, icc = int(size.assumed["cluster_size"]), size.assumed["icc"]
    clusters = np.arange(-(-size.n // m)).repeat(m)
    effects = np.sqrt(icc) * rng.normal(size=clusters[-1] + 1)[clusters]
    interval = mean_ci(size.difference + effects + np.sqrt(1 - icc) * rng.normal(size=len(clusters)), clusters=clusters)
    return Outcome(not interval.low <= 0 <= interval.high)


def _scores(rng: Generator, size: SampleSize, correlation: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.repeat([1, 0], [positives := round(size.n * size.assumed["positive_share"]), size.n - positives])
    shifts = np.sqrt(2) * stats.norm.ppf([size.assumed["auc"], size.assumed["auc"] + size.difference])
    a, own = rng.normal(size=(2, size.n))
    b = correlation * a + np.sqrt(1 - correlation**2) * own
    return truth, a + shifts[0] * truth, b + shifts[1] * truth


def _paired_auc(rng: Generator, size: SampleSize) -> Outcome:
    return rejects(compare_paired(*_scores(rng, size, size.assumed["correlation"]), metric="auc").p_value)


def _auc(rng: Generator, size: SampleSize) -> Outcome:
    truth, a, b = _scores(rng, size, 0.0)
    (area_a, area_b), covariance = delong(truth, a, b)  # the scores are independent, as are two samples
    error = np.sqrt(covariance[0, 0] + covariance[1, 1])
    return rejects(2 * stats.norm.sf(abs(area_a - area_b) / error))


def _proportion(rng: Generator, size: SampleSize) -> Outcome:
    interval = proportion_ci(rng.binomial(size.n, size.assumed["share"]), size.n)
    return Outcome(interval.high - interval.low <= 2 * size.difference)


#: Kind, difference, assumptions, and what finds it.
KINDS: list[tuple[str, float, dict[str, float], Find]] = [
    ("paired_proportions", 0.1, {"disagreement": 0.2}, _paired_proportions),
    ("proportions", -0.1, {"share": 0.85}, _proportions),
    ("paired_means", 0.5, {"sd": 1.3}, _paired_means),
    ("means", 0.8, {"sd": 1.0}, _means),
    ("paired_means", 0.2, {"sd": 1.0, "cluster_size": 5, "icc": 0.3}, _clustered_means),
    ("paired_auc", 0.1, {"auc": 0.7, "positive_share": 0.2, "correlation": 0.7}, _paired_auc),
    ("auc", 0.1, {"auc": 0.8, "positive_share": 0.3}, _auc),
    ("proportion", 0.03, {"share": 0.9}, _proportion),
]


def _sizes() -> list[Case]:
    def case(function: str, size: SampleSize, find: Find) -> Case:
        least, most = size.power - 0.02, size.power + 0.02
        assumed = ", ".join(f"{name} {value:g}" for name, value in size.assumed.items())
        claim = Claim("power", (least, most), f"{size.power:.3f} promised")
        data = f"difference {size.difference:.3g}, {assumed}"
        return Case(function, data, f"{size.n}", lambda rng: (find(rng, size),), (claim,), size.kind)

    found = detectable_difference("paired_proportions", 200, disagreement=0.2)
    return [
        *(case("sample_size", sample_size(kind, by, **assumed), find) for kind, by, assumed, find in KINDS),
        case("detectable_difference", found, _paired_proportions),
        case("detectable_difference", detectable_difference("means", 40, sd=1.0), _means),
    ]


def _gates() -> list[Case]:
    def shipped(rng: Generator, n: int, looks: int, difference: float) -> tuple[Outcome]:
        new, old = answers(rng, n, 0.1, difference)
        for look in range(1, looks + 1):
            comparison = compare_paired(np.ones(len(new), dtype=bool), new, old)
            gate = release_gate(comparison, n=len(new), margin=0.02, look=look, looks=looks, budget=20_000)
            if gate.decision != "label":
                break
            more_new, more_old = answers(rng, gate.labels_more, 0.1, difference)
            new, old = np.append(new, more_new), np.append(old, more_old)
        return (Outcome(gate.decision == "ship"),)

    risk = Claim("shipped", (0.0, 0.06), "on the margin: the risk is 0.05, 0.055 stated for one look")
    better = Claim("shipped", (0.95, 1.0), "0.982 stated of models that are better by 0.02")
    worse = Claim("shipped", (0.0, 0.01), "0.000 stated of models that are worse by 0.04")
    return [
        Case("release_gate", f"difference {difference:g}, margin 0.02", f"{n}, {looks} looks",
             partial(shipped, n=n, looks=looks, difference=difference), (claim,))
        for n, looks, difference, claim in [
            (500, 1, -0.02, risk), (200, 2, -0.02, risk), (500, 3, -0.02, risk), (500, 2, 0.02, better),
            (500, 2, -0.04, worse),
        ]
    ]  # fmt: skip

"""The questions of ``benchmarks.statistics``: ours, and the rows that SciPy and scikit-learn would resample."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from sklearn.metrics import r2_score, roc_auc_score

from companion.stats import Comparison, Interval, auc_bootstrap_ci, compare_paired, metric_ci, permutation_test

N_RESAMPLES = 9_999

Ours = Callable[[], Interval | Comparison]


@dataclass
class Race:
    """The same question asked of both.

    Attributes:
        name: the question.
        ours: one call.
        theirs: draws some resamples from a seed and gives their values.
        rival: what ``theirs`` is made of.
        least: the ratio of seconds that we claim; 0 claims none.
        same: whether the quantiles of their values are an interval for the same quantity as ours.
        our_seconds: of each round, for ``N_RESAMPLES`` or what stands for them.
        their_seconds: of each round, for one resample.
        values: theirs, of all rounds.
        result: ours, of the last round.
    """

    name: str
    ours: Ours
    theirs: Callable[[int], np.ndarray]
    rival: str
    least: float = 0
    same: bool = True
    our_seconds: list[float] = field(default_factory=list)
    their_seconds: list[float] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    result: Interval | Comparison | None = None

    def round(self, seed: int) -> None:
        """Both in turn, so that whatever else the machine does falls on both alike."""
        started = time.perf_counter()
        self.result = self.ours()
        self.our_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        values = self.theirs(seed)
        self.their_seconds.append((time.perf_counter() - started) / len(values))
        self.values.append(values)

    @property
    def total(self) -> float:
        """Their seconds for ``N_RESAMPLES``, extrapolated."""
        return N_RESAMPLES * float(np.median(self.their_seconds))

    @property
    def ratio(self) -> float:
        """Of the medians, for as many resamples."""
        return self.total / float(np.median(self.our_seconds))

    @property
    def row(self) -> str:
        """One line of the table."""
        low, middle, high = np.quantile(self.our_seconds, [0, 0.5, 1])
        return (
            f"| {self.name} | {middle:.3g} s ({low:.3g} to {high:.3g}) | {self.rival} | "
            f"{np.median(self.their_seconds):.3g} s × 9,999 = {self.total:,.0f} s | **{self.ratio:,.0f}** |"
        )


def predictions(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Synthetic: 30% positive, model a with recall 0.8 and specificity 0.9, model b a little worse."""
    rng = np.random.default_rng(0)
    truth = rng.random(n) < 0.3
    return truth, rng.random(n) < np.where(truth, 0.8, 0.1), rng.random(n) < np.where(truth, 0.79, 0.1)


def scores(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Synthetic: two models whose scores share half their noise, areas near 0.76."""
    rng = np.random.default_rng(1)
    truth, shared = rng.random(n) < 0.3, rng.normal(size=n)
    a, b = (truth + np.sqrt(0.5) * (shared + rng.normal(size=n)) for _ in range(2))
    return truth, a, b


def f1(truth: np.ndarray, predicted: np.ndarray, axis: int) -> np.ndarray:
    """The fastest F1 of rows that we know: counts of booleans, vectorised over resamples."""
    hits = np.count_nonzero(truth & predicted, axis=axis)
    return 2 * hits / (np.count_nonzero(truth, axis=axis) + np.count_nonzero(predicted, axis=axis))


def resampled(statistic: Callable[[np.ndarray], float], n: int, count: int) -> Callable[[int], np.ndarray]:
    """The loop that people write: draw rows, call scikit-learn."""
    return lambda seed: np.array([statistic(rows) for rows in np.random.default_rng(seed).integers(0, n, (count, n))])


def scipy_f1(truth: np.ndarray, predicted: np.ndarray, count: int) -> Callable[[int], np.ndarray]:
    """``scipy.stats.bootstrap`` of F1, vectorised."""
    return lambda seed: stats.bootstrap(
        (truth, predicted), f1, paired=True, method="percentile", n_resamples=count, batch=20,
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution  # fmt: skip


def scipy_permutation(
    a: np.ndarray, b: np.ndarray, statistic: Callable[..., np.ndarray], count: int
) -> Callable[[int], np.ndarray]:
    """``scipy.stats.permutation_test`` of pairs, vectorised."""
    return lambda seed: stats.permutation_test(
        (a, b), statistic, permutation_type="samples", vectorized=True, n_resamples=count, batch=20,
        rng=np.random.default_rng(seed),
    ).null_distribution  # fmt: skip


def races() -> list[Race]:
    """All questions, with the ratios that we claim."""
    truth, a, b = predictions(100_000)
    ranked, first, second = scores(1_000_000)
    n, (fewer, one, two) = 100_000, (column[:100_000] for column in (ranked, first, second))
    x, noise, other = np.random.default_rng(2).normal(size=(3, 5_000))

    def f1_difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        where = np.moveaxis(np.broadcast_to(truth, (*np.delete(a.shape, axis), len(truth))), -1, axis)
        return f1(where, a, axis) - f1(where, b, axis)

    return [
        Race(
            "F1, n = 100,000", lambda: metric_ci(truth, a, metric="f1"), scipy_f1(truth, a, 200),
            "`scipy.stats.bootstrap`", least=500,
        ),
        Race(
            "area under the ROC curve, n = 1,000,000", lambda: metric_ci(ranked, first, metric="auc"),
            resampled(lambda rows: roc_auc_score(ranked[rows], first[rows]), len(ranked), 2),
            "loop of `sklearn.metrics.roc_auc_score`", least=50, same=False,
        ),
        Race(
            "the same by resampling weights, n = 10,000",
            lambda: auc_bootstrap_ci(fewer[:10_000], one[:10_000]),
            resampled(lambda rows: roc_auc_score(fewer[rows], one[rows]), 10_000, 50),
            "loop of `sklearn.metrics.roc_auc_score`",
        ),
        Race(
            "R², n = 5,000", lambda: metric_ci(x + noise, x, metric="r2"),
            resampled(lambda rows: r2_score((x + noise)[rows], x[rows]), 5_000, 100),
            "loop of `sklearn.metrics.r2_score`",
        ),
        Race(
            "difference of two areas and test, n = 100,000", lambda: compare_paired(fewer, one, two, metric="auc"),
            resampled(lambda rows: roc_auc_score(fewer[rows], one[rows]) - roc_auc_score(fewer[rows], two[rows]), n, 5),
            "loop of `sklearn.metrics.roc_auc_score`", least=50, same=False,
        ),
        Race(
            "difference of two F1 and permutation test, n = 100,000",
            lambda: compare_paired(truth, a, b, metric="f1"), scipy_permutation(a, b, f1_difference, 40),
            "`scipy.stats.permutation_test`", least=50, same=False,
        ),
        Race(
            "permutation test of paired means, n = 5,000",
            lambda: permutation_test(x + noise, x + other, paired=True),
            scipy_permutation(x + noise, x + other, lambda a, b, axis: (a - b).mean(axis), 400),
            "`scipy.stats.permutation_test`", same=False,
        ),
    ]  # fmt: skip

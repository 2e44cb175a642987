"""The questions of ``benchmarks.statistics``: ours, and what loops of SciPy, scikit-learn and statsmodels answer."""

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn.metrics import r2_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar

from benchmarks.race import Gap, Race, between_bounds, between_p_values
from companion.stats import (
    AccuracyComparisons,
    auc_bootstrap_ci,
    compare_accuracies,
    compare_paired,
    metric_ci,
    permutation_test,
)

N_COMPARISONS = 10_000


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
    """The fastest F1 of rows that we know: counts of booleans, vectorized over resamples."""
    hits = np.count_nonzero(truth & predicted, axis=axis)
    return 2 * hits / (np.count_nonzero(truth, axis=axis) + np.count_nonzero(predicted, axis=axis))


def resampled(statistic: Callable[[np.ndarray], float], n: int, count: int) -> Callable[[int], np.ndarray]:
    """The loop that people write: draw rows, call scikit-learn."""
    return lambda seed: np.array([statistic(rows) for rows in np.random.default_rng(seed).integers(0, n, (count, n))])


def scipy_f1(truth: np.ndarray, predicted: np.ndarray, count: int) -> Callable[[int], np.ndarray]:
    """``scipy.stats.bootstrap`` of F1, vectorized."""
    return lambda seed: stats.bootstrap(
        (truth, predicted), f1, paired=True, method="percentile", n_resamples=count, batch=20,
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution  # fmt: skip


def scipy_permutation(
    a: np.ndarray, b: np.ndarray, statistic: Callable[..., np.ndarray], count: int, *, paired: bool
) -> Callable[[int], np.ndarray]:
    """``scipy.stats.permutation_test``, vectorized, in the batches that suit it best: for pairs, all at once."""
    kind, batch = ("samples", None) if paired else ("independent", 20)
    return lambda seed: stats.permutation_test(
        (a, b), statistic, permutation_type=kind, vectorized=True, n_resamples=count, batch=batch,
        rng=np.random.default_rng(seed),
    ).null_distribution  # fmt: skip


def mean_difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    """The statistic of the permutation tests."""
    return a.mean(axis) - b.mean(axis)


def permutation_race(n_a: int, n_b: int, *, paired: bool, count: int) -> Race:
    """A permutation test of means that are one standard error apart: p is near 0.32, where a wrong law would show."""
    rng = np.random.default_rng(2)
    a, b = (noise - noise.mean() for noise in (rng.normal(size=n_a), rng.normal(size=n_b)))
    a += np.sqrt(1 / n_a + 1 / n_b)
    return Race(
        f"permutation test of means, {n_a:,} pairs" if paired else
        f"permutation test of means, {n_a:,} against {n_b:,}",
        lambda: permutation_test(a, b, paired=paired),
        scipy_permutation(a, b, mean_difference, count, paired=paired),
        "`scipy.stats.permutation_test`", least=10, gap=between_p_values,
    )  # fmt: skip


def mcnemar_race(n_examples: int, count: int) -> Race:
    """Checkpoints against a baseline of accuracy 0.8, from which each differs in about 10% of the examples."""
    rng = np.random.default_rng(4)
    baseline = rng.random(n_examples) < 0.8
    checkpoints = baseline ^ (rng.random((N_COMPARISONS, n_examples)) < np.where(baseline, 0.06, 0.25))

    def theirs(seed: int) -> np.ndarray:
        codes = 2 * baseline + checkpoints[seed * count : (seed + 1) * count]
        tables = [np.bincount(row, minlength=4).reshape(2, 2) for row in codes]
        return np.array([mcnemar(table, exact=True).pvalue for table in tables])

    def between_each(race: Race) -> Gap:
        """Ours counts the outcome seen half, which statsmodels' exact p counts whole."""
        assert isinstance(race.result, AccuracyComparisons)
        exact = np.concatenate(race.values)
        compared = checkpoints[: len(exact)]
        only_a, only_b = (baseline & ~compared).sum(1), (compared & ~baseline).sum(1)
        expected = np.where(only_a == only_b, 1, exact - stats.binom.pmf(only_a, only_a + only_b, 0.5))
        apart = np.abs(race.result.p_value[: len(exact)] - expected).max()
        return Gap(f"mid-p apart by at most {apart:.1g}", apart, 1e-12)

    return Race(
        f"{N_COMPARISONS:,} paired comparisons of {n_examples:,} examples at once",
        lambda: compare_accuracies(baseline, checkpoints), theirs,
        "loop of `statsmodels` `mcnemar`", least=50, repeats=N_COMPARISONS, gap=between_each,
    )  # fmt: skip


def races() -> list[Race]:
    """All questions, with the ratios that we claim."""
    truth, a, b = predictions(100_000)
    ranked, first, second = scores(1_000_000)
    n, (fewer, one, two) = 100_000, (column[:100_000] for column in (ranked, first, second))
    x, noise = np.random.default_rng(2).normal(size=(2, 5_000))

    def f1_difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        where = np.moveaxis(np.broadcast_to(truth, (*np.delete(a.shape, axis), len(truth))), -1, axis)
        return f1(where, a, axis) - f1(where, b, axis)

    return [
        Race(
            "F1, n = 100,000", lambda: metric_ci(truth, a, metric="f1"), scipy_f1(truth, a, 200),
            "`scipy.stats.bootstrap`", least=500, gap=between_bounds,
        ),
        Race(
            "area under the ROC curve, n = 1,000,000", lambda: metric_ci(ranked, first, metric="auc"),
            resampled(lambda rows: roc_auc_score(ranked[rows], first[rows]), len(ranked), 2),
            "loop of `sklearn.metrics.roc_auc_score`", least=50, within=2,
        ),
        Race(
            "the same by resampling weights, n = 10,000",
            lambda: auc_bootstrap_ci(fewer[:10_000], one[:10_000]),
            resampled(lambda rows: roc_auc_score(fewer[rows], one[rows]), 10_000, 50),
            "loop of `sklearn.metrics.roc_auc_score`", gap=between_bounds,
        ),
        Race(
            "R², n = 5,000", lambda: metric_ci(x + noise, x, metric="r2"),
            resampled(lambda rows: r2_score((x + noise)[rows], x[rows]), 5_000, 100),
            "loop of `sklearn.metrics.r2_score`", gap=between_bounds,
        ),
        Race(
            "difference of two areas and test, n = 100,000", lambda: compare_paired(fewer, one, two, metric="auc"),
            resampled(lambda rows: roc_auc_score(fewer[rows], one[rows]) - roc_auc_score(fewer[rows], two[rows]), n, 5),
            "loop of `sklearn.metrics.roc_auc_score`", least=50,
        ),
        Race(
            "difference of two F1 and permutation test, n = 100,000",
            lambda: compare_paired(truth, a, b, metric="f1"), scipy_permutation(a, b, f1_difference, 100, paired=True),
            "`scipy.stats.permutation_test`", least=50, gap=between_p_values,
        ),
        mcnemar_race(1_000, 400),
        permutation_race(10_000, 10_000, paired=True, count=1_000),
        permutation_race(5_000, 5_000, paired=False, count=400),
        permutation_race(2_000, 8_000, paired=False, count=400),
        permutation_race(10_000, 10_000, paired=False, count=400),
    ]  # fmt: skip

"""F1 of 100,000 predictions: seconds a resample, counts (``metric_ci``) against rows (``scipy.stats.bootstrap``)."""

import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.report import header, write
from companion.stats import Interval, metric_ci

N_EXAMPLES = 100_000
N_ROUNDS = 7
OUR_RESAMPLES = 9_999
THEIR_RESAMPLES = 200  # a round: rows are slow; the interval takes all rounds together


def predictions() -> tuple[np.ndarray, np.ndarray]:
    """Synthetic: 30% positive, recall 0.8, specificity 0.9."""
    rng = np.random.default_rng(0)
    truth = rng.random(N_EXAMPLES) < 0.3
    return truth, rng.random(N_EXAMPLES) < np.where(truth, 0.8, 0.1)


def f1(truth: np.ndarray, predicted: np.ndarray, axis: int) -> np.ndarray:
    """The fastest F1 of rows that we know: counts of booleans, vectorised over resamples."""
    hits = np.count_nonzero(truth & predicted, axis=axis)
    return 2 * hits / (np.count_nonzero(truth, axis=axis) + np.count_nonzero(predicted, axis=axis))


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> None:
    """Measures both in turn, so that whatever else the machine does falls on both alike."""
    truth, predicted = predictions()
    ours, theirs, distribution = [], [], []
    for round_ in range(N_ROUNDS):
        seconds, interval = timed(
            lambda seed=round_: metric_ci(truth, predicted, metric="f1", n_resamples=OUR_RESAMPLES, seed=seed)
        )
        ours.append(seconds / OUR_RESAMPLES)
        seconds, result = timed(
            lambda seed=round_: stats.bootstrap(
                (truth, predicted),
                f1,
                paired=True,
                method="percentile",
                n_resamples=THEIR_RESAMPLES,
                batch=20,
                rng=np.random.default_rng(seed),
            )
        )
        theirs.append(seconds / THEIR_RESAMPLES)
        distribution.append(result.bootstrap_distribution)
    report(ours, theirs, interval, np.concatenate(distribution))


def report(ours: list[float], theirs: list[float], interval: Interval, distribution: np.ndarray) -> None:
    """Prints and writes the medians, their ratio and both intervals; stops where the claim does not hold."""
    ratio = np.median(theirs) / np.median(ours)
    low, high = np.quantile(distribution, [0.025, 0.975])
    apart = max(abs(low - interval.low), abs(high - interval.high)) / (interval.high - interval.low)
    write(
        "statistics.md",
        f"""# F1 of {N_EXAMPLES:,} predictions: resampling counts against resampling rows

{header("python -m benchmarks.statistics")}
- {N_ROUNDS} rounds, interleaved in one process; medians, with the range of the rounds

| | resamples a round | seconds a resample | range | 95% interval of F1 |
|---|---|---|---|---|
| `companion.stats.metric_ci` | {OUR_RESAMPLES:,} | {row(ours)} | {interval.low:.5f} to {interval.high:.5f} |
| `scipy.stats.bootstrap`, percentile | {THEIR_RESAMPLES:,} | {row(theirs)} | {low:.5f} to {high:.5f} |

Ratio of the medians: **{ratio:,.0f}**. The time of `metric_ci` includes its single count of the examples.
The bounds are apart by at most {apart:.1%} of the width; the resampling error of SciPy's {len(distribution):,}
resamples is about {resampling_error(len(distribution)):.0%} (standard error of one bound).
""",
    )
    assert ratio >= 100, f"expected at least 100 times fewer seconds a resample, got {ratio:.0f}"
    assert apart < 4 * resampling_error(len(distribution)), f"expected equal intervals, got {apart:.1%} apart"


def row(seconds: list[float]) -> str:
    """Median and range as two cells."""
    return f"{np.median(seconds):.2e} | {min(seconds):.2e} to {max(seconds):.2e}"


def resampling_error(n_resamples: int) -> float:
    """Standard error of a 2.5% quantile of a normal sample, as a share of the distance between both quantiles."""
    z = stats.norm.ppf(0.975)
    return float(np.sqrt(0.025 * 0.975 / n_resamples) / stats.norm.pdf(z) / (2 * z))


if __name__ == "__main__":
    main()

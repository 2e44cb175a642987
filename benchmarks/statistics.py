"""``companion.stats`` against rows resampled with SciPy and scikit-learn: seconds, how they grow, and memory.

Where both sides resample, seconds a resample are compared. Where ours needs no resamples (DeLong), its whole call is
compared with 9,999 times the other's seconds a resample, which are measured on a few: those totals are extrapolated.
"""

import time
import tracemalloc
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable, mcnemar

from benchmarks.report import RESULTS, header, write
from benchmarks.resampling import N_RESAMPLES, Ours, Race, predictions, races, scipy_f1, scores
from companion.plotting import use_style
from companion.stats import Interval, compare_paired, corpus_ci, metric_ci

N_ROUNDS = 5
SIZES = (1_000, 10_000, 100_000, 1_000_000)
MEMORY_SIZES = (100_000, 1_000_000, 10_000_000)


def mcnemars() -> tuple[float, float]:
    """Seconds of McNemar's test on 100,000 examples, ours with its interval, and statsmodels'; neither resamples."""
    truth, a, b = predictions(100_000)

    def theirs() -> object:
        return mcnemar(SquareTable.from_data(np.stack([a == truth, b == truth], axis=1)).table)

    return tuple(min(seconds(call) for _ in range(N_ROUNDS)) for call in (lambda: compare_paired(truth, a, b), theirs))


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of three calls."""
    return min(seconds(call) for _ in range(3))


def scipy_seconds(n: int) -> float:
    """Seconds a resample of SciPy's bootstrap of F1, on enough of them to drown its start."""
    truth, a, _ = predictions(n)
    count = int(np.clip(20_000_000 // n, 20, 2_000))
    return best(lambda: scipy_f1(truth, a, count)(0)) / count


def calls(n: int) -> dict[str, Ours]:
    """What is timed and weighed at each size."""
    truth, a, b = predictions(n)
    ranked, score, _ = scores(n)
    rows = np.stack([np.random.default_rng(3).exponential(size=n), np.ones(n)], axis=1)
    return {
        "F1": lambda: metric_ci(truth, a, metric="f1"),
        "difference of F1, permutation test": lambda: compare_paired(truth, a, b, metric="f1"),
        "area under the ROC curve": lambda: metric_ci(ranked, score, metric="auc"),
        "mean, corpus_ci": lambda: corpus_ci(rows, lambda sums: sums[..., 0] / sums[..., 1]),
    }


def peak(call: Callable[[], object]) -> float:
    """The most memory that a call holds beside its input, in MB."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def growth() -> None:
    """Draws seconds against examples, and against resamples."""
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    timed = {n: {name: best(call) for name, call in calls(n).items()} for n in SIZES}
    for name in timed[SIZES[0]]:
        left.plot(SIZES, [timed[n][name] for n in SIZES], marker="o", label=name)
    truth, a, _ = predictions(100_000)
    theirs = [N_RESAMPLES * scipy_seconds(n) for n in SIZES]
    left.plot(SIZES, theirs, linestyle="--", color="grey", label="F1, scipy.stats.bootstrap (extrapolated)")
    counts = (1_000, 10_000, 100_000, 1_000_000)
    ours = [best(lambda r=r: metric_ci(truth, a, metric="f1", n_resamples=r)) for r in counts]
    right.plot(counts, ours, marker="o", label="F1, n = 100,000")
    right.plot(
        counts, [theirs[2] * r / N_RESAMPLES for r in counts], linestyle="--", color="grey",
        label="scipy.stats.bootstrap (extrapolated)",
    )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="examples (9,999 resamples)", ylabel="seconds")
    right.set(xscale="log", xlabel="resamples")
    for axes in (left, right):
        axes.legend(fontsize=7)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "statistics-growth.png", dpi=150)


def main() -> None:
    """Measures all, then writes, then stops where a claim does not hold."""
    all_races = races()
    for seed in range(N_ROUNDS):
        for race in all_races:
            race.round(seed)
    ours, theirs = mcnemars()
    weighed = {n: calls(n) for n in MEMORY_SIZES}
    names = ("F1", "mean, corpus_ci")
    memory = "\n".join(
        f"| {name} | " + " | ".join(f"{peak(weighed[n][name]):,.0f} MB" for n in MEMORY_SIZES) + " |" for name in names
    )
    growth()
    table = "\n".join(race.row for race in all_races)
    write(
        "statistics.md",
        f"""# Intervals and tests of predictions: seconds and memory

{header("python -m benchmarks.statistics")}
- {N_ROUNDS} rounds, all questions interleaved in one process; medians, ours with the range of the rounds
- theirs: seconds a resample, measured on a few, times 9,999: extrapolated

| question | ours, 9,999 resamples or none needed | against | theirs | ratio |
|---|---|---|---|---|
{table}

Areas of independent examples need no resamples (DeLong). McNemar's test of 100,000 examples takes {ours:.3g} s with its
interval, and {theirs:.3g} s with statsmodels.

{agreement(all_races)}

The most memory held beside the input, 9,999 resamples:

| | {" | ".join(f"n = {n:,}" for n in MEMORY_SIZES)} |
|---|---|---|---|
{memory}

![Seconds against examples and against resamples](statistics-growth.png)
""",
    )
    check(all_races)


def agreement(all_races: list[Race]) -> str:
    """How far apart both intervals lie, where both resample for one."""
    lines = [
        f"- {race.name}: bounds apart by at most {apart(race):.1%} of the width" for race in all_races if race.same
    ]
    return "Both give the same intervals, but for the resampling error of theirs:\n\n" + "\n".join(lines)


def apart(race: Race) -> float:
    """The larger distance between bounds, as a share of our width."""
    assert isinstance(race.result, Interval)
    low, high = np.quantile(np.concatenate(race.values), [0.025, 0.975])
    return max(abs(low - race.result.low), abs(high - race.result.high)) / (race.result.high - race.result.low)


def check(all_races: list[Race]) -> None:
    """Stops where a claim does not hold."""
    for race in all_races:
        assert race.ratio >= race.least, f"expected {race.name} {race.least:,} times faster, got {race.ratio:,.0f}"
        if race.same:
            allowed = 0.03 + 4 * resampling_error(sum(map(len, race.values)))  # 0.03: BCa shifts, percentiles do not
            assert apart(race) < allowed, f"expected equal intervals for {race.name}, got {apart(race):.1%} apart"
    area = np.median(all_races[1].our_seconds)
    assert area < 2, f"expected the area of 1,000,000 examples in less than 2 s, got {area:.2f} s"


def resampling_error(n_resamples: int) -> float:
    """Standard error of a 2.5% quantile of a normal sample, as a share of the distance between both quantiles."""
    z = stats.norm.ppf(0.975)
    return float(np.sqrt(0.025 * 0.975 / n_resamples) / stats.norm.pdf(z) / (2 * z))


if __name__ == "__main__":
    main()

"""``companion.stats`` against loops of SciPy, scikit-learn and statsmodels: seconds, how they grow, and memory.

Where both sides resample, seconds a resample are compared. Where ours needs no resamples (DeLong), its whole call is
compared with 9,999 times the other's seconds a resample, which are measured on a few: those totals are extrapolated.
So are those of 10,000 comparisons, of which statsmodels makes some.
"""

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from statsmodels.stats.contingency_tables import SquareTable, mcnemar

from benchmarks.race import N_RESAMPLES, Ours, Race
from benchmarks.report import RESULTS, header, write
from benchmarks.resampling import mean_difference, predictions, races, scipy_f1, scipy_permutation, scores
from companion.plotting import use_style
from companion.stats import compare_paired, corpus_ci, metric_ci, permutation_test
from companion.stats.resampling.bootstrap import BLOCK

Held = dict[int, dict[str, int]]

N_ROUNDS = 5
SIZES = (1_000, 10_000, 100_000, 1_000_000)
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
MEMORY_SIZES = (100_000, 1_000_000, 10_000_000)

#: Permutations while memory is measured: more than a block of them, so that more would hold no more.
N_WEIGHED = 2_500

#: Bytes that resampling holds at any n: a block of numbers in float64, and as much of what is computed from it.
BUDGET = 2 * 8 * BLOCK

#: Bytes an example held beside the budget, where examples are sorted (the area) or give pseudo-values (the test).
HELD = {"F1": 0, "difference of F1, permutation test": 0, "mean, corpus_ci": 0, "area under the ROC curve": 64,
        "permutation test of two means": 32}  # fmt: skip


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


def scipy_permutation_seconds(n: int) -> float:
    """Seconds a resample of SciPy's permutation test."""
    a, b = halves(n)
    count = int(np.clip(5_000_000 // n, 20, 2_000))
    return best(lambda: scipy_permutation(a, b, mean_difference, count, paired=False)(0)) / count


def halves(n: int) -> np.ndarray:
    """Two independent samples of n numbers in all."""
    return np.random.default_rng(5).normal(size=(2, n // 2))


def calls(n: int, *, n_permutations: int = N_RESAMPLES) -> dict[str, Ours]:
    """What is timed and weighed at each size."""
    truth, a, b = predictions(n)
    ranked, score, _ = scores(n)
    rows = np.stack([np.random.default_rng(3).exponential(size=n), np.ones(n)], axis=1)
    x, y = halves(n)
    return {
        "F1": lambda: metric_ci(truth, a, metric="f1"),
        "difference of F1, permutation test": lambda: compare_paired(truth, a, b, metric="f1"),
        "area under the ROC curve": lambda: metric_ci(ranked, score, metric="auc"),
        "mean, corpus_ci": lambda: corpus_ci(rows, lambda sums: sums[..., 0] / sums[..., 1]),
        "permutation test of two means": lambda: permutation_test(x, y, paired=False, n_resamples=n_permutations),
    }


def peak(call: Callable[[], object]) -> int:
    """The most bytes that a call holds beside its input."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def growth() -> None:
    """Draws seconds against examples, and against resamples."""
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5), sharey=True)
    theirs = {
        "F1, scipy.stats.bootstrap": scipy_seconds,
        "two means, scipy.stats.permutation_test": scipy_permutation_seconds,
    }
    draw_examples(left, theirs)
    draw_resamples(right, theirs)
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "statistics-growth.png", dpi=150)


def draw_examples(axes: Axes, theirs: dict[str, Callable[[int], float]]) -> None:
    """Seconds of 9,999 resamples; theirs, from seconds a resample, dashed."""
    timed = {n: {name: best(call) for name, call in calls(n).items()} for n in SIZES}
    for name in timed[SIZES[0]]:
        axes.plot(SIZES, [timed[n][name] for n in SIZES], marker="o", label=name)
    for name, one in theirs.items():
        axes.plot(SIZES, [N_RESAMPLES * one(n) for n in SIZES], "--", label=f"{name} (extrapolated)")
    axes.set(xlabel="examples (9,999 resamples)", ylabel="seconds")


def draw_resamples(axes: Axes, theirs: dict[str, Callable[[int], float]]) -> None:
    """Seconds of one question of counts at n = 100,000, and of one of numbers at n = 10,000."""
    (truth, a, _), (x, y) = predictions(100_000), halves(10_000)
    ours = {
        "F1, n = 100,000": lambda r: metric_ci(truth, a, metric="f1", n_resamples=r),
        "permutation test of two means, n = 10,000": lambda r: permutation_test(x, y, paired=False, n_resamples=r),
    }
    for (name, call), n, (rival, one) in zip(ours.items(), (100_000, 10_000), theirs.items(), strict=True):
        (line,) = axes.plot(COUNTS, [best(partial(call, r)) for r in COUNTS], marker="o", label=name)
        axes.plot(COUNTS, one(n) * np.array(COUNTS), "--", color=line.get_color(), label=f"{rival} (extrapolated)")
    axes.set(xlabel="resamples")


def main() -> None:
    """Measures all, then writes, then stops where a claim does not hold."""
    all_races = races()
    for seed in range(N_ROUNDS):
        for race in all_races:
            race.round(seed)
    weighed = ((n, calls(n, n_permutations=N_WEIGHED)) for n in MEMORY_SIZES)
    held = {n: {name: peak(call) for name, call in each.items()} for n, each in weighed}
    growth()
    write("statistics.md", report(all_races, held))
    check(all_races, held)


def report(all_races: list[Race], held: Held) -> str:
    """All that was measured, in Markdown."""
    ours, theirs = mcnemars()
    table = "\n".join(race.row for race in all_races)
    return f"""# Intervals and tests of predictions: seconds and memory

{header("python -m benchmarks.statistics")}
- {N_ROUNDS} rounds, all questions interleaved in one process; medians, ours with the range of the rounds
- theirs: seconds a resample (or a comparison), measured on a few, times all of them: extrapolated

| question | ours, 9,999 resamples or none needed | against | theirs | ratio |
|---|---|---|---|---|
{table}

Areas of independent examples need no resamples (DeLong). McNemar's test of 100,000 examples takes {ours:.3g} s with its
interval, and {theirs:.3g} s with statsmodels.

{agreement(all_races)}

The most memory held beside the input, with 9,999 resamples ({N_WEIGHED:,} of the test of two means, more than a block).
The budget is {BUDGET / 1e6:.0f} MB at any n, and for what sorts all scores, or keeps a pseudo-value of each example, as
many bytes an example as the last column says:

{memory_table(held)}

![Seconds against examples and against resamples](statistics-growth.png)
"""


def memory_table(held: Held) -> str:
    """The peaks, and what is allowed."""
    rows = [
        ["", *(f"n = {n:,}" for n in held), "allowed an example"],
        ["---"] * (len(held) + 2),
        *([name, *(f"{peaks[name] / 1e6:,.0f} MB" for peaks in held.values()), f"{HELD[name]} B"] for name in HELD),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def agreement(all_races: list[Race]) -> str:
    """How far apart both answers lie, where both are of one kind."""
    lines = [f"- {race.name}: {race.gap(race).words}" for race in all_races if race.gap is not None]
    return "Both give the same answers, but for the resampling error of theirs:\n\n" + "\n".join(lines)


def check(all_races: list[Race], held: Held) -> None:
    """Stops where a claim does not hold."""
    for race in all_races:
        race.check()
    for n, peaks in held.items():
        for name, most in peaks.items():
            allowed = BUDGET + HELD[name] * n
            assert most <= allowed, f"expected {name} of {n:,} to hold at most {allowed:,} bytes, got {most:,}"


if __name__ == "__main__":
    main()

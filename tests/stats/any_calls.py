"""A case for every public function of companion.stats, and for every public method that takes more than axes."""

from functools import cache

import numpy as np
from any_input import (
    ALPHA,
    BINARY,
    CLASSES,
    GROUPS,
    LABELS,
    LEVEL,
    N_RESAMPLES,
    NUMBERS,
    ODD_COUNTS,
    ODD_NUMBERS,
    ODD_VALUES,
    PROBABILITIES,
    PROBABILITY_ROWS,
    RATINGS,
    RESAMPLED,
    SEED,
    TWO_COLUMNS,
    Argument,
    Case,
    column,
    count,
    function,
    maybe,
    number,
    option,
    word,
)  # fmt: skip

from companion import stats
from companion.stats.estimates.agreement import _SCALES, _WEIGHTS
from companion.stats.metrics.metrics import ALL_METRICS, METRICS

MEAN = stats.mean_ci([1.0, 2.0, 4.0, 4.5])
NAMES = option(
    ("a", "b"), ["a", "b"],
    odd=(None, "ab", 3, [], ["a"], ["a", "a"], ["intercept", "b"], [None, None], [1, 2], [["a"], ["b"]], {"a", "b"}),
)  # fmt: skip
RESULTS = option(
    MEAN, stats.compare_accuracies([1, 0, 1], [1, 1, 1]), stats.compare_paired([1, 0, 1], [1, 1, 1], [1, 0, 0]),
    odd=(None, 3, "text", (0.1, 0.2), stats.Interval),
)  # fmt: skip
KINDS = {
    "proportion": {"share": 0.8}, "paired_proportions": {"disagreement": 0.1}, "proportions": {"share": 0.8},
    "paired_means": {"sd": 1.0}, "means": {"sd": 2.0}, "auc": {"auc": 0.8, "positive_share": 0.3},
    "paired_auc": {"auc": 0.8, "positive_share": 0.3, "correlation": 0.5},
}  # fmt: skip
REGRESSION = {
    "x": TWO_COLUMNS, "names": NAMES, "level": LEVEL, "errors": word("hc3", "classical"),
    "clusters": option(None, None, odd=([0, 1] * 12, "a")),
}  # fmt: skip
CLUSTERED = REGRESSION | {"errors": word("cluster"), "clusters": column(lambda rng, n: np.arange(n) % 12)}
DESIGN = {"kind": word(*KINDS), "power": number(0.8, 0.5), "alpha": ALPHA, "assumed": option(None, odd=(
    {}, {"share": 0.5}, {"sd": None}, {"sd": float("nan")}, {"sd": 1e300}, {"sd": 1e-300}, {"share": "0.5"},
    {"share": 1e-300}, {"disagreement": 5e-324}, {"sd": 1.0, "cluster_size": 5, "icc": 0.1}, {"sd": 1.0, "icc": 0.1},
    {"share": 0.5, "cluster_size": 1e300, "icc": 1.0}, {"auc": 1 - 2**-53, "positive_share": 1e-300},
    {"sd": 1.0, "cluster_size": None, "icc": "0.1"}, {"no such thing": 1.0},
))}  # fmt: skip


ODD_SHARES = (
    {}, {0: 1.0}, {0: -1.0, 1: 1.0, 2: 1.0}, {0: None, 1: 0.5, 2: 0.5}, {0: float("nan"), 1: 0.5, 2: 0.5}, 3, "text",
    [0.5, 0.3, 0.2], {0: "a", 1: 0.5, 2: 0.5}, {0: 0, 1: 0, 2: 0}, {0: 1.0, 1: 0.0, 2: 0.0}, {0: 1e300, 1: 1e300, 2: 5},
    {0: 2.5, 1: 60, 2: 70}, {0: 1e-300, 1: 1.0, 2: 0.0}, {0: [0.5], 1: 0.3, 2: 0.2}, {0: 10**400, 1: 60, 2: 70},
)  # fmt: skip
BOUNDS = option((0.0, 1.0), (-1, 2), [0, 1e9], odd=(
    None, 3, (1.0, 0.0), (0.0,), (0, 1, 2), ("a", "b"), (float("nan"), 1.0), (0.0, float("inf")), (-1e308, 1e308),
    (0.5, 0.5 + 2**-53), (1e16, 1e16 + 2)))  # fmt: skip


def runs(rng, n, slope=0.3):
    return np.exp(rng.normal(size=n) * 0.01 - slope * np.linspace(0, 3, n)) + rng.choice([0.0, 1.0])


def sizes(rng, n):
    return np.geomspace(1, 1e4, max(n, 1))[:n] * 10.0 ** rng.choice([0, 0, 6, -100])


def walk(rng, n):
    return np.round(rng.normal(size=n).cumsum(), rng.integers(7)) * 10.0 ** rng.choice([0, 0, 0, 0, -140, 140])


def finite(*values):
    return option(*values, odd=tuple(odd for odd in ODD_NUMBERS if not (isinstance(odd, float) and np.isinf(odd))))


def repeated(rng, n):
    return 10.0 ** (6 + np.arange(n) // 4)


def tiled(rng, n):
    return 10.0 ** (8 + np.arange(n) % 4)


def runs_of_two(rng, n):
    loss = 1.7 + 400 * repeated(rng, n) ** -0.34 + 410 * tiled(rng, n) ** -0.28
    return loss * np.exp(rng.choice([0.0, 0.01, 1.0]) * rng.normal(size=n))


@cache
def line():
    rng = np.random.default_rng(0)
    return stats.linear_regression(rng.normal(size=20), rng.normal(size=(20, 2)), names=["a", "b"])


@cache
def curve():
    rng = np.random.default_rng(0)
    return stats.logistic_regression(rng.integers(0, 2, size=40), rng.normal(size=(40, 2)), names=["a", "b"])


@cache
def series():
    return stats.autoregression(np.random.default_rng(0).normal(size=60), max_order=2)


@cache
def law():
    x = np.geomspace(1, 1e4, 12)
    return stats.power_law(x, 1 + x**-0.3)


@cache
def law_of_two():
    rng = np.random.default_rng(0)
    loss = (1.7 + 400 * repeated(rng, 12) ** -0.34 + 410 * tiled(rng, 12) ** -0.28) * np.exp(0.01 * rng.normal(size=12))
    return stats.chinchilla(repeated(rng, 12), tiled(rng, 12), loss)


@cache
def conformal():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([1.0, 1.0, 1.0], size=60)
    return stats.conformal_sets(rows[:48], rng.integers(0, 3, size=48), rows[48:])


@cache
def temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=60)
    return stats.temperature_scaling(logits, logits + rng.normal(size=60) > 0)


@cache
def isotonic():
    return stats.isotonic_scaling(np.linspace(0, 1, 200), np.arange(200) % 7 < np.linspace(0, 7, 200))


def watched(expected_difference, level, burn_in, a, b):
    test = stats.ABTest(expected_difference, level=level, burn_in=burn_in)
    for _ in range(2):
        test.update(a, b)
    return test.result


def planned(plan, kind, amount, assumed, **options):
    known = KINDS.get(kind, {}) if isinstance(kind, str) else {}
    return plan(kind, amount, **(known if assumed is None else assumed), **options)


def strata(rng, n):
    return np.arange(n) % 3


def games(rng, n):
    return rng.integers(0, 9, size=(n, n)) * (1 - np.eye(n, dtype=int))


def draws(rng, n):
    upper = np.triu(rng.integers(0, 5, size=(n, n)), 1)
    return upper + upper.T


def tries(rng, n):
    return np.full(n, 10)


def right_of_tries(rng, n):
    return rng.integers(0, 11, size=n)


def dozen(rng, n):
    return rng.integers(0, 12, size=n)


def alternating(rng, n):
    return np.arange(n) % 2


def alternating_but_for_some(rng, n):
    return alternating(rng, n) ^ (rng.random(n) < 0.3)


def logits(rng, n):
    return rng.normal(size=(n, 3)) * 10.0 ** rng.choice([0, 0, 0, -140, 140])


CASES = {
    "ABTest": Case(stats.ABTest, {
        "expected_difference": number(0.1, 1), "level": LEVEL, "burn_in": count(2, 100)}, (1,)),
    "ABTest.update": Case(watched, {
        "expected_difference": number(0.1, 1), "level": LEVEL, "burn_in": count(2, 5), "a": NUMBERS, "b": NUMBERS}),
    "adjust": Case(stats.adjust, {
        "p_values": PROBABILITIES, "method": word("holm", "benjamini_hochberg"), "alpha": ALPHA,
        "names": option(None, odd=("ab", 3, ["a"], [None] * 24))}),
    "arena": Case(stats.arena, {
        "wins": Argument(games, ODD_VALUES), "ties": maybe(Argument(draws, ODD_VALUES)), "level": LEVEL,
        "names": option(list("abc"), odd=("ab", 3, [], ["a"], ["a"] * 3, [None] * 3))}, (3, 3, 3, 2)),
    "auc_bootstrap_ci": Case(stats.auc_bootstrap_ci, {
        "y_true": LABELS, "y_pred": NUMBERS, "clusters": maybe(GROUPS), **RESAMPLED}),
    "autoregression": Case(stats.autoregression, {
        "series": column(walk), "max_order": count(0, 1, 3), "criterion": word("aic", "bic"), "level": LEVEL},
        (0, 2, 50, 60, 60), 60),
    "Autoregression.forecast": Case(lambda **a: series().forecast(**a), {
        "steps": count(1, 5), "level": LEVEL, "band": word("single", "path")}, (1,), 60),
    "Autoregression.plot": Case(lambda **a: series().plot(**a), {"steps": count(1, 5)}, (1,), 20),
    "bayesian_signed_rank": Case(stats.bayesian_signed_rank, {
        "a": NUMBERS, "b": NUMBERS, "rope": number(0, 0.1, 1e-300), "n_resamples": N_RESAMPLES, "seed": SEED}),
    "bootstrap_ci": Case(stats.bootstrap_ci, {
        "data": NUMBERS, "statistic": function(np.mean, np.median, np.std, lambda x: float(np.max(x))),
        "method": word("bca", "percentile", "studentized"), "clusters": maybe(GROUPS), "strata": maybe(GROUPS),
        **RESAMPLED}, examples=400),
    "chinchilla": Case(stats.chinchilla, {
        "parameters": column(repeated), "tokens": column(tiled), "loss": column(runs_of_two), "level": LEVEL},
        (0, 2, 7, 12, 12, 16), 20),
    "Chinchilla.compute_optimal": Case(lambda **a: law_of_two().compute_optimal(**a), {
        "flops": number(1e18, 1e22), "level": LEVEL}, (1,), 20),
    "Chinchilla.predict": Case(lambda **a: law_of_two().predict(**a), {
        "parameters": number(1e7, 3e9), "tokens": number(1e9, 1e12), "level": LEVEL}, (1,), 20),
    "clustered_proportion_ci": Case(stats.clustered_proportion_ci, {
        "right": BINARY, "clusters": GROUPS, "level": LEVEL}),
    "cohen_kappa_ci": Case(stats.cohen_kappa_ci, {
        "rater_a": LABELS, "rater_b": LABELS, "weights": word(*_WEIGHTS), "level": LEVEL}),
    "compare_accuracies": Case(stats.compare_accuracies, {"right_a": BINARY, "right_b": BINARY, "level": LEVEL}),
    "compare_cross_validated": Case(stats.compare_cross_validated, {
        "scores_a": NUMBERS, "scores_b": NUMBERS, "test_fraction": number(0.2, 0.2, None),
        "n_train": number(None, None, 80), "n_test": number(None, 20), "method": word("corrected_t", "5x2cv_f"),
        "level": LEVEL}, (0, 1, 2, 5, 10, 10, 24)),
    "compare_many": Case(stats.compare_many, {
        "scores": TWO_COLUMNS, "names": NAMES, "alpha": ALPHA,
        "higher_is_better": option(True, False, odd=(1,))}, examples=60),
    "compare_paired": Case(stats.compare_paired, {
        "y_true": LABELS, "pred_a": LABELS, "pred_b": LABELS, "metric": word(*METRICS), **RESAMPLED}),
    "compare_paired, clusters": Case(stats.compare_paired, {
        "y_true": LABELS, "pred_a": LABELS, "pred_b": LABELS, "metric": word(*METRICS), "clusters": GROUPS,
        **RESAMPLED}),
    "compare_paired, probabilities": Case(stats.compare_paired, {
        "y_true": BINARY, "pred_a": PROBABILITIES, "pred_b": PROBABILITIES, "metric": word("auc", "brier", "log_loss"),
        "clusters": maybe(GROUPS), **RESAMPLED}),
    "compare_paired, numbers": Case(stats.compare_paired, {
        "y_true": NUMBERS, "pred_a": NUMBERS, "pred_b": NUMBERS, "metric": word("mae", "rmse", "r2"),
        "clusters": maybe(GROUPS), **RESAMPLED}),
    "confidence_sequence": Case(stats.confidence_sequence, {
        "values": PROBABILITIES, "level": LEVEL, "bounds": BOUNDS}),
    "conformal_intervals": Case(stats.conformal_intervals, {
        "calibration_predictions": NUMBERS, "calibration_values": NUMBERS, "predictions": NUMBERS,
        "level": number(0.5, 0.9)}),
    "conformal_sets": Case(stats.conformal_sets, {
        "calibration_probabilities": PROBABILITY_ROWS, "calibration_labels": CLASSES,
        "probabilities": PROBABILITY_ROWS, "level": number(0.5, 0.9), "score": word("lac", "aps"), "seed": SEED}),
    "ConformalSets.coverage": Case(lambda **a: conformal().coverage(**a), {
        "labels": CLASSES, "level": LEVEL}, (12, 12, 0)),
    "corpus_ci": Case(stats.corpus_ci, {
        "statistics": TWO_COLUMNS, "combine": function(lambda s: s[..., 0] / s[..., 1], lambda s: s[..., 0]),
        "clusters": maybe(GROUPS), **RESAMPLED}),
    "copying_ci": Case(stats.copying_ci, {
        "samples": TWO_COLUMNS, "train": TWO_COLUMNS, "held_out": TWO_COLUMNS, "closest": number(1.0, 0.5),
        "level": LEVEL}),
    "correlation_ci": Case(stats.correlation_ci, {
        "x": NUMBERS, "y": NUMBERS, "method": word("spearman", "pearson"), "level": LEVEL}),
    "cuped": Case(stats.cuped, {"y": NUMBERS, "x": NUMBERS, "treatment": BINARY, "level": LEVEL}),
    "detectable_difference": Case(
        lambda n, **a: planned(stats.detectable_difference, amount=n, **a),
        {"n": count(50, 1000), "down": option(False, True, odd=(1,)), **DESIGN}, (1,), 150),
    "difference_ci": Case(stats.difference_ci, {"a": NUMBERS, "b": NUMBERS, "level": LEVEL}),
    "difference_ci, bounds": Case(stats.difference_ci, {
        "a": PROBABILITIES, "b": PROBABILITIES, "bounds": BOUNDS, "level": LEVEL}),
    "fleiss_kappa_ci": Case(stats.fleiss_kappa_ci, {"ratings": column(RATINGS.make), "level": LEVEL}),
    "forest": Case(stats.forest, {
        "results": option([MEAN, MEAN], odd=(None, 3, [], "ab", [MEAN], [None, None], [3, MEAN], RESULTS.odd[-2:])),
        "labels": option(["a", "b"], odd=(None, 3, [], "ab", ["a"], [1, None])),
        "quantity": option("accuracy", odd=(None, 3)), "reference": number(0.0, None)}, (1,), 40),
    "Interval": Case(stats.Interval, {
        "estimate": finite(0.5), "low": finite(0.1), "high": finite(0.9), "level": LEVEL,
        "method": option("by hand", odd=("none",))}, (1,)),
    "Interval.plot": Case(lambda **a: MEAN.plot(**a), {"at": number(0.0, 1)}, (1,), 20),
    "isotonic_scaling": Case(stats.isotonic_scaling, {
        "probabilities": PROBABILITIES, "labels": BINARY}, (0, 2, 200, 211)),
    "Isotonic.apply": Case(lambda **a: isotonic().apply(**a), {"probabilities": PROBABILITIES}),
    "krippendorff_alpha_ci": Case(stats.krippendorff_alpha_ci, {
        "ratings": RATINGS, "scale": word(*_SCALES), "level": LEVEL}),
    "ks_drift": Case(stats.ks_drift, {"reference": NUMBERS, "current": NUMBERS}),
    "linear_regression, clusters": Case(stats.linear_regression, {"y": NUMBERS, **CLUSTERED}, (0, 2, 24, 48)),
    "linear_regression": Case(stats.linear_regression, {"y": NUMBERS, **REGRESSION}),
    "LinearFit.predict": Case(lambda **a: line().predict(**a), {"x": TWO_COLUMNS, "level": LEVEL}),
    "local_outlier_factor": Case(stats.local_outlier_factor, {
        "x": TWO_COLUMNS, "neighbors": count(2, 5), "false_alarm_rate": number(0.01, 0.1)}, examples=40),
    "logistic_regression, clusters": Case(stats.logistic_regression, {"y": BINARY, **CLUSTERED}, (0, 2, 24, 48)),
    "logistic_regression": Case(stats.logistic_regression, {"y": BINARY, **REGRESSION}),
    "LogisticFit.predict": Case(lambda **a: curve().predict(**a), {"x": TWO_COLUMNS, "level": LEVEL}),
    "mean_ci": Case(stats.mean_ci, {
        "values": NUMBERS, "clusters": maybe(GROUPS), "population": maybe(count(24, 100)), "level": LEVEL},
        examples=400),
    "mean_ci, bounds": Case(stats.mean_ci, {
        "values": PROBABILITIES, "bounds": BOUNDS, "clusters": maybe(GROUPS), "level": LEVEL}),
    "metric_ci": Case(stats.metric_ci, {
        "y_true": LABELS, "y_pred": LABELS, "metric": word(*ALL_METRICS), **RESAMPLED}, examples=400),
    "metric_ci, clusters": Case(stats.metric_ci, {
        "y_true": LABELS, "y_pred": LABELS, "metric": word(*ALL_METRICS), "clusters": GROUPS, **RESAMPLED}),
    "metric_ci, scores": Case(stats.metric_ci, {
        "y_true": LABELS, "y_pred": PROBABILITIES,
        "metric": word("auc", "average_precision", "brier", "log_loss", "calibration_error"),
        "clusters": maybe(GROUPS), **RESAMPLED},
        examples=400),
    "metric_ci, numbers": Case(stats.metric_ci, {
        "y_true": NUMBERS, "y_pred": NUMBERS, "metric": word("r2", "mae", "rmse"),
        "clusters": maybe(GROUPS), **RESAMPLED}),
    "mmd_drift": Case(stats.mmd_drift, {
        "reference": TWO_COLUMNS, "current": TWO_COLUMNS, "n_resamples": N_RESAMPLES, "seed": SEED}),
    "pass_at_k": Case(stats.pass_at_k, {
        "n_samples": column(tries), "n_correct": column(right_of_tries), "k": count(1, 2, 5)}),
    "pass_at_k_ci": Case(stats.pass_at_k_ci, {
        "n_samples": column(tries), "n_correct": column(right_of_tries), "k": count(1, 2, 5), "level": LEVEL}),
    "mode_counts": Case(stats.mode_counts, {
        "samples": TWO_COLUMNS, "centers": TWO_COLUMNS, "radius": number(1.0, 0.1)}),
    "permutation_test": Case(stats.permutation_test, {
        "a": NUMBERS, "b": NUMBERS, "paired": option(True, False, odd=(1,)),
        "statistic": maybe(function(lambda m: m[..., 0], lambda m: 1 / m[..., 0])), **RESAMPLED}, examples=400),
    "permutation_test, bounds": Case(stats.permutation_test, {
        "a": PROBABILITIES, "b": PROBABILITIES, "bounds": BOUNDS, "paired": option(True, False, odd=(1,)),
        **RESAMPLED}),
    "population_stability_index": Case(stats.population_stability_index, {
        "reference": NUMBERS, "current": NUMBERS, "bins": count(2, 10), "n_resamples": N_RESAMPLES, "seed": SEED}),
    "population_stability_index, labels": Case(stats.population_stability_index, {
        "reference": LABELS, "current": LABELS, "bins": count(2), "n_resamples": N_RESAMPLES, "seed": SEED}),
    "power_by_simulation_ci": Case(stats.power_by_simulation_ci, {
        "simulate": function(lambda rng: rng.random(), lambda rng: (rng.random(), 1.0)),
        "test": function(lambda *data: data[0]), "alpha": ALPHA, "n_simulations": count(5, 20), "seed": SEED}, (1,)),
    "power_law": Case(stats.power_law, {
        "x": column(sizes), "loss": column(runs), "level": LEVEL}, (0, 2, 5, 7, 12), 40),
    "PowerLaw.predict": Case(lambda **a: law().predict(**a), {"x": number(10.0, 1e6), "level": LEVEL}, (1,), 20),
    "prediction_powered_ci": Case(stats.prediction_powered_ci, {
        "labels": NUMBERS, "judged_labeled": NUMBERS, "judged_unlabeled": NUMBERS, "level": LEVEL,
        "power_tuning": option(True, False, odd=(1,))}),
    "prediction_powered_ci, clusters": Case(stats.prediction_powered_ci, {
        "labels": NUMBERS, "judged_labeled": NUMBERS, "judged_unlabeled": NUMBERS, "clusters": column(dozen),
        "clusters_unlabeled": column(dozen), "level": LEVEL, "power_tuning": option(True, False, odd=(1,))}),
    "proportion_ci": Case(stats.proportion_ci, {
        "successes": count(0, 3, 10), "trials": count(10, 12), "method": word("wilson", "clopper_pearson"),
        "population": option(None, 10, 12, 100, odd=(*ODD_COUNTS, 10**30)), "level": LEVEL}, (1,), 400),
    "proportion_difference_ci": Case(stats.proportion_difference_ci, {
        "successes_a": count(0, 3, 10), "trials_a": count(10, 12), "successes_b": count(0, 3, 7), "trials_b": count(7),
        "method": word("newcombe", "agresti_caffo"), "level": LEVEL}, (1,)),
    "quantile_ci": Case(stats.quantile_ci, {"values": NUMBERS, "q": number(0.5, 0.9), "level": LEVEL}),
    "ratio_ci": Case(stats.ratio_ci, {
        "numerators": NUMBERS, "denominators": NUMBERS, "paired": option(True, True, False, odd=(1,)),
        "clusters": maybe(GROUPS), "level": LEVEL}, examples=400),
    "release_gate": Case(stats.release_gate, {
        "difference": RESULTS, "n": count(50, 4), "margin": number(0.01, -0.01, 3), "risk": ALPHA, "look": count(1, 2),
        "looks": count(2, 3), "label_cost": number(1.0), "budget": number(1e9, float("inf")), "power": number(0.8)},
        (1,)),
    "reliability": Case(stats.reliability, {
        "y_true": BINARY, "probabilities": PROBABILITIES, "bins": count(1, 3), "equal": word("mass", "width"),
        "level": LEVEL}),
    "robust_z": Case(stats.robust_z, {"x": NUMBERS, "threshold": number(3.5, 1)}, examples=60),
    "rogan_gladen_ci": Case(stats.rogan_gladen_ci, {
        "labels": column(alternating), "judged_labeled": column(alternating_but_for_some),
        "judged_unlabeled": BINARY, "level": LEVEL}),
    "sample_size": Case(
        lambda difference, **a: planned(stats.sample_size, amount=difference, **a),
        {"difference": number(0.1, -0.1, 0.02), **DESIGN}, (1,), 150),
    "stratified_mean_ci": Case(stats.stratified_mean_ci, {
        "values": NUMBERS, "strata": column(strata),
        "weights": option({0: 0.5, 1: 0.3, 2: 0.2}, None, odd=ODD_SHARES),
        "population": option(None, None, {0: 50, 1: 60, 2: 70}, odd=ODD_SHARES), "level": LEVEL}, examples=400),
    "temperature_scaling": Case(stats.temperature_scaling, {
        "logits": column(logits), "labels": CLASSES, "level": LEVEL}),
    "Temperature.apply": Case(lambda **a: temperature().apply(**a), {"logits": TWO_COLUMNS}),
}  # fmt: skip

"""Every interval contains its own estimate, and stays in the range of its parameter."""

import inspect
import re
from functools import partial

import numpy as np
import pytest
from any_calls import CASES

from companion import stats
from companion.stats import Interval, metric_ci

UNIT, SIGNED, LINE = (0.0, 1.0), (-1.0, 1.0), (-np.inf, np.inf)
OF_METRICS = {"mcc": SIGNED, "log_loss": (0, np.inf), "mae": (0, np.inf), "rmse": (0, np.inf), "r2": (-np.inf, 1.0)}
RANGES = {
    "auc_bootstrap_ci": UNIT, "clustered_proportion_ci": UNIT, "power_by_simulation_ci": UNIT, "proportion_ci": UNIT,
    "pass_at_k_ci": UNIT, "correlation_ci": SIGNED, "proportion_difference_ci": SIGNED,
    "cohen_kappa_ci": (-np.inf, 1.0), "fleiss_kappa_ci": (-np.inf, 1.0), "krippendorff_alpha_ci": (-np.inf, 1.0),
    "copying_ci": SIGNED, "rogan_gladen_ci": UNIT,
}  # fmt: skip
LABEL_METRICS = ("accuracy", "micro_f1", "precision", "recall", "specificity", "f1", "balanced_accuracy", "macro_f1")

#: Why a sensible call may have no interval, by what the refusal says; each is found below, and there is no other.
FEW, FEW_CLUSTERS, EQUAL = "at least [0-9]+ (values|examples|items)", "at least 2 clusters", "hold values that differ"
NO_SPREAD, ALL_ALIKE = "a standard error above 0", "a statistic that varies between resamples"
UNIT_OF_THEIRS = "in a unit in which the largest"
ONE_CLASS, NOT_BINARY = "at least two classes", "hold only 0 and 1"
NOT_CLASSES, OTHER_KINDS = "numbers of classes from 0|to be numbers", "labels all numbers or all text"
LOSSES = ("the errors between|y_(true|pred) between", EQUAL, NO_SPREAD, ALL_ALIKE, "y_true to vary in every resample")
REFUSALS = {
    "auc_bootstrap_ci": (ONE_CLASS, "both classes in every resample", NOT_BINARY, FEW_CLUSTERS, ALL_ALIKE),
    "bootstrap_ci": (
        "other samples move to both sides",  # the largest value, and a median of values that are tied
        "each cluster to lie in one stratum", "at least 2 (rows|clusters) in each stratum", "observations that differ",
        NO_SPREAD, ALL_ALIKE),
    "clustered_proportion_ci": (FEW_CLUSTERS,),
    "cohen_kappa_ci": (
        OTHER_KINDS, FEW, "agreement that varies", "labels in common", "numbers for (linear|quadratic) weights"),
    "corpus_ci": ("combine to give finite scores", NO_SPREAD, UNIT_OF_THEIRS, ALL_ALIKE, "at least 2 documents"),
    "copying_ci": (),
    "correlation_ci": (FEW, EQUAL),
    "difference_ci": (EQUAL,),
    "difference_ci, bounds": (),
    "fleiss_kappa_ci": (FEW, "items with ratings outside the commonest"),
    "krippendorff_alpha_ci": (FEW, "items with ratings outside the commonest"),
    "mean_ci": ("clusters or population", EQUAL, FEW_CLUSTERS),
    "mean_ci, bounds": (FEW_CLUSTERS,),
    "metric_ci": (
        OTHER_KINDS, ONE_CLASS, NOT_BINARY, NOT_CLASSES, FEW, "y_pred to hold a 1", "scores that differ",
        "a probability above 0 for each true class", "probabilities between 0 and 1", "bins from 1 to half", *LOSSES),
    "metric_ci, clusters": (
        OTHER_KINDS, ONE_CLASS, NOT_BINARY, NOT_CLASSES, "y_pred to hold a 1", FEW_CLUSTERS, EQUAL,
        "a probability above 0 for each true class", "each class in at least 2 clusters", "clusters that differ in how",
        "metric 'calibration_error' without clusters", "y_(true|pred) between|the errors between"),
    "metric_ci, scores": (
        ONE_CLASS, NOT_BINARY, NOT_CLASSES, FEW, FEW_CLUSTERS, NO_SPREAD, ALL_ALIKE, "scores that differ",
        "losses differ", "a probability above 0 for each true class", "each class in at least 2 clusters",
        "clusters that differ in how", "metric 'calibration_error' without clusters", "bins from 1 to half"),
    "metric_ci, numbers": (*LOSSES, FEW_CLUSTERS, "examples none of which decides alone"),
    "pass_at_k_ci": (),
    "power_by_simulation_ci": (),
    "prediction_powered_ci": (EQUAL, FEW, "a judge that errs somewhere"),
    "prediction_powered_ci, clusters": (
        EQUAL, FEW, "a judge that errs somewhere", "at least [23] clusters in clusters"),
    "rogan_gladen_ci": ("a judge that passes right answers more often than wrong ones"),
    "proportion_ci": ("population to be a whole number of at least the",),
    "proportion_difference_ci": (),
    "quantile_ci": ("at least [0-9]+ values for quantile",),
    "ratio_ci": (
        "clusters with paired=True only", "denominators whose mean is away from zero", UNIT_OF_THEIRS, EQUAL,
        "clusters to hold at least 2 values", "rows whose ratios differ"),
    "stratified_mean_ci": (
        r"either weights \(shares\) or population \(sizes\)", "at least 2 examples in each stratum", EQUAL,
        "a weight for each of the strata"),
}  # fmt: skip
#: Resamples of three classes hold no error where the sample holds none; of two, Jeffreys' prior adds some.
OF_THREE_CLASSES = {
    "balanced_accuracy": (ALL_ALIKE,), "macro_f1": (ALL_ALIKE,),
    "mcc": (f"{ALL_ALIKE}|a statistic that changes when a part of the data is left out",)}  # fmt: skip


def is_sound(interval, least, most):
    return least <= interval.low <= interval.estimate <= interval.high <= most


def predictions(rng, n, classes, kind):
    truth = rng.permutation(np.arange(n) % classes)
    wrong = (truth + 1) % classes
    flipped = rng.random(n) < rng.choice([0.05, 0.5])
    return truth, {"perfect": truth, "zero": wrong, "some": np.where(flipped, wrong, truth)}[kind]


def outcomes_of(calls):
    """Intervals, and the words of refusals, of calls that may give either."""
    found, refusals = [], []
    for call in calls:
        try:
            found.append(call())
        except ValueError as error:
            refusals.append(str(error))
    return found, refusals


def check_refusals(refusals, reasons):
    """Each has one of the reasons, and each reason is one of theirs."""
    assert [words for words in refusals if not any(re.search(reason, words) for reason in reasons)] == []
    assert [reason for reason in reasons if not any(re.search(reason, words) for words in refusals)] == []


@pytest.mark.parametrize("name", REFUSALS)
def test_sensible_calls_give_sound_intervals_or_a_reason_that_is_known(name):
    case = CASES[name]

    def call(seed):
        rng = np.random.default_rng(seed)
        n = int(rng.choice([size for size in case.sizes if size > 1] or [1]))
        arguments = {key: made.make(rng, n) for key, made in case.arguments.items()}
        if "seed" in arguments:
            arguments["seed"] = seed  # without one a rare refusal would come and go
        return case.call(**arguments)

    found, refusals = outcomes_of(partial(call, seed) for seed in range(400))
    assert len(found) >= 100, refusals  # what always refuses would be no answer
    check_refusals(refusals, REFUSALS[name])
    least, most = RANGES.get(name, LINE)
    assert [interval for interval in found if not is_sound(interval, least, most)] == []


def test_every_function_that_gives_an_interval_is_called():
    assert {name.partition(",")[0] for name in REFUSALS} == {name for name in stats.__all__ if name.endswith("_ci")}
    assert set(REFUSALS) == {name for name in CASES if name.partition(",")[0].endswith("_ci")}


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("kind", ["perfect", "zero", "some"])
@pytest.mark.parametrize("metric", [*LABEL_METRICS, "mcc"])
def test_metrics_of_labels(metric, kind, level):
    classes = (2,) if metric in ("precision", "recall", "specificity", "f1") else (2, 3)

    def call(seed):
        rng = np.random.default_rng(seed)
        truth, predicted = predictions(rng, int(rng.choice([4, 7, 20, 60])), int(rng.choice(classes)), kind)
        return metric_ci(truth, predicted, metric=metric, level=level, n_resamples=99, seed=seed)

    found, refusals = outcomes_of(partial(call, seed) for seed in range(30))
    assert len(found) >= (20 if kind == "some" else 10), refusals
    check_refusals(refusals, OF_THREE_CLASSES.get(metric, ()))
    assert [interval for interval in found if not is_sound(interval, *OF_METRICS.get(metric, UNIT))] == []


ALIASES = {"cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "power_by_simulation"}


def test_what_returns_an_interval_ends_in_ci_and_the_reverse():
    functions = {name: getattr(stats, name) for name in stats.__all__ if inspect.isfunction(getattr(stats, name))}
    gives = {name: inspect.signature(function).return_annotation for name, function in functions.items()}
    intervals = {name for name, given in gives.items() if inspect.isclass(given) and issubclass(given, Interval)}
    assert intervals - ALIASES == {name for name in functions if name.endswith("_ci")}
    assert {name: functions[name].__name__ for name in ALIASES} == {name: f"{name}_ci" for name in ALIASES}


def test_an_interval_without_its_estimate_is_refused():
    with pytest.raises(ValueError, match="low <= estimate <= high, got estimate 0.5, low 0.6 and high 0.7"):
        Interval(0.5, 0.6, 0.7, 0.95, "by hand")


def test_around_widens_to_the_estimate_and_cuts_at_the_range():
    assert Interval.around(1, 0.8, 0.9, 0.95, "by hand") == Interval(1.0, 0.8, 1.0, 0.95, "by hand")
    assert Interval.around(0.1, -0.2, 0.9, 0.95, "", within=(0, 0.8)) == Interval(0.1, 0.0, 0.8, 0.95, "")

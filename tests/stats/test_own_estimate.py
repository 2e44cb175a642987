"""Every interval contains its own estimate, and stays in the range of its parameter."""

import inspect

import numpy as np
import pytest

from companion import stats
from companion.stats import Interval, metric_ci
from tests.stats.any_input import calls  # noqa: F401

UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)
RANGES = {"mcc": SIGNED, "log_loss": (0.0, np.inf), "mae": (0.0, np.inf), "rmse": (0.0, np.inf), "r2": (-np.inf, 1.0)}
LABEL_METRICS = ("accuracy", "micro_f1", "precision", "recall", "specificity", "f1", "balanced_accuracy", "macro_f1")


def is_sound(interval, least, most):
    return least <= interval.low <= interval.estimate <= interval.high <= most


def predictions(rng, n, classes, kind):
    truth = rng.permutation(np.arange(n) % classes)
    wrong = (truth + 1) % classes
    flipped = rng.random(n) < rng.choice([0.05, 0.5])
    return truth, {"perfect": truth, "zero": wrong, "some": np.where(flipped, wrong, truth)}[kind]


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("kind", ["perfect", "zero", "some"])
@pytest.mark.parametrize("metric", [*LABEL_METRICS, "mcc"])
def test_metrics_of_labels(metric, kind, level):
    classes = (2,) if metric in ("precision", "recall", "specificity", "f1") else (2, 3)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.choice([4, 7, 20, 60]))
        truth, predicted = predictions(rng, n, int(rng.choice(classes)), kind)
        try:
            found = metric_ci(truth, predicted, metric=metric, level=level, n_resamples=99, seed=seed)
        except ValueError:
            continue
        assert is_sound(found, *RANGES.get(metric, UNIT)), (seed, found)


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

"""Every result: a table of numbers and text that files can hold, and a picture of its numbers."""

import inspect
import io
from functools import cache

import any_calls
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from companion import stats
from companion.stats import Result

RNG = np.random.default_rng(0)
RIGHT = RNG.random((3, 60)) < np.array([[0.9], [0.7], [0.6]])
SCORES = RNG.normal([0.0, 0.5, 1.0], 1, size=(12, 3))
GAINS = RNG.normal(0.1, 1, size=40)
TREATED = np.arange(60) % 2
BEFORE = RNG.normal(size=60)
SIZES = np.geomspace(1, 1e4, 12)

#: One of each class, from the public function that gives it.
RESULTS = {
    "AccuracyComparisons": lambda: stats.compare_accuracies(RIGHT[0], RIGHT[1:]),
    "Adjusted": lambda: stats.adjust([0.001, 0.02, 0.04, 0.7], names=["a", "b", "c", "d"]),
    "AdjustedComparison": lambda: stats.cuped(BEFORE + RNG.normal(size=60) + TREATED, BEFORE, TREATED),
    "Arena": lambda: stats.arena([[0, 8, 9], [2, 0, 5], [1, 3, 0]], ["a", "b", "c"]),
    "Autoregression": lambda: stats.autoregression(np.sin(np.arange(60) / 3) + BEFORE / 9, max_order=2),
    "Chinchilla": any_calls.law_of_two,
    "Coefficient": lambda: any_calls.line().coefficients[1],
    "Comparison": lambda: stats.compare_paired(np.ones(60, int), RIGHT[0], RIGHT[1]),
    "ComputeOptimal": lambda: any_calls.law_of_two().compute_optimal(1e18),
    "ConfidenceSequence": lambda: stats.confidence_sequence(RIGHT[0].astype(float)),
    "ConformalIntervals": lambda: stats.conformal_intervals(GAINS, GAINS[::-1], [3.0, 1.0, 2.0]),
    "ConformalSets": any_calls.conformal,
    "Drift": lambda: stats.ks_drift(GAINS, GAINS + 1),
    "Gate": lambda: stats.release_gate(stats.mean_ci(GAINS), n=40, margin=0.1),
    "Interval": lambda: stats.proportion_ci(7, 9),
    "Isotonic": any_calls.isotonic,
    "LinearFit": any_calls.line,
    "LogisticFit": any_calls.curve,
    "LossPrediction": lambda: result_of("PowerLaw").predict(1e5),
    "Outliers": lambda: stats.local_outlier_factor(SCORES, neighbors=3),
    "PowerLaw": lambda: stats.power_law(SIZES, (1 + SIZES**-0.3) * np.exp(0.01 * BEFORE[:12])),
    "PracticalComparison": lambda: stats.bayesian_signed_rank(GAINS, 0 * GAINS, rope=0.1, n_resamples=500, seed=0),
    "PredictionPowered": lambda: stats.prediction_powered_ci(RIGHT[0], RIGHT[1], RIGHT[2]),
    "QuantileInterval": lambda: stats.quantile_ci(GAINS),
    "Ranking": lambda: stats.compare_many(SCORES, ["a", "b", "c"]),
    "Reliability": lambda: stats.reliability(RIGHT[0], RNG.beta(2, 1, size=60), bins=3),
    "ReliabilityBin": lambda: stats.reliability(RIGHT[0], RNG.beta(2, 1, size=60), bins=3).bins[0],
    "RobustZ": lambda: stats.robust_z([*GAINS, 9.0]),
    "SampleSize": lambda: stats.sample_size("proportion", 0.05, share=0.8),
    "SizedComparison": lambda: stats.permutation_test(GAINS, -GAINS, paired=True, n_resamples=99, seed=0),
    "Temperature": any_calls.temperature,
}  # fmt: skip


@cache
def result_of(name):
    return RESULTS[name]()


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_there_is_one_of_every_class():
    public = [getattr(stats, name) for name in stats.__all__]
    classes = {entry.__name__ for entry in public if inspect.isclass(entry) and issubclass(entry, Result)} - {"Result"}
    assert set(RESULTS) == classes
    assert {name: type(result_of(name)).__name__ for name in RESULTS} == {name: name for name in RESULTS}


def is_number_or_text(value):
    return isinstance(value, str | bool | np.bool_ | int | float | np.integer | np.floating)


@pytest.mark.parametrize("name", RESULTS)
def test_the_frame_holds_numbers_and_text_and_goes_through_files(name):
    frame = result_of(name).frame
    assert len(frame) >= 1
    assert len(set(frame.columns)) == len(frame.columns) > 1
    cells = [value for column in frame for value in frame[column]]
    assert [value for value in cells if not is_number_or_text(value)] == []
    assert not frame.isna().to_numpy().any()
    finite = frame.replace([np.inf, -np.inf], 9.9e99)  # JSON has no infinity
    texts = {column: str for column in finite if isinstance(finite[column].iloc[0], str)}  # '0' is a name, not a number
    from_csv = pd.read_csv(io.StringIO(finite.to_csv(index=False)), dtype=texts)
    from_json = pd.read_json(io.StringIO(finite.to_json(orient="records", double_precision=15)), dtype=texts or None)
    for back in (from_csv, from_json):
        expected = finite.reset_index(drop=True).rename_axis(index=None)
        pd.testing.assert_frame_equal(back, expected, check_dtype=False, rtol=1e-9)


def test_reliability_has_a_row_a_bin_and_a_power_law_one_row():
    assert len(result_of("Reliability").frame) == 3
    assert (
        len(result_of("PowerLaw").frame)
        == len(result_of("Chinchilla").frame)
        == len(result_of("Autoregression").frame)
        == 1
    )
    fitted = result_of("Autoregression")
    assert fitted.order == 2
    assert fitted.frame["lags_2_low"].item() == fitted.lags[1].low


def drawn(axes):
    """All numbers of lines, bars, rows of an interval, and filled bands."""
    lines = [line.get_xydata() for line in axes.lines]
    segments = [path.vertices for collection in axes.collections for path in collection.get_paths()]
    bars = [[[bar.get_x(), bar.get_y()], [bar.get_x() + bar.get_width(), bar.get_height()]] for bar in axes.patches]
    return np.concatenate([np.asarray(part, dtype=float) for part in (*lines, *segments, *bars)]).ravel()


#: The numbers that a picture must hold.
SHOWN = {
    "AccuracyComparisons": lambda r: [*r.difference, *r.low, *r.high],
    "Adjusted": lambda r: [*r.p_value, *r.adjusted, r.alpha],
    "AdjustedComparison": lambda r: [*ends(r.difference), *ends(r.unadjusted)],
    "Arena": lambda r: [*r.ratings, *r.models["low"], *r.models["high"]],
    "Autoregression": lambda r: [*r.values[-24:], *r.forecast(24, level=0.95)["high"]],
    "Chinchilla": lambda r: np.exp(r.law.target),
    "Coefficient": lambda r: ends(r.value),
    "Comparison": lambda r: ends(r.difference),
    "ComputeOptimal": lambda r: [*ends(r.parameters), *ends(r.tokens)],
    "ConfidenceSequence": lambda r: [*r.estimate, *r.low, *r.high],
    "ConformalIntervals": lambda r: [*r.low, *r.high],
    "ConformalSets": lambda r: np.bincount(r.members.sum(1), minlength=4),
    "Gate": lambda r: [*ends(r.difference), -r.margin],
    "Interval": lambda r: ends(r),
    "Isotonic": lambda r: [*r.predicted, *r.calibrated],
    "LinearFit": lambda r: [end for c in r.coefficients[1:] for end in ends(c.value)],
    "LogisticFit": lambda r: [end for c in r.coefficients[1:] for end in ends(c.value)],
    "LossPrediction": lambda r: ends(r.loss),
    "Outliers": lambda r: [*r.scores, r.threshold],
    "PowerLaw": lambda r: np.exp(r.law.target),
    "PracticalComparison": lambda r: [r.a_better, r.equivalent, r.b_better],
    "PredictionPowered": lambda r: ends(r),
    "QuantileInterval": lambda r: ends(r),
    "Ranking": lambda r: [min(r.mean_ranks) - 0.03],
    "Reliability": lambda r: [*r.frame.predicted, *r.frame.observed_estimate, *r.frame.observed_low],
    "ReliabilityBin": lambda r: ends(r.observed),
    "RobustZ": lambda r: [*r.scores, r.threshold],
    "SampleSize": lambda r: [r.n, r.power],
    "SizedComparison": lambda r: ends(r.difference),
    "Temperature": lambda r: [*ends(r.temperature), 1.0],
}  # fmt: skip

#: A statistic and a p-value, without an interval: a picture would say nothing.
NOTHING_TO_DRAW = {"Drift"}


def ends(interval):
    return [interval.estimate, interval.low, interval.high]


def test_every_result_is_drawn_but_for_those_with_nothing_to_show():
    assert set(SHOWN) | NOTHING_TO_DRAW == set(RESULTS)
    with pytest.raises(ValueError, match="expected a result with an interval to draw, got Drift"):
        result_of("Drift").plot()


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_shows_the_numbers_with_labels_that_can_be_read(name):
    result = result_of(name)
    axes = result.plot()
    assert isinstance(axes, Axes)
    numbers, expected = drawn(axes), np.asarray(SHOWN[name](result), dtype=float)
    missing = [value for value in expected if not np.isclose(numbers, value, rtol=1e-9, atol=1e-12).any()]
    assert missing == []
    assert axes.get_xlabel()
    assert axes.get_ylabel() or len(axes.get_yticks()) <= 3 or name == "Ranking"
    legend = axes.get_legend()
    texts = [axes.xaxis.label, axes.yaxis.label, axes.title, *axes.get_xticklabels(), *axes.get_yticklabels()]
    texts += legend.get_texts() if legend else []
    assert min(text.get_fontsize() for text in texts) >= 9
    given = plt.subplots()[1]
    assert result.plot(given) is given

"""What pandas knows of rows and columns is used: nothing is paired by position where labels say otherwise."""

from inspect import signature

import numpy as np
import pandas as pd
import pytest
from any_calls import CASES
from test_any_input import sensible

from companion import stats

#: Columns of examples of their own, whose index may differ from that of the others.
APART = {
    "ABTest.update": {"a", "b"},
    "copying_ci": {"samples", "train", "held_out"},
    "difference_ci": {"a", "b"},
    "conformal_intervals": {"predictions"},
    "conformal_sets": {"probabilities"},
    "ks_drift": {"current"},
    "mmd_drift": {"current"},
    "population_stability_index": {"current"},
    "mode_counts": {"samples", "centers"},
    "prediction_powered_ci": {"judged_unlabeled", "clusters_unlabeled"},
    "rogan_gladen_ci": {"judged_unlabeled"},
}


def apart(name):
    return APART.get(name.partition(",")[0], set())


COLUMNS = {
    name: [argument for argument, made in case.arguments.items() if made.is_column] for name, case in CASES.items()
}
TOGETHER = [
    (name, argument)
    for name, columns in COLUMNS.items()
    for argument in columns
    if len(set(columns) - apart(name)) > 1 and argument not in apart(name)
]


def labeled(values, index):
    return pd.Series(values, index) if values.ndim == 1 else pd.DataFrame(values, index)


def in_pandas(name):
    """A sensible call with its columns in pandas under text labels; those of APART under labels by their last word."""
    arguments = dict(sensible(name))
    for argument in COLUMNS[name]:
        of = argument.rpartition("_")[2] if argument in apart(name) else "row"
        labels = [f"{of} {i}" for i in range(len(arguments[argument]))]
        arguments[argument] = labeled(np.asarray(arguments[argument]), labels)
    if "paired" in CASES[name].arguments:
        arguments["paired"] = True
    return arguments


@pytest.mark.parametrize(("name", "argument"), TOGETHER)
def test_rows_in_another_order_are_refused(name, argument):
    arguments = in_pandas(name)
    assert CASES[name].call(**arguments) is not None  # of one index
    in_order = arguments[argument]
    arguments[argument] = in_order.sample(frac=1, random_state=1)
    with pytest.raises(ValueError, match=r"expected .* with the same index, got .*\.loc\[.*reset_index\(drop=True\)"):
        CASES[name].call(**arguments)
    arguments[argument] = in_order.to_numpy()  # goes by position
    assert CASES[name].call(**arguments) is not None


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("call", [stats.permutation_test, stats.ratio_ci])
def test_samples_of_other_examples_keep_their_own_index(call, paired):
    a, b = pd.Series([1.0, 2.0, 4.0], list("abc")), pd.Series([2.0, 1.0, 3.0], list("bac"))
    if not paired:
        assert call(a, b, paired=False) == call(a.to_numpy(), b.to_numpy(), paired=False)
        return
    with pytest.raises(ValueError, match="the same index"):
        call(a, b, paired=True)


def test_labels_that_recur_are_fine_in_one_order_only():
    y, index = [0, 1, 1, 0, 1], list("aabbc")
    predicted = pd.Series([0, 1, 0, 0, 1], index)
    assert stats.metric_ci(pd.Series(y, index), predicted).estimate == 0.8
    with pytest.raises(ValueError, match=r"in row 1; take labels that match to pair them by label"):
        stats.metric_ci(pd.Series(y, list("abcab")), predicted)


def test_an_index_is_named_with_its_first_other_label():
    y = pd.Series([0, 1, 1, 0], [3, 4, 5, 6])
    with pytest.raises(ValueError, match=r"got 5 and 6 in row 2; take y_pred.loc\[y_true.index\]"):
        stats.metric_ci(y, y.iloc[[0, 1, 3, 2]])


FRAME = pd.DataFrame({"small": [0.60, 0.62, 0.58], "large": [0.80, 0.83, 0.79], "mid": [0.70, 0.71, 0.69]})


def test_models_are_named_by_their_columns():
    assert stats.compare_many(FRAME).names == ("large", "mid", "small")
    assert stats.compare_many(FRAME, ["small", "large", "mid"]).names == ("large", "mid", "small")
    assert stats.compare_many(FRAME.to_numpy(), ["small", "large", "mid"]).names == ("large", "mid", "small")
    assert stats.compare_many(pd.DataFrame(FRAME.to_numpy()), list("abc")).names == ("b", "c", "a")


@pytest.mark.parametrize("names", [["large", "mid", "small"], ["a", "b", "c"], ["small", "large"]])
def test_names_that_contradict_the_columns_are_refused(names):
    with pytest.raises(ValueError, match="expected names as the columns of the frame, .*omit names"):
        stats.compare_many(FRAME, names)
    with pytest.raises(ValueError, match="expected names as the columns of the frame"):
        stats.linear_regression([1.0, 2.0, 2.5], FRAME, names=names)


def test_an_array_has_to_be_named():
    with pytest.raises(ValueError, match=r"expected names for the columns, got none; pass names="):
        stats.compare_many(FRAME.to_numpy())
    with pytest.raises(ValueError, match=r"expected names for the columns, got none; pass names="):
        stats.logistic_regression([0, 1, 0], FRAME.to_numpy())


@pytest.fixture(params=[stats.linear_regression, stats.logistic_regression])
def fit(request):
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    return request.param((x["a"] - 2 * x["b"] + rng.normal(size=60) > 0).astype(float), x)


def test_predictions_go_by_name(fit):
    assert [coefficient.name for coefficient in fit.coefficients] == ["intercept", "a", "b"]
    rows = pd.DataFrame({"b": [0.9, -1.0], "a": [0.1, 2.0]}, index=["first", "second"])
    found = fit.predict(rows)
    assert found.index.tolist() == ["first", "second"]
    assert np.array_equal(found, fit.predict(rows[["a", "b"]].to_numpy()))


@pytest.mark.parametrize("columns", [["b", "c"], ["a"], ["a", "b", "c"], ["a", "a"]])
def test_other_columns_are_refused_by_name(fit, columns):
    with pytest.raises(ValueError, match=r"expected the columns \['a', 'b'\], got .*missing: .*unknown: "):
        fit.predict(pd.DataFrame([[0.5] * len(columns)], columns=columns))


def test_adjusted_p_values_keep_their_labels():
    p_values = pd.Series([0.04, 0.01], ["x", "y"])
    found = stats.adjust(p_values)
    assert found.names == ("x", "y")
    assert found.frame["adjusted"].to_dict() == {"x": 0.04, "y": 0.02}
    assert stats.adjust(p_values, names=["x", "y"]).names == ("x", "y")
    assert stats.adjust(pd.Series([0.04, 0.01], [7, 3]), names=["x", "y"]).frame.index.tolist() == [7, 3]
    with pytest.raises(ValueError, match="expected names as the index of p_values"):
        stats.adjust(p_values, names=["y", "x"])


def test_comparisons_are_named_by_a_frame():
    right = pd.DataFrame([[1, 0, 1], [1, 1, 1]], ["step 1", "step 2"], ["q1", "q2", "q3"])
    baseline = pd.Series([1, 0, 0], right.columns)
    assert stats.compare_accuracies(right, baseline).frame["name"].tolist() == ["step 1", "step 2"]
    with pytest.raises(ValueError, match="the same index"):
        stats.compare_accuracies(right, baseline.iloc[::-1])
    with pytest.raises(ValueError, match="the same index"):
        stats.compare_accuracies(right, right.iloc[::-1])


def test_frames_with_other_columns_are_refused():
    rng = np.random.default_rng(0)
    a = pd.DataFrame(rng.normal(size=(12, 2)), columns=["bits", "bytes"])
    b = a[["bytes", "bits"]] + 1
    for call in (
        lambda: stats.mmd_drift(a, b),
        lambda: stats.permutation_test(a, b, paired=False, statistic=lambda m: m[..., 0] / m[..., 1]),
        lambda: stats.compare_cross_validated(a, b, test_fraction=0.1),
    ):
        with pytest.raises(ValueError, match=r"the same columns in the same order, got \['bits', 'bytes'\]"):
            call()


def test_columns_that_are_numbers_of_classes_stand_in_order():
    rng = np.random.default_rng(0)
    rows, labels = pd.DataFrame(rng.dirichlet([1, 1, 1], size=40)), rng.integers(3, size=40)
    assert stats.metric_ci(labels, rows, metric="brier", seed=0)
    with pytest.raises(ValueError, match=r"columns of y_pred to be the classes from 0 in order, got \[2, 0, 1\]"):
        stats.metric_ci(labels, rows[[2, 0, 1]], metric="brier", seed=0)
    with pytest.raises(ValueError, match=r"columns of logits to be the classes from 0"):
        stats.temperature_scaling(rows[[2, 0, 1]], labels)


@pytest.fixture
def days():
    values = np.random.default_rng(0).normal(size=80)
    return pd.Series(values, pd.date_range("2026-01-05", periods=80, freq="D"))


@pytest.mark.parametrize("freq", ["D", "h", "B", "MS", "W-SUN"])
def test_forecasts_go_on_at_the_steps_of_the_series(freq):
    index = pd.date_range("2026-01-04", periods=86, freq=freq, name="when")
    series = pd.Series(np.random.default_rng(0).normal(size=80), index[:80])
    series.index.freq = None  # as after reading a file
    found = stats.autoregression(series, max_order=1).forecast(6)
    assert found.index.equals(index[80:])
    assert found.index.freq == index.freq
    assert found.index.name == "when"
    monthly = series.set_axis(pd.period_range("2026-01", periods=80, freq="M"))
    assert str(stats.autoregression(monthly, max_order=1).forecast(1).index[0]) == "2032-09"


def test_times_that_fall_or_recur_or_leave_gaps_are_refused(days):
    with pytest.raises(ValueError, match=r"the latest last, got 2026-03-24.* after 2026-03-25.*series.sort_index\(\)"):
        stats.autoregression(days.iloc[::-1], max_order=1)
    with pytest.raises(ValueError, match="the latest last"):
        stats.autoregression(days.reset_index(drop=True).iloc[::-1], max_order=1)
    for gap in (days.drop(days.index[10:15]), pd.concat([days.iloc[:20], days.iloc[19:]])):
        with pytest.raises(ValueError, match=r"at equal steps, got 2026-01-.* after 2026-01-.*asfreq"):
            stats.autoregression(gap, max_order=1)
    with pytest.raises(ValueError, match="at equal steps"):
        stats.autoregression(days.to_period("D").drop(days.index[10].to_period("D")), max_order=1)


def test_observations_come_in_the_order_of_their_times(days):
    right = days > 0
    assert stats.confidence_sequence(right.drop(right.index[3]))  # a gap is no matter
    with pytest.raises(ValueError, match=r"the latest last, .*values.sort_index\(\)"):
        stats.confidence_sequence(right.iloc[::-1])


NUMBER_TABLES = [
    ("compare_many", "scores"), ("linear_regression", "x"), ("mmd_drift", "reference"), ("corpus_ci", "statistics"),
    ("conformal_sets", "probabilities"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument"), NUMBER_TABLES)
def test_tables_of_pandas_own_numbers_are_numbers(name, argument):
    arguments = {key: value for key, value in sensible(name).items() if key != "names"} | {"seed": 0}
    takes = {key: value for key, value in arguments.items() if key in signature(CASES[name].call).parameters}
    table = pd.DataFrame(takes[argument]).add_prefix("column ")
    nullable = table.convert_dtypes()
    assert str(CASES[name].call(**takes | {argument: nullable})) == str(CASES[name].call(**takes | {argument: table}))
    nullable.iloc[1, 0] = pd.NA
    with pytest.raises(ValueError, match=r"^expected .*(missing|NaN).* (index|row) 1\b"):
        CASES[name].call(**takes | {argument: nullable})

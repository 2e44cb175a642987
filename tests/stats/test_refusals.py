"""What is no column of the kind that was meant is refused with advice that fits, and works when it is followed."""

import warnings

import numpy as np
import pandas as pd
import pytest
from any_calls import CASES
from test_any_input import COLUMNS, sensible

from companion import stats

Y, P = [0, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 1]

NO_ARRAYS = {
    "a generator": (lambda values: (value for value in values), r"got a generator.*; pass list\({name}\)"),
    "a map": (lambda values: map(str, values), r"got a map.*; pass list\({name}\)"),
    "a dict": (lambda values: dict(enumerate(values)), r"got a dict; pass list\({name}.values\(\)\)"),
    "values of a dict": (lambda values: dict(enumerate(values)).values(), r"got a dict_values.*; pass list\({name}\)"),
    "a set": (lambda values: set(np.ravel(values).tolist()), r"got a set, which has no order .*; pass a list"),
    "a number": (lambda values: 0.5, r"got the single value 0.5; pass a list of all values"),
    "a word": (lambda values: "cat", r"got the single value 'cat'; pass a list of all values"),
}


@pytest.mark.parametrize(("name", "argument"), COLUMNS)
def test_what_is_no_array_is_refused_with_its_kind(name, argument):
    for make, told in NO_ARRAYS.values():
        arguments = sensible(name) | {argument: make(sensible(name)[argument])}
        with pytest.raises(ValueError, match=rf"expected {argument} to be .* array.*{told.format(name=argument)}"):
            CASES[name].call(**arguments)


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (np.ones((6, 1)), r"y_pred\[:, 0\]"),
        (np.ones((1, 6)), r"y_pred\[0\]"),
        (np.ones((6, 2)), r"y_pred\[:, 1\]"),
        (pd.DataFrame({"a": P, "b": P}), r"y_pred\['b'\]"),
        (pd.DataFrame({"a": P}), r"y_pred\['a'\]"),
    ],
)
def test_a_table_in_place_of_a_column_gets_advice_that_works(table, advice):
    with pytest.raises(ValueError, match=rf"expected y_pred to be one value an example, got shape .*{advice}"):
        stats.metric_ci(Y, table)
    column = eval(advice.replace("\\", ""), {"y_pred": table})
    assert stats.metric_ci(Y, np.asarray(column, dtype=int))


def test_one_column_of_right_answers_is_no_set_of_comparisons():
    with pytest.raises(ValueError, match=r"right_a\[:, 0\]"):
        stats.compare_accuracies(np.ones((6, 1)), np.ones((6, 1)))


@pytest.mark.parametrize(
    "call",
    [
        lambda y: stats.metric_ci(y, [0.1, 0.9, 0.4, 0.3, 0.8, 0.7], metric="auc"),
        lambda y: stats.metric_ci(y, [0.1, 0.9, 0.4, 0.3, 0.8, 0.7], metric="average_precision"),
        lambda y: stats.compare_paired(y, [0.1, 0.9, 0.4, 0.3, 0.8, 0.7], [0.2, 0.9, 0.6, 0.5, 0.4, 0.7], metric="auc"),
        lambda y: stats.auc_bootstrap_ci(y, [0.1, 0.9, 0.4, 0.3, 0.8, 0.7]),
    ],
)
def test_labels_in_words_are_to_be_compared_with_the_positive_one(call):
    words = np.array(["neg", "pos"])[Y]
    with pytest.raises(ValueError, match=r"got also 'neg', 'pos'; pass y_true == 'pos', with your positive label$"):
        call(words)


def test_a_fraction_is_to_be_compared_with_a_threshold():
    groups, x = list("aabbcc"), [[1.0], [2.0], [0.5], [3.0], [4.0], [2.2]]
    fractions = [0, 1, 0.5, 0, 1, 1]
    with pytest.raises(ValueError, match=r"got also 0.5; compare it with a threshold first, such as y >= 0.5$"):
        stats.logistic_regression(fractions, x, names=["a"])
    with pytest.raises(ValueError, match=r"right >= 0.5, or take mean_ci\(right, clusters=clusters\) for a mean$"):
        stats.clustered_proportion_ci(fractions, groups)
    with pytest.raises(ValueError, match=r"pass y_true == 2, with .*, or take 'balanced_accuracy' or 'macro_f1'"):
        stats.metric_ci([0, 1, 2], [0, 1, 2], metric="f1")


def test_one_class_is_told_in_the_words_of_the_function():
    with pytest.raises(ValueError, match=r"labels to hold at least two classes for isotonic scaling, got only 1; add "):
        stats.isotonic_scaling(np.linspace(0, 1, 200), np.ones(200, int))
    for y in (np.ones(4, int), np.ones(4), np.ones(4, bool), ["a"] * 4):
        with pytest.raises(
            ValueError, match=r"got only (1|1.0|True|'a'); add examples of the other class, or take 'accur"
        ):
            stats.metric_ci(y, y, metric="balanced_accuracy")
    with pytest.raises(ValueError, match=r"at least two classes for logistic regression, got only 1.0; add "):
        stats.logistic_regression([1, 1, 1, 1], [1, 2, 3, 5], names=["a"])


def test_half_precision_labels_work():
    half = np.array(Y, dtype=np.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stats.metric_ci(half, np.array(P, dtype=np.float16)) == stats.metric_ci(Y, P)
        values = np.arange(3000, 3100).astype(np.float16)
        assert stats.bootstrap_ci(values, np.mean, n_resamples=99).estimate == values.astype(float).mean()


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [(["cat", "dog", "cat"], ["0", "1", "0"]), (["cat", "dog"], ["Cat", "Dog"]), ([1, 2, 3], [0, 0, 0])],
)
def test_labels_that_were_encoded_in_two_ways_are_refused(y_true, y_pred):
    for call in (
        lambda: stats.metric_ci(y_true, y_pred),
        lambda: stats.metric_ci(y_true, y_pred, metric="macro_f1"),
        lambda: stats.compare_paired(y_true, y_true, y_pred),
        lambda: stats.cohen_kappa(y_true * 2, y_pred * 2),
    ):
        with pytest.raises(ValueError, match=r"to have labels in common, got .* against .*; encode them alike"):
            call()


def test_labels_that_are_all_wrong_are_no_mistake_where_one_is_in_common():
    assert stats.metric_ci([0, 0, 0], [1, 1, 1]).estimate == 0
    assert stats.metric_ci(["a", "b", "c"], ["b", "c", "d"]).estimate == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda words: stats.cohen_kappa(words, ["a", "b"] * 4),
        lambda words: stats.fleiss_kappa(np.column_stack([words, words])),
        lambda words: stats.krippendorff_alpha([*zip(words, words, strict=True)]),
        lambda words: stats.mean_ci(np.arange(8.0), clusters=words),
        lambda words: stats.bootstrap_ci(np.arange(8.0), np.mean, strata=words),
    ],
)
@pytest.mark.parametrize("empty", ["", "  "])
def test_empty_text_is_a_missing_value(call, empty):
    with pytest.raises(ValueError, match=r"without empty text, got 1 \(the first at index 2\); "):
        call(["a", "b", empty, "b", "a", "b", "a", "b"])


def test_a_statistic_without_a_value_is_told_what_to_do():
    def spread_ratio(x, axis):
        return x.max(axis) / (x.max(axis) - x.min(axis))

    with pytest.raises(ValueError, match=r"got inf on some sample: rows may recur until .* 0; collect more, or take"):
        stats.bootstrap_ci([1.0, 2.0, 3.0], spread_ratio, n_resamples=999, seed=0)
    with pytest.raises(ValueError, match=r"got nan on some permutation: .*; collect more, or take"):
        stats.permutation_test([1.0, -1, 2], [1.0, 3, 4], paired=True, statistic=lambda m: np.log(m[..., 0] - 2))

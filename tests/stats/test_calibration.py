"""Calibration, recalibration and conformal prediction: against scikit-learn, closed forms and simulation; bad input."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import ncx2
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from benchmarks.coverage.distributions import forecasts
from companion.stats.probabilities import calibration, conformal
from companion.stats.probabilities.calibration import reliability
from companion.stats.probabilities.conformal import conformal_intervals, conformal_sets
from companion.stats.probabilities.recalibration import isotonic_scaling, temperature_scaling

mpl.use("Agg")


@pytest.mark.parametrize(("equal", "strategy"), [("mass", "quantile"), ("width", "uniform")])
def test_the_curve_is_scikit_learns(equal, strategy):
    # 1,012 steps are no multiple of 7: on an edge, scikit-learn's bin depends on the last place of the example
    predicted, _, outcome = forecasts(np.random.default_rng(0), 1_013)
    result = reliability(outcome, predicted, bins=7, equal=equal)
    frequency, mean = calibration_curve(outcome, predicted, n_bins=7, strategy=strategy)
    np.testing.assert_allclose(result.frame.observed_estimate, frequency, rtol=1e-12)
    np.testing.assert_allclose(result.frame.predicted, mean, rtol=1e-12)
    assert result.frame["count"].sum() == result.n_examples == 1_013
    assert result.ece == pytest.approx(np.average(np.abs(frequency - mean), weights=result.frame["count"]))


def test_the_debiased_square_is_the_mean_product_of_pairs():
    predicted, _, outcome = forecasts(np.random.default_rng(1), 61, temperature=5)
    gaps, edges = predicted - outcome, np.quantile(predicted, [0.2, 0.4, 0.6, 0.8])
    groups = [gaps[np.searchsorted(edges, predicted) == b] for b in range(5)]
    by_pairs = [(np.outer(g, g).sum() - g @ g) / (len(g) * (len(g) - 1)) for g in groups]
    expected = np.average(by_pairs, weights=[len(g) for g in groups])
    assert reliability(outcome, predicted, bins=5).error.estimate ** 2 == pytest.approx(expected)


def biases(n, bins, n_samples, seed, **law):
    """Debiased and plug-in squared error, less the true one of the bins."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n_samples):
        predicted, true, outcome = forecasts(rng, n, **law)
        number = calibration._bin_of(predicted, bins, "mass")
        count = np.bincount(number)
        gap, noise = (np.bincount(number, x) / count for x in (predicted - outcome, (predicted - outcome) ** 2))
        noise = (noise - gap**2) / (count - 1)
        plug_in = count @ gap**2 / n - count @ (np.bincount(number, predicted - true) / count) ** 2 / n
        rows.append([plug_in - count @ noise / n, plug_in])
    return np.array(rows).T


@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_the_plug_in_is_biased_and_the_debiased_square_is_not(temperature):
    debiased, plug_in = biases(1_000, 15, 300, 2, temperature=temperature)
    error = debiased.std() / np.sqrt(300)
    assert abs(debiased.mean()) < 3.5 * error
    assert plug_in.mean() > 12 * error  # what a calibrated model would be charged with


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1.0, 1.15, 1.5, 2.5])
@pytest.mark.parametrize(("a", "b"), [(2, 2), (0.5, 0.5), (10, 0.7)])
@pytest.mark.parametrize(("n", "bins"), [(300, 10), (1_000, 15), (5_000, 15)])
def test_the_debiased_square_has_no_bias_in_many_samples(n, bins, a, b, temperature):
    debiased, _ = biases(n, bins, 2_000, 4, temperature=temperature, a=a, b=b)
    assert abs(debiased.mean()) < 4 * debiased.std() / np.sqrt(2_000)


def test_the_expected_ece_is_that_of_a_calibrated_model():
    rng = np.random.default_rng(3)
    results = []
    for _ in range(80):
        predicted, _, outcome = forecasts(rng, 500, a=10, b=0.7)
        results.append(reliability(outcome, predicted, bins=10))
    eces, expected = np.array([(r.ece, r.ece_if_calibrated) for r in results]).T
    assert expected.mean() == pytest.approx(eces.mean(), rel=0.08)


@pytest.mark.parametrize("value", [0.3, 7.0, 41.0, 3e3, 1e6])
@pytest.mark.parametrize("freedom", [1.0, 6.5, 97.0])
def test_the_noncentrality_inverts_the_law(value, freedom):
    for tail in (0.025, 0.975):
        found = calibration._noncentrality(value, freedom, tail)
        reached = ncx2.cdf(value, freedom, found)
        assert reached == pytest.approx(tail, abs=1e-8) if found > 0 else reached <= tail


def test_many_classes_are_judged_by_the_most_likely_one():
    rng = np.random.default_rng(5)
    rows = rng.dirichlet([1, 1, 1, 1, 1], size=701)
    labels = (rows.cumsum(1) < rng.random((701, 1))).sum(1)
    top = reliability(labels, rows, bins=7)
    assert top == reliability(labels == rows.argmax(1), rows.max(1), bins=7)


def test_the_order_of_examples_does_not_matter_and_ties_stay_together():
    predicted, _, outcome = forecasts(np.random.default_rng(6), 499)
    predicted = predicted.round(1)
    shuffled = np.random.default_rng(7).permutation(499)
    first, second = reliability(outcome, predicted), reliability(outcome[shuffled], predicted[shuffled])
    assert first.error.estimate == pytest.approx(second.error.estimate)
    number = calibration._bin_of(predicted, 15, "mass")
    assert all(len(set(number[predicted == value])) == 1 for value in np.unique(predicted))


def test_reliability_prints_tabulates_and_plots():
    predicted, _, outcome = forecasts(np.random.default_rng(8), 997, temperature=3)
    result = reliability(outcome, predicted, bins=11)
    assert len(result.frame) == len(result.bins) == 11
    assert len(result.frame) == len(result.bins) == 11
    axes = result.plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted probability", "observed frequency")
    mpl.pyplot.close(axes.figure)


def classified(n, classes, rng):
    logits = 2 * rng.normal(size=(n, classes))
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(1)


def test_the_temperature_is_the_minimizer_of_scikit_learns_log_loss():
    logits, labels = classified(499, 5, np.random.default_rng(9))
    result = temperature_scaling(3 * logits, labels)

    def loss(log_t):
        return log_loss(labels, softmax(3 * logits / np.exp(log_t), axis=1), labels=range(5))

    best = minimize_scalar(loss, bounds=(-2, 4), method="bounded", options={"xatol": 1e-9})
    assert np.log(result.temperature.estimate) == pytest.approx(best.x, abs=1e-5)
    np.testing.assert_allclose(result.apply(3 * logits), softmax(3 * logits / result.temperature.estimate, axis=1))


def test_a_vector_of_logits_is_class_1_against_0_and_scale_and_shift_cancel():
    logits, labels = classified(307, 2, np.random.default_rng(10))
    margin = logits[:, 1] - logits[:, 0]
    one, two = temperature_scaling(margin, labels), temperature_scaling(logits, labels)
    assert one.temperature.estimate == pytest.approx(two.temperature.estimate)
    np.testing.assert_allclose(one.apply(margin), two.apply(logits)[:, 1])
    moved = temperature_scaling(1e6 * logits + 37, labels).temperature
    assert [moved.estimate, moved.low, moved.high] == pytest.approx(
        [1e6 * x for x in (two.temperature.estimate, two.temperature.low, two.temperature.high)], rel=1e-6
    )


def test_the_isotonic_map_is_scikit_learns():
    predicted, _, outcome = forecasts(np.random.default_rng(12), 601, temperature=2)
    curve = isotonic_scaling(predicted, outcome)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(predicted, outcome)
    grid = np.linspace(0, 1, 101)
    np.testing.assert_allclose(curve.apply(grid), theirs.predict(grid), atol=1e-12)
    assert list(curve.frame["calibrated"]) == list(curve.calibrated)
    assert "601 examples" in str(curve)


def drawn(n, rng, classes=5):
    """Probabilities of a model that is wrong on purpose, and labels."""
    true = rng.dirichlet([0.4] * classes, size=n)
    labels = (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, classes - 1)
    return 0.7 * true + 0.3 * rng.dirichlet([1] * classes, size=n), labels


def test_the_threshold_is_the_finite_sample_quantile():
    residuals = np.arange(1, 20) / 10  # n = 19: the 18th smallest at level 0.9, the 19th at 0.95
    zeros = np.zeros(19)
    assert conformal_intervals(zeros, residuals, [1.0]).half_width == 1.8
    assert conformal_intervals(zeros, -residuals, [1.0], level=0.95).half_width == 1.9
    with pytest.raises(ValueError, match=r"at least 99 calibration examples for level 0.99, got 19"):
        conformal_intervals(zeros, residuals, [1.0], level=0.99)


def test_aps_scores_sum_what_is_likelier_and_a_share_of_its_own():
    scores = conformal._scores(np.array([[0.2, 0.5, 0.3]]), np.array([[0.25]]))
    np.testing.assert_allclose(scores, [[0.5 + 0.3 + 0.05, 0.125, 0.5 + 0.075]])


@pytest.mark.parametrize(
    ("level", "threshold", "let_in"), [(0.7, 0.3, [True, False, False]), (0.9, 0.5, [True, True, False])]
)
def test_a_set_holds_the_classes_that_score_as_the_threshold_does(level, threshold, let_in):
    known = [[0.7, 0.2, 0.1]] * 15 + [[0.5, 0.3, 0.2]] * 4  # the 14th of 19 scores 0.3, the 18th 0.5
    sets = conformal_sets(known, [0] * 19, [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.49, 0.02, 0.49]], level=level)
    assert sets.threshold == pytest.approx(threshold)
    assert sets.members[:, 0].tolist() == let_in
    assert not sets.members[:, 1:].any()


def test_sets_print_and_tabulate():
    p, labels = drawn(499, np.random.default_rng(15))
    sets = conformal_sets(p[:199], labels[:199], p[199:], score="aps", seed=1)
    again = conformal_sets(p[:199], labels[:199], p[199:], score="aps", seed=1)
    assert (sets.members == again.members).all()
    assert str(sets).startswith(f"Sets of {sets.mean_size:.2f} classes on average hold")
    assert sets.frame.mean_size.item() == sets.members.sum(1).mean()
    assert sets.coverage(labels[199:]).estimate == sets.members[np.arange(300), labels[199:]].mean()


def test_two_classes_may_come_as_the_probability_of_class_1():
    p, labels = drawn(299, np.random.default_rng(16), classes=2)
    both = conformal_sets(p[:99], labels[:99], p[99:])
    one = conformal_sets(p[:99, 1], labels[:99], p[99:, 1])
    assert (both.members == one.members).mean() > 0.99  # 1 - p rounds


ROWS = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.3], [1.0, 0.0, 0.0]]
BAD = [
    (reliability, ([0, 1, 1], [0.1, np.nan, 0.4]), {}, r"finite numbers, got NaN or infinity in 1 .*index 1"),
    (reliability, ([0, 1, 2], [0.1, 0.2, 0.4]), {}, r"numbers of classes from 0 to 1, got 2 at index 2"),
    (reliability, ([0, 1, 2], ROWS), {}, r"rows of probabilities that sum to one, got 0.1, 0.2, 0.3 with sum 0.6 at"),
    (reliability, ([0, 1], [0.1, 0.2, 0.4]), {}, r"other lengths: y_true has 2, the predictions has 3"),
    (reliability, ([0, 1], [-2.0, 0.3]), {}, r"between 0 and 1, got -2 at index 0; .*not logits"),
    (reliability, ([0, 1], [0.2, 0.3]), {}, r"bins from 1 to half the number of examples, 1, got 15"),
    (reliability, ([0, 1] * 20, [0.2, 0.3] * 20), {"equal": "area"}, r"equal to be one of mass, width"),
    (reliability, ([0, 1] * 20, [0.0, 1.0] * 20), {}, r"vary within some bin, got none"),
    (reliability, (["a", "b"] * 20, [0.0, 1.0] * 20), {}, r"numbers of classes from 0, got text"),
    (temperature_scaling, ([-1.0, 2.0], [0, 1]), {}, r"wrong by their largest logit, got all right"),
    (temperature_scaling, ([2.0, -1.0], [0, 1]), {}, r"larger for the true classes, got none that help"),
    (temperature_scaling, (np.zeros((5, 3)), [0, 1, 2, 0, 1]), {}, r"logits that differ between classes"),
    (temperature_scaling, (np.zeros((5, 1)), [0, 0, 0, 0, 1]), {}, r"at least 2 classes, got shape \(5, 1\)"),
    (isotonic_scaling, ([0.1] * 30, [0, 1] * 15), {}, r"at least 200 examples for an isotonic fit, got 30"),
    (isotonic_scaling, ([0.1] * 300, [1] * 300), {}, r"at least two classes"),
    (isotonic_scaling, ([0.1, 0.9] * 300, [1, 0] * 300), {}, r"constant as the best map"),
    (isotonic_scaling, (ROWS[:1] + ROWS[2:], [0, 1]), {}, r"of class 1 only, got shape \(2, 3\)"),
    (conformal_sets, (ROWS[:1] * 20, [0, 1] * 10, [[0.5, 0.5]]), {}, r"same classes .* got 3 and 2 columns"),
    (conformal_sets, (ROWS[:1] * 8, [0, 1] * 4, ROWS[:1]), {}, r"at least 9 calibration examples for level 0.9, got 8"),
    (conformal_sets, (ROWS[:1] * 20, [0, 3] * 10, ROWS[:1]), {}, r"classes from 0 to 2, got 3 at index 1"),
    (conformal_sets, (ROWS[:1] * 20, [0, 1] * 10, ROWS[:1]), {"score": "raps"}, r"score to be one of lac, aps"),
    (
        temperature_scaling,
        ([[0.7, 0.3, 2.7], [-1.0, -1.6, 1.0], [1.0, -0.5, -0.1], [-0.3, 0.5, -0.4]], [0, 2, 1, 2]),
        {},
        r"logits that tell the temperature, got a standard error of 52.9",
    ),
    (conformal_intervals, ([1.0] * 20, [1.0] * 19, [1.0]), {}, r"other lengths"),
]


@pytest.mark.parametrize(("function", "columns", "options", "message"), BAD)
def test_refuses(function, columns, options, message):
    with pytest.raises(ValueError, match=message):
        function(*columns, **options)


BINARY = st.integers(0, 40).flatmap(
    lambda n: st.tuples(arrays(int, n, elements=st.integers(0, 1)), arrays(float, n, elements=st.floats(0, 1)))
)


@settings(max_examples=50, deadline=None)
@given(BINARY, st.integers(1, 6), st.sampled_from(["mass", "width"]), st.sampled_from([0.1, 0.95]))
def test_any_probabilities_give_a_result_or_a_value_error(columns, bins, equal, level):
    try:
        result = reliability(*columns, bins=bins, equal=equal, level=level)
    except ValueError:
        return
    assert 0 <= result.error.low <= result.error.estimate <= result.error.high
    assert result.error.high > 0
    assert np.isfinite([result.error.high, result.ece, result.p_value]).all()


def test_the_coverage_of_sets_refuses_a_level_that_is_none():
    sets = conformal_sets([[0.5, 0.5]] * 20, [0, 1] * 10, [[0.5, 0.5]] * 3)
    with pytest.raises(ValueError, match=r"level strictly between 0 and 1, got 95"):
        sets.coverage([0, 1, 1], level=95)

"""Outliers: the formula, SciPy and scikit-learn, masking, false alarms under normality, bad input."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import LocalOutlierFactor

from companion.stats import local_outlier_factor, robust_z
from companion.stats.monitoring import outliers


@pytest.fixture(autouse=True)
def _few_draws(request, monkeypatch):
    if "docstrings" not in request.node.name and "slow" not in request.keywords:
        monkeypatch.setattr(outliers, "DRAWN", 2**15)
        monkeypatch.setattr(outliers, "POINTS", 1_000)


def test_robust_scores_are_scipys_median_deviation():
    x = np.random.default_rng(0).normal(10, 3, size=101)
    ours = robust_z(x)
    scale = stats.median_abs_deviation(x, scale="normal")
    np.testing.assert_allclose(ours.scores, (x - np.median(x)) / scale, rtol=1e-4)  # 1.4826 has five digits
    np.testing.assert_allclose(ours.ordinary, stats.zscore(x, ddof=1))


def test_two_outliers_mask_each_other_from_the_ordinary_score():
    x = [9.8, 10.1, 10.0, 9.9, 10.2, 10.1, 14.0, 13.8]
    result = robust_z(x)
    assert np.flatnonzero(result.flagged).tolist() == [6, 7]
    assert np.abs(result.ordinary).max() < 2
    assert "would have missed 2 of them" in str(result)


def test_the_ordinary_score_of_few_values_has_an_upper_bound():
    x = np.r_[np.random.default_rng(0).normal(size=13), 1e9]
    result = robust_z(x)
    assert result.ordinary[13] <= 13 / np.sqrt(14) + 1e-12 < 3.5 < result.scores[13]


def test_scores_do_not_depend_on_the_unit():
    x = np.random.default_rng(1).normal(size=37)
    np.testing.assert_allclose(robust_z(1e-140 * x).scores, robust_z(1e140 * x).scores)
    np.testing.assert_allclose(robust_z(1e-140 * x).ordinary, robust_z(1e140 * x).ordinary)


@pytest.mark.parametrize(("n", "rate"), [(10, 0.0166), (50, 0.00225), (1_000, 0.00044)])
def test_the_stated_rate_of_false_alarms(n, rate):
    # 200,000 values: numpy.random.default_rng(0).normal(size=(200_000 // n, n)), apart from the module's own draws
    assert robust_z(np.random.default_rng(2).normal(size=n)).false_alarm_rate == pytest.approx(rate, rel=0.5)


@pytest.mark.slow
def test_the_stated_rate_of_false_alarms_in_many_samples():
    samples = np.random.default_rng(3).normal(size=(20_000, 29))
    deviations = np.abs(samples - np.median(samples, axis=1, keepdims=True))
    rate = np.mean(deviations > 3.5 * 1.4826 * np.median(deviations, axis=1, keepdims=True))
    assert robust_z(samples[0]).false_alarm_rate == pytest.approx(rate, rel=0.1)


def cloud(n=151, seed=0):
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(size=(n, 2)) * [1, 1_000], [[7, 0], [0, 9_000]]])


def test_factors_are_scikit_learns_on_scaled_columns():
    x = cloud()
    result = local_outlier_factor(x, neighbors=17)
    scaled = x / stats.median_abs_deviation(x, scale="normal")
    theirs = LocalOutlierFactor(n_neighbors=17).fit(scaled).negative_outlier_factor_
    np.testing.assert_allclose(result.scores, -theirs, rtol=1e-3)
    assert {151, 152} <= set(np.flatnonzero(result.flagged))
    assert result.frame["flagged"].sum() < 10


def test_a_local_outlier_is_none_to_the_columns_alone():
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * np.random.default_rng(0).normal(size=(120, 2))
    x = np.vstack([ring, [[0, 0]]])
    assert local_outlier_factor(x, neighbors=10).flagged[120]
    assert not any(robust_z(column).flagged.any() for column in x.T)


def test_one_column_needs_no_second_axis():
    x = np.r_[np.random.default_rng(0).normal(size=60), 12]
    np.testing.assert_array_equal(local_outlier_factor(x).scores, local_outlier_factor(x[:, None]).scores)
    assert local_outlier_factor(x).flagged[60]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "columns", "neighbors"), [(50, 2, 10), (200, 3, 20), (1_000, 2, 20)])
def test_clean_points_are_flagged_at_the_rate_asked_for(n, columns, neighbors):
    rng = np.random.default_rng(4)
    samples = [rng.normal(size=(n, columns)) for _ in range(20_000 // n)]
    flagged = [
        local_outlier_factor(x, neighbors=neighbors, false_alarm_rate=0.02).flagged.mean() for x in samples[:100]
    ]
    assert np.mean(flagged) == pytest.approx(0.02, rel=0.35)


def test_text_and_pictures():
    result = local_outlier_factor(cloud(), neighbors=17)
    assert "have a local outlier factor beyond" in str(result)
    assert result.plot().get_ylabel() == "local outlier factor"
    assert len(robust_z(cloud()[:, 0]).plot().get_lines()) == 4  # inside, flagged, two limits
    assert list(robust_z(cloud()[:, 0]).frame) == ["score", "flagged", "ordinary"]
    plt.close("all")


BAD = [
    (robust_z, [1, 1, 1, 1, 2, 3], {}, r"got 2 of 6: the median deviation is 0"),
    (robust_z, [2, 2, 2, 2, 2], {}, r"got 0 of 5: the median deviation is 0"),
    (robust_z, [1, 2, np.nan, 4, 5], {}, r"without missing values.*at index 2"),
    (robust_z, [1, 2, 3, 4], {}, r"at least 5 values, got 4"),
    (robust_z, [1, 2, 3, 4, 5], {"threshold": 0}, r"threshold strictly between"),
    (local_outlier_factor, cloud(), {"neighbors": 153}, r"more examples than the 153 neighbors"),
    (local_outlier_factor, cloud(), {"neighbors": 0}, r"neighbors of at least 1, got 0"),
    (
        local_outlier_factor,
        np.r_[1e-13 * np.arange(9), 2.0 ** np.arange(10)],
        {"neighbors": 3},
        r"neighbors that differ beyond rounding, got a local outlier factor of 7.48e\+09 at row 10",
    ),
    (local_outlier_factor, np.vstack([cloud(), [[0, 0]] * 21]), {}, r"got 21 like row 153"),
    (local_outlier_factor, cloud() * [1, 0], {}, r"column 1 to differ from its median"),
    (local_outlier_factor, [[0, np.nan]] * 30, {}, r"the first at index 0"),
    (local_outlier_factor, cloud(), {"false_alarm_rate": 1}, r"false_alarm_rate strictly between 0 and 1"),
]


@pytest.mark.parametrize(("function", "x", "options", "message"), BAD)
def test_refuses(function, x, options, message):
    with pytest.raises(ValueError, match=message):
        function(x, **options)

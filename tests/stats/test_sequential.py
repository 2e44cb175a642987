"""What may be watched: confidence sequences and A/B tests by simulation, CUPED against regression."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.api import OLS, add_constant

from companion.stats import ABTest, confidence_sequence, cuped
from companion.stats.experiments.sequential import log_ratio


def by_hand(values, alpha):
    """Theorem 2 of Waudby-Smith and Ramdas, one observation after another."""
    total, squares, staked, weighted, surprise = 0.5, 0.25, 0.0, 0.0, 0.0
    mean, variance = 0.5, 0.25
    for t, x in enumerate(values, start=1):
        bet = min(0.5, np.sqrt(2 * np.log(2 / alpha) / (variance * t * np.log(1 + t))))
        surprise += 4 * (x - mean) ** 2 * (-np.log(1 - bet) - bet) / 4
        weighted, staked = weighted + bet * x, staked + bet
        total += x
        mean = total / (t + 1)
        squares += (x - mean) ** 2
        variance = squares / (t + 1)
        half_width = (np.log(2 / alpha) + surprise) / staked
        yield weighted / staked, max(0, weighted / staked - half_width), min(1, weighted / staked + half_width)


def test_the_sequence_is_the_papers_and_moves_with_its_unit():
    values = np.random.default_rng(0).beta(2, 5, size=1_009)  # so many that bets fall below their bound
    ours = confidence_sequence(values, level=0.9)
    np.testing.assert_allclose(ours.frame.to_numpy(), list(by_hand(values, 0.1)))
    moved = confidence_sequence(7 * values - 3, bounds=(-3, 4), level=0.9)
    np.testing.assert_allclose(moved.frame, 7 * ours.frame - 3)
    first = confidence_sequence(values[:41], level=0.9)
    np.testing.assert_allclose(first.frame, ours.frame.iloc[:41])  # nothing looks ahead


@pytest.mark.parametrize(("share", "n_sequences"), [(0.5, 300), (0.05, 300)])
def test_the_sequence_holds_at_all_of_1000_looks(share, n_sequences):
    rng = np.random.default_rng(1)
    missed = watched = 0
    for _ in range(n_sequences):
        values = (rng.random(1_000) < share).astype(float)
        ours = confidence_sequence(values)
        missed += bool(((ours.low > share) | (ours.high < share)).any())
        n = np.arange(1, 1_001)
        mean = np.cumsum(values) / n
        watched += bool((np.abs(mean - share) > 1.96 * np.sqrt(mean * (1 - mean) / n))[99:].any())
    assert missed / n_sequences <= 0.05
    assert watched / n_sequences > 0.25  # an ordinary interval from 100 observations on


def test_the_sequence_narrows_and_plots():
    ours = confidence_sequence(np.random.default_rng(2).random(5_003) < 0.3)
    assert ours.high[-1] - ours.low[-1] < 0.1 < ours.high[99] - ours.low[99]
    assert ours.last.low < 0.3 < ours.last.high
    assert str(ours).startswith("After 5,003 observations, the estimate is 0.")
    axes = ours.plot()
    assert axes.get_xlabel() == "observations"
    plt.close(axes.figure)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([], {}, r"at least one example"),
        ([0.1, np.nan], {}, r"values without missing values.*index 1"),
        ([0.1, 1.5], {}, r"values within bounds \(0.0, 1.0\), got 1.5 at index 1"),
        ([0.1], {"bounds": (1, 0)}, r"low below high"),
        ([0.1], {"bounds": None}, r"low below high, both finite, got None"),
        ([0.1], {"bounds": (0, 1, 2)}, r"low below high"),
        ([0.1], {"bounds": (0, np.inf)}, r"low below high"),
        ([0.1], {"level": 95}, r"level strictly between"),
    ],
)
def test_the_sequence_refuses(values, options, message):
    with pytest.raises(ValueError, match=message):
        confidence_sequence(values, **options)


def test_the_ratio_is_the_likelihood_averaged_over_the_mixture():
    def ratio(delta):
        likelihoods = stats.norm.pdf(0.31, delta, 0.17) / stats.norm.pdf(0.31, 0, 0.17)
        return likelihoods * stats.norm.pdf(delta, 0, 0.23)

    assert log_ratio(0.31, 0.17**2, 0.23) == pytest.approx(np.log(integrate.quad(ratio, -3, 3)[0]))


def test_what_has_come_counts_and_not_in_which_pieces():
    rng = np.random.default_rng(3)
    a, b = rng.normal(5, 2, 307), rng.normal(4.5, 3, 211)
    whole, pieces = ABTest(0.5), ABTest(0.5)
    whole.update(a, b)
    for part_a, part_b in zip(np.split(a, [3, 150]), np.split(b, [77, 100]), strict=True):
        pieces.update(part_a)
        pieces.update(b=part_b)
    ours = whole.result
    assert ours.difference.estimate == pytest.approx(a.mean() - b.mean())
    assert ours.effect == pytest.approx((a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    assert pieces.result.difference.low == pytest.approx(ours.difference.low)
    assert pieces.p_value <= whole.p_value * (1 + 1e-9)  # more looks, the smallest counts


def test_the_interval_holds_what_the_ratio_does_not_refute():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=151), rng.normal(size=163)
    interval = (test := ABTest(0.2, level=0.9)).update(a, b) or test.result.difference
    variance = a.var(ddof=1) / 151 + b.var(ddof=1) / 163
    for bound in (interval.low, interval.high):
        assert log_ratio(interval.estimate - bound, variance, 0.2) == pytest.approx(np.log(10))


def looks(rng, share_a, share_b, n, start):
    """Differences and their variances from ``start`` observations of each group on."""
    count = np.arange(1, n + 1)
    means = [np.cumsum(rng.random(n) < share) / count for share in (share_a, share_b)]
    variance = sum(mean * (1 - mean) for mean in means) / (count - 1 + (count == 1))
    return (means[0] - means[1])[start:], variance[start:]


def test_watching_a_test_of_no_difference():
    rng = np.random.default_rng(5)
    always = peeking = 0
    for _ in range(300):
        difference, variance = looks(rng, 0.1, 0.1, 5_000, 100)
        always += bool((log_ratio(difference, variance, 0.02) >= np.log(20)).any())
        peeking += bool((np.abs(difference) > 1.96 * np.sqrt(variance)).any())
    assert always / 300 <= 0.05
    assert peeking / 300 > 0.3


def test_a_real_difference_ends_the_test_early():
    rng = np.random.default_rng(7)
    test = ABTest(0.05)
    while test.p_value > 0.05:
        test.update(rng.random(100) < 0.30, rng.random(100) < 0.20)
    assert test._a.n < 2_000
    assert test.result.difference.low > 0


def test_too_early_a_look_is_refused_and_a_bad_update_not_taken():
    test = ABTest(0.1)
    test.update(np.ones(100), np.ones(99))
    with pytest.raises(ValueError, match=r"at least 100 observations in each group, not all equal, got 100 and 99"):
        _ = test.result
    with pytest.raises(ValueError, match=r"b without missing values.*index 1"):
        test.update([1.0], [0.0, np.nan])
    assert (test._a.n, test._b.n, test.p_value) == (100, 99, 1.0)
    test.update(b=[1.0])
    with pytest.raises(ValueError, match=r"not all equal"):
        _ = test.result
    for options, message in [
        ({"expected_difference": 0}, r"expected_difference strictly between"),
        ({"expected_difference": 1e300}, r"expected_difference strictly between"),
        ({"expected_difference": 1, "burn_in": 2.5}, r"burn_in to be a whole number, got 2.5"),
        ({"expected_difference": 1, "burn_in": 1}, r"burn_in of at least 2"),
        ({"expected_difference": 1, "level": 0}, r"level strictly between"),
    ]:
        with pytest.raises(ValueError, match=message):
            ABTest(**options)


def trial(n=211, *, seed=0, effect=0.4):
    rng = np.random.default_rng(seed)
    before, treated = rng.normal(10, 3, n), rng.random(n) < 0.4
    return 0.7 * before + rng.normal(0, 2, n) + effect * treated, before, treated


def test_cuped_is_the_regression_on_treatment_and_covariate():
    y, x, treated = trial()
    ours = cuped(y, x, treated)
    regression = OLS(y, add_constant(np.column_stack([treated, x]))).fit(cov_type="HC2")
    assert ours.difference.estimate == pytest.approx(regression.params[1], rel=1e-12)
    width = ours.difference.high - ours.difference.low
    assert width == pytest.approx(2 * 1.96 * regression.bse[1], rel=0.03)


def test_cuped_leaves_one_minus_the_squared_correlation():
    y, x, treated = trial()
    ours = cuped(y, x, treated)
    within = [values - np.where(treated, values[treated].mean(), values[~treated].mean()) for values in (y, x)]
    assert ours.correlation == pytest.approx(np.corrcoef(*within)[0, 1])
    assert ours.variance_ratio == pytest.approx(1 - ours.correlation**2)
    welch = stats.ttest_ind(y[treated], y[~treated], equal_var=False).confidence_interval()
    np.testing.assert_allclose([ours.unadjusted.low, ours.unadjusted.high], welch)
    widths = [interval.high - interval.low for interval in (ours.difference, ours.unadjusted)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(ours.variance_ratio), rel=0.03)
    assert cuped(y, -x, treated).correlation == pytest.approx(-ours.correlation)


Y, X, T = (column[:8] for column in trial())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((Y, X, np.where(T, 2, 0)), r"treatment to be 0 or 1, got 2 at index"),
        ((Y, X, np.arange(8) < 2), r"at least 3 units in each group, got 2 treated and 6 others"),
        ((Y, X[:7], T), r"other lengths"),
        ((np.where(T, np.nan, Y), X, T), r"y without missing values"),
        ((Y, np.ones(8), np.arange(8) < 4), r"x within the groups to hold values that differ"),
        ((np.arange(8) < 4, X, np.arange(8) < 4), r"y within the groups to hold values that differ"),
        ((3 * X, X, np.arange(8) < 4), r"x to predict y with some error"),
    ],
)
def test_cuped_refuses(columns, message):
    with pytest.raises(ValueError, match=message):
        cuped(*columns)

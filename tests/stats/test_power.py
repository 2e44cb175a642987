"""Sample sizes against statsmodels and closed forms; power by simulation."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ks_2samp, multinomial, multivariate_normal, norm
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import power_proportions_2indep, samplesize_confint_proportion

from companion.stats import detectable_difference, ks_drift, power_by_simulation_ci, sample_size
from companion.stats.base.intervals import wilson
from companion.stats.planning.designs import KINDS, _auc_covariance, _joint_excess

EXAMPLES = [
    ("proportion", 0.03, {"share": 0.9}),
    ("paired_proportions", -0.03, {"disagreement": 0.12}),
    ("proportions", -0.05, {"share": 0.85}),
    ("paired_means", 0.5, {"sd": 1.3}),
    ("means", 0.5, {"sd": 1.3}),
    ("paired_auc", 0.05, {"auc": 0.85, "positive_share": 0.3, "correlation": 0.5}),
    ("auc", 0.05, {"auc": 0.85, "positive_share": 0.3}),
]


def test_every_kind_is_tested():
    assert {kind for kind, _, _ in EXAMPLES} == set(KINDS)


@pytest.mark.parametrize(("kind", "difference", "assumed"), EXAMPLES)
def test_the_size_is_enough_and_one_less_is_not(kind, difference, assumed):
    found = sample_size(kind, difference, power=0.85, **assumed)
    less = KINDS[kind].power(found.n - 1, difference, 0.05, **assumed)
    assert less < 0.85 <= found.power


@pytest.mark.parametrize(("kind", "difference", "assumed"), EXAMPLES)
def test_the_detectable_difference_is_the_inverse(kind, difference, assumed):
    n = sample_size(kind, difference, **assumed).n
    back = detectable_difference(kind, n, down=difference < 0, **assumed)
    assert back.power >= 0.8
    assert abs(back.difference) <= abs(difference)
    assert back.difference == pytest.approx(difference, rel=0.02)


@pytest.mark.parametrize(("kind", "difference", "assumed"), EXAMPLES)
def test_clusters_cost_the_design_effect(kind, difference, assumed):
    alone = sample_size(kind, difference, **assumed).n
    clustered = sample_size(kind, difference, cluster_size=6, icc=0.2, **assumed).n
    assert clustered == pytest.approx(2 * alone, abs=2)
    assert sample_size(kind, difference, cluster_size=1, icc=0.7, **assumed).n == alone


def test_means_equal_statsmodels():
    # TTestIndPower().solve_power(0.5, power=0.8) = 63.77, TTestPower().solve_power(0.5, power=0.8) = 33.37.
    assert sample_size("means", 1.0, sd=2.0).n == 64
    assert sample_size("paired_means", 1.0, sd=2.0).n == 34
    for n in (3, 17, 101):
        assert KINDS["means"].power(n, 0.6, 0.01, sd=1) == pytest.approx(TTestIndPower().power(0.6, n, 0.01))
        assert KINDS["paired_means"].power(n, 0.6, 0.01, sd=1) == pytest.approx(TTestPower().power(0.6, n, 0.01))


def test_proportions_equal_statsmodels():
    found = sample_size("proportions", 0.1, share=0.5)
    assert found.power == power_proportions_2indep(0.1, 0.5, found.n, return_results=False)
    assert found.n == 388  # R: power.prop.test(p1 = 0.5, p2 = 0.6, power = 0.8), n = 387.3


def test_an_interval_at_the_worst_share_wants_the_textbooks_number_less_z_squared():
    z_squared = norm.ppf(0.975) ** 2
    textbook = samplesize_confint_proportion(0.5, 0.02)
    assert textbook == pytest.approx(z_squared / 4 / 0.02**2)
    assert sample_size("proportion", 0.02, share=0.5, power=0.999).n == pytest.approx(textbook - z_squared, abs=3)


def test_the_chance_of_a_narrow_interval_by_enumeration():
    for n, half_width in ((40, 0.12), (41, 0.1), (97, 0.06)):
        intervals = [wilson(k, n) for k in range(n + 1)]
        narrow = np.array([(interval.high - interval.low) / 2 <= half_width for interval in intervals])
        expected = binom.pmf(np.arange(n + 1), n, 0.83) @ narrow
        assert KINDS["proportion"].power(n, half_width, 0.05, share=0.83) == pytest.approx(expected, abs=1e-12)


def test_paired_proportions_are_close_to_connors_formula():
    disagreement, difference = 0.12, 0.03
    signal = 1.959964 * np.sqrt(disagreement) + 0.841621 * np.sqrt(disagreement - difference**2)
    assert sample_size("paired_proportions", difference, disagreement=disagreement).n == pytest.approx(
        (signal / difference) ** 2, rel=0.02
    )


@pytest.mark.parametrize("alpha", [0.05, 0.25])  # at 0.25 the p-value of 2 examples in dispute, 0.25, is still found
def test_the_power_of_mcnemars_test_by_enumeration(alpha):
    n, disagreement, difference, expected = 13, 0.4, 0.3, 0.0
    for only_a in range(n + 1):
        for only_b in range(n + 1 - only_a):
            fewer, disputed = min(only_a, only_b), only_a + only_b
            mid_p = 2 * binom.cdf(fewer, disputed, 0.5) - binom.pmf(fewer, disputed, 0.5)
            if mid_p <= alpha + 1e-12:
                cells = [(disagreement + difference) / 2, (disagreement - difference) / 2, 1 - disagreement]
                expected += multinomial.pmf([only_a, only_b, n - disputed], n, cells)
    for sign in (-1, 1):
        found = KINDS["paired_proportions"].power(n, sign * difference, alpha, disagreement=disagreement)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("difference", [-0.06, 0.06])
def test_the_power_of_areas_is_that_of_a_difference_with_their_variance(difference):
    """The variance of an area over m by k pairs, from the probability that two pairs are both right."""
    positives, negatives, areas = 60, 140, (0.85, 0.85 + difference)

    def covariance(a, b, rho):
        def excess(rho):
            joint = multivariate_normal.cdf(norm.ppf([a, b]), cov=[[1, rho], [rho, 1]]) if rho < 1 else a
            return joint - a * b

        pairs = positives * negatives
        return (excess(rho) + (positives - 1) * excess(rho / 2) + (negatives - 1) * excess(rho / 2)) / pairs

    def power(variance):
        signal, z = abs(difference) / np.sqrt(variance), norm.ppf(0.975)
        return norm.cdf(signal - z) + norm.cdf(-signal - z)

    alone = sum(covariance(area, area, 1) for area in areas)
    design = {"auc": 0.85, "positive_share": 0.3}
    assert KINDS["auc"].power(200, difference, 0.05, **design) == pytest.approx(power(alone), rel=1e-6)
    paired = KINDS["paired_auc"].power(200, difference, 0.05, correlation=0.6, **design)
    assert paired == pytest.approx(power(alone - 2 * covariance(*areas, 0.6)), rel=1e-6)


def test_joint_normal_probabilities_equal_scipy():
    for a, b, rho in ((0.9, 0.93, 0.6), (0.7, 0.99, -0.5), (0.55, 0.55, 0.999)):
        joint = multivariate_normal.cdf(norm.ppf([a, b]), cov=[[1, rho], [rho, 1]])
        assert _joint_excess(a, b, rho) == pytest.approx(joint - a * b, abs=1e-10)
    assert _joint_excess(0.9, 0.9, 1.0) == pytest.approx(0.9 - 0.81)


def test_the_area_of_one_pair_is_a_coin():
    assert _auc_covariance(2, 0.5, 0.8, 0.8, 1.0) == pytest.approx(0.8 * 0.2)


def test_the_simulation_reads_p_values_of_results_and_of_scipy():
    def simulate(rng):
        return rng.normal(size=13), rng.normal(0.8, size=13)

    ours, scipys, numbers = (
        power_by_simulation_ci(simulate, test, n_simulations=50, seed=1)
        for test in (ks_drift, ks_2samp, lambda a, b: ks_2samp(a, b).pvalue)
    )
    assert ours == scipys == numbers
    assert 0 < ours.estimate < 1


def test_without_a_difference_the_simulation_gives_the_level():
    found = power_by_simulation_ci(lambda rng: rng.random(), lambda p_value: p_value, n_simulations=4_000, seed=5)
    assert found.low < 0.05 < found.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample_size("median", 0.1, sd=1), "paired_proportions"),
        (lambda: sample_size("means", 0.1), "expected sd by keyword"),
        (lambda: sample_size("means", 0.1, share=0.5), "got share"),
        (lambda: sample_size("means", 0.1, sd=0), "sd strictly between 0"),
        (lambda: sample_size("means", 0.02, sd=1e-300), "difference strictly between"),
        (lambda: sample_size("means", 0.1, sd=1, cluster_size=5, icc="0.1"), "icc from 0 to 1, got 5 and '0.1'"),
        (lambda: detectable_difference("proportion", 99, share=0.8, alpha=5e-324), "alpha at least 1e-12 away"),
        (lambda: detectable_difference("means", None, sd=1), "n to be a whole number, got None"),
        (lambda: power_by_simulation_ci(None, lambda data: 0.0), "simulate to be a function, got None"),
        (lambda: power_by_simulation_ci(lambda rng: 0, lambda data: None), "p value from 0 to 1, got None"),
        (lambda: sample_size("means", 0.0, sd=1), "least one that would change a decision"),
        (lambda: sample_size("means", np.nan, sd=1), "got nan"),
        (lambda: sample_size("means", 1e-9, sd=1), "100 million"),
        (lambda: sample_size("means", 0.1, sd=1, icc=0.3), "both cluster_size and icc"),
        (lambda: sample_size("means", 0.1, sd=1, icc=1.3, cluster_size=5), "icc from 0 to 1"),
        (lambda: sample_size("proportions", 0.2, share=0.85), "difference strictly between -0.85 and 0.15"),
        (lambda: sample_size("paired_proportions", 0.2, disagreement=0.1), "difference strictly between -0.1 and 0.1"),
        (lambda: sample_size("means", 0.1, sd=1, power=80), "power strictly between 0.05 and 1"),
        (lambda: sample_size("means", 0.1, sd=1, alpha=5), "alpha strictly between 0 and 1"),
        (lambda: detectable_difference("proportions", 30, share=0.95), "not even 0.05"),
        (lambda: detectable_difference("means", 1, sd=1), "plan for more"),
        (lambda: detectable_difference("means", 100_000_001, sd=1), "up to 100 million"),
        (lambda: power_by_simulation_ci(lambda rng: 0, lambda data: np.nan), "p value from 0 to 1, got nan"),
        (lambda: power_by_simulation_ci(lambda rng: 0, lambda data: 0.0, n_simulations=0), "at least 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(EXAMPLES),
    st.just(0.0) | st.floats(0.02, 1) | st.floats(-1, -0.02),
    st.integers(0, 3_000),
    st.floats(0.01, 0.99),
    st.floats(0.001, 0.999),
    st.booleans(),
)
def test_any_numbers_give_a_power_or_a_value_error(example, difference, n, target, alpha, down):
    kind, _, assumed = example
    for call in (
        lambda: sample_size(kind, difference, power=target, alpha=alpha, **assumed),
        lambda: detectable_difference(kind, n, power=target, alpha=alpha, down=down, **assumed),
    ):
        try:
            found = call()
        except ValueError:
            continue
        assert target <= found.power <= 1 + 1e-9
        assert found.n >= 2


def test_a_size_is_a_sentence_a_row_and_a_curve():
    size = sample_size("paired_proportions", 0.1, disagreement=0.2)
    assert str(size) == (
        "152 examples judged by both models have probability 0.800 to find a difference of 0.1 "
        "(McNemar's test, mid-p at alpha 0.05; assumed: disagreement 0.2)."
    )
    assert size.frame.loc[0, ["n", "disagreement"]].tolist() == [152, 0.2]
    axes = size.plot()
    assert axes.get_xlabel() == "examples judged by both models"
    curve = axes.lines[0].get_ydata()
    assert curve[-1] > 0.95 > 0.8 > curve[5]
    plt.close("all")

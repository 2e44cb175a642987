"""Adjusted p-values: against statsmodels, by hand, the error they bound, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.multitest import multipletests

from companion.stats import adjust

STATSMODELS = {"holm": "holm", "benjamini_hochberg": "fdr_bh"}


@pytest.mark.parametrize("method", STATSMODELS)
def test_equals_statsmodels(method):
    p_values = np.random.default_rng(0).random(37) ** 3
    p_values[5] = p_values[0]  # a tie
    rejected, adjusted, _, _ = multipletests(p_values, alpha=0.1, method=STATSMODELS[method])
    ours = adjust(p_values, method=method, alpha=0.1)
    np.testing.assert_allclose(ours.adjusted, adjusted, rtol=1e-13)
    np.testing.assert_array_equal(ours.rejected, rejected)


def test_by_hand():
    assert adjust([0.3]).adjusted == [0.3]
    p_values = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(adjust(p_values).adjusted, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(adjust(p_values, method="benjamini_hochberg").adjusted, [0.02, 0.04, 0.04, 0.02])


def test_the_published_rejections():
    # Benjamini and Hochberg 1995, section 3.3: 15 p-values, of which at 0.05 their procedure rejects 4. Holm's gives 3.
    p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0000,
    ]  # fmt: skip
    assert adjust(p_values, method="benjamini_hochberg").rejected.sum() == 4
    assert adjust(p_values).rejected.sum() == 3


def test_errors_are_bounded():
    rng = np.random.default_rng(0)
    false, shares = 0, []
    for _ in range(1_000):
        p_values = rng.random(20)
        p_values[:10] *= 1e-3  # real effects
        false += adjust(p_values).rejected[10:].any()
        rejected = adjust(p_values, method="benjamini_hochberg").rejected
        shares.append(rejected[10:].sum() / max(1, rejected.sum()))
    assert false / 1_000 <= 0.07
    assert np.mean(shares) == pytest.approx(0.05 / 2, abs=0.006)  # alpha times the share of true null hypotheses


def test_prints_as_a_sentence_and_has_a_row_for_each_test():
    result = adjust([0.001, 0.03, 0.2], names=["a", "b", "c"])
    assert str(result) == (
        "Of 3 tests 1 are rejected after adjusting (2 before); the chance of even one false rejection is at most 0.05 "
        "(holm)."
    )
    assert result.frame[["name", "rejected"]].to_numpy().tolist() == [["a", True], ["b", False], ["c", False]]


BAD = [
    ([0.1, np.nan], {}, r"p_values without missing values.*index 1"),
    ([0.1, 1.2], {}, r"p_values between 0 and 1, got 1.2 at index 1"),
    ([], {}, r"p_values to hold at least one"),
    ([0.1], {"method": "bonferroni"}, r"method to be one of holm, benjamini_hochberg"),
    ([0.1], {"alpha": 5}, r"alpha strictly between 0 and 1, got 5"),
    ([0.1], {"names": 3}, r"names in a list, got 3"),
    ([0.1], {"names": ["a", "b"]}, r"a name for each of 1 p_values, got 2"),
]


@pytest.mark.parametrize(("p_values", "options", "message"), BAD)
def test_refuses(p_values, options, message):
    with pytest.raises(ValueError, match=message):
        adjust(p_values, **options)


@settings(max_examples=50, deadline=None)
@given(arrays(float, st.integers(0, 9), elements=st.floats(-0.1, 1.1)), st.sampled_from(list(STATSMODELS)))
def test_any_input_gives_a_result_or_a_value_error(p_values, method):
    try:
        result = adjust(p_values, method=method)
    except ValueError:
        return
    assert (result.adjusted >= result.p_value - 1e-15).all()
    assert (result.adjusted <= 1).all()

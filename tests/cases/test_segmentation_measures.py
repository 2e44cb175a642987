"""Measures of segmentation: against MONAI's stored values, closed forms and counts by hand."""

import numpy as np
import pytest
from scipy.stats import norm

from companion.cases.segmentation import (
    deferral_threshold,
    dice,
    hausdorff95,
    lesion_sensitivity,
    net_benefit,
    pooled_dice,
    predictive_value,
)


def disk(shape, center, radius):
    y, x = np.indices(shape)
    return (y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2


A = disk((37, 41), (15, 17), 9)
B = disk((37, 41), (17, 20), 7)
B[33, 38] = True  # far off
NONE = np.zeros_like(A)
# monai 1.5.1: compute_dice(y_pred[None, None], y[None, None], ignore_empty=True and False), y_pred first
MONAI_DICE = [
    (A, B, 0.6650124192237854, 0.6650124192237854),
    (NONE, NONE, np.nan, 1.0),
    (NONE, B, np.nan, 0.0),
    (A, NONE, 0.0, 0.0),
]


@pytest.mark.parametrize(("truth", "predicted", "skipped", "counted"), MONAI_DICE)
def test_dice_is_monais_under_both_of_its_conventions(truth, predicted, skipped, counted):
    assert dice(truth[None], predicted[None], empty="skip") == pytest.approx([skipped], nan_ok=True)
    assert dice(truth[None], predicted[None], empty="one") == pytest.approx([counted])


def test_the_third_convention_gives_nothing_for_nothing():
    assert dice(NONE[None], NONE[None], empty="zero").tolist() == [0.0]
    assert dice(A[None], B[None], empty="zero") == pytest.approx([0.6650124192237854])


def test_dice_and_jaccard_are_one_function_of_the_other():
    masks = np.random.default_rng(0).random((2, 7, 5, 3)) < 0.5
    jaccard = np.array([(a & b).sum() / (a | b).sum() for a, b in zip(*masks, strict=True)])
    assert dice(*masks, empty="one") == pytest.approx(2 * jaccard / (1 + jaccard))
    joined = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert pooled_dice(*masks) == pytest.approx(2 * joined / (1 + joined))


def test_pooling_weighs_cases_by_their_size():
    truth, predicted = np.zeros((2, 2, 100), dtype=bool)
    truth[0, :98] = predicted[0, :98] = True
    truth[1, :2] = True  # missed
    assert dice(truth, predicted, empty="one").tolist() == [1.0, 0.0]
    assert pooled_dice(truth, predicted) == pytest.approx(2 * 98 / (98 + 100))
    assert np.isnan(pooled_dice(truth & False, truth & False))


# monai 1.5.1: compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95, spacing=spacing)
@pytest.mark.parametrize(("spacing", "value"), [(None, 5.656854152679443), ((1.5, 0.7), 5.996371269226074)])
def test_hausdorff_is_monais(spacing, value):
    assert hausdorff95(A, B, spacing=spacing) == pytest.approx(value, rel=1e-6)
    assert hausdorff95(B, A, spacing=spacing) == pytest.approx(value, rel=1e-6)


def test_hausdorff_in_three_axes_is_monais():
    one = np.stack([disk((23, 19), (9, 8), radius) for radius in (0, 3, 5, 4, 2)])
    other = np.stack([disk((23, 19), (11, 8), radius) for radius in (2, 4, 5, 3, 0)])
    assert dice(one[None], other[None], empty="one") == pytest.approx([0.6416184902191162])
    assert hausdorff95(one, other, spacing=(3.0, 1.5, 1.5)) == pytest.approx(3.3541018962860107, rel=1e-6)


def test_there_is_no_distance_to_nothing():
    assert np.isnan([hausdorff95(NONE, A), hausdorff95(A, NONE), hausdorff95(NONE, NONE)]).all()


def test_lesions_are_counted_slice_by_slice():
    truth, predicted = np.zeros((2, 2, 11, 13), dtype=bool)
    truth[0, 1:4, 1:4], truth[0, 8, 8], truth[0, 9, 9], truth[1, 5, :5] = True, True, True, True
    predicted[0, 3:6, 3:6], predicted[1, 0, 0], predicted[1, 10, 12], predicted[1, 5, 4] = True, True, True, True
    result = lesion_sensitivity(truth, predicted)
    assert result.sizes.tolist() == [9, 2, 5]
    assert result.found.tolist() == [True, False, True]
    assert result.cases.tolist() == [0, 0, 1]
    assert result.false_regions.tolist() == [0, 2]
    assert result.of_sizes(3, 9).estimate == 1
    assert result.of_sizes(1, 9).estimate == pytest.approx(2 / 3)
    clustered = result.of_sizes(1, 9, clusters=np.array([4, 7]))
    assert clustered.estimate == pytest.approx(2 / 3)
    assert clustered.low < result.of_sizes(1, 9).low
    with pytest.raises(ValueError, match="expected lesions of 3 to 4 pixels, got none"):
        result.of_sizes(3, 4)


def test_no_lesion_anywhere_is_counted_too():
    result = lesion_sensitivity(NONE[None], NONE[None])
    assert (len(result.sizes), result.false_regions.tolist()) == (0, [0])


def test_net_benefit_is_the_formula():
    rng = np.random.default_rng(1)
    p = rng.random(211)
    truth = rng.random(211) < p
    curve = net_benefit(truth, p, [0.1, 0.3, 0.7], seed=0)
    for i, t in enumerate([0.1, 0.3, 0.7]):
        true, false = (truth & (p >= t)).sum(), (~truth & (p >= t)).sum()
        assert curve.model[i] == pytest.approx((true - false * t / (1 - t)) / 211)
        assert curve.all[i] == pytest.approx(truth.mean() - (1 - truth.mean()) * t / (1 - t))
        assert curve.gain[i] == pytest.approx(curve.model[i] - max(curve.all[i], 0))
    assert (curve.model_low < curve.model).all()
    assert (curve.model < curve.model_high).all()


def test_bands_have_the_width_of_their_standard_error():
    rng = np.random.default_rng(2)
    truth, p = rng.random(2_003) < 0.3, rng.random(2_003)
    curve = net_benefit(truth, p, [0.2], n_resamples=4_000, seed=0)
    gains = np.where(truth, p >= 0.2, -0.25 * (p >= 0.2))
    width = 2 * norm.ppf(0.975) * gains.std() / np.sqrt(2_003)
    assert curve.model_high[0] - curve.model_low[0] == pytest.approx(width, rel=0.05)
    rows = np.repeat(np.arange(2_003), 2)
    twice = net_benefit(truth[rows], p[rows], [0.2], clusters=rows, n_resamples=4_000, seed=0)
    assert twice.model_high[0] - twice.model_low[0] == pytest.approx(width, rel=0.05)


def test_predictive_value_counts_people():
    sick, well = 1_000, 99_000  # of 100,000 at a prevalence of 1%
    assert predictive_value(0.8, 0.904, 0.01) == pytest.approx(0.8 * sick / (0.8 * sick + 0.096 * well))
    assert predictive_value(0.8, 0.904, 0.5) == pytest.approx(0.8 / 0.896)


def test_the_deferral_promise_is_kept():
    """Error grows as confidence falls; a threshold that lets more than 5% wrong answers through is chosen seldom."""
    rng = np.random.default_rng(3)
    broken = 0
    for _ in range(400):
        confidence = rng.uniform(0.5, 1, 400)
        chosen = deferral_threshold(confidence, rng.random(400) < confidence)
        # over confidences uniform above t, the error is (1 - t) / 2: 5% at t = 0.9
        broken += chosen < 0.9
    assert broken / 400 < 0.05


def test_nobody_is_answered_where_nothing_passes():
    assert deferral_threshold([0.99] * 20, [True] * 20) == float("inf")
    assert deferral_threshold([0.99] * 400, [True] * 400) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dice(A[None], B[None], empty="nan"), "expected empty to be one of one, skip, zero"),
        (lambda: dice(A[None], B[None, :5], empty="one"), "two masks of one shape"),
        (lambda: dice(np.ones(3, dtype=bool), np.ones(3, dtype=bool), empty="one"), "of at least one case"),
        (lambda: pooled_dice(A, B[:5]), "two masks of one shape"),
        (lambda: hausdorff95(A, B, spacing=(1.0,)), "expected 2 positive numbers"),
        (lambda: hausdorff95(A, B, spacing=(1.0, 0.0)), "expected 2 positive numbers"),
        (lambda: lesion_sensitivity(A[None], B[None, :5]), "two masks of one shape"),
        (lambda: net_benefit([1, 0], [0.5], [0.1]), "of one length"),
        (lambda: net_benefit([1, 0], [0.5, 1.5], [0.1]), "probabilities between 0 and 1"),
        (lambda: net_benefit([1, 0], [0.5, 0.5], [1.0]), "thresholds between 0 and 1"),
        (lambda: net_benefit([1, 0], [0.5, 0.5], [0.1], clusters=[1, 1]), "at least 2 clusters, got 1"),
        (lambda: predictive_value(1.2, 0.5, 0.5), "sensitivity from 0 to 1"),
        (lambda: predictive_value(0.0, 1.0, 0.5), "some positive findings"),
        (lambda: deferral_threshold([0.5], [True, False]), "of one length"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Columns of examples, wherever they enter: rows are paired by label or refused, and nothing that is missing counts."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from companion import trust
from companion.cases import pictures, recommend, retrieval, scorecard, segmentation, speech
from companion.economics import (
    PRINTED,
    ShiftedBetaGeometric,
    TokenPrices,
    affordable_flops,
    hosting_cost,
    market,
    simulate_waits,
)
from companion.models import minilm

N = 40
RNG = np.random.default_rng(0)
YES = RNG.random(N) < 0.5
SHARES = np.round(0.25 + 0.5 * RNG.random(N), 3)
GROUPS = np.array(["north", "south"])[np.arange(N) % 2]
NUMBERS = np.round(RNG.normal(size=N) + YES, 3)
TWO = np.column_stack([NUMBERS, RNG.normal(size=N)])

BINARY = {"y_true", "y_pred", "members", "y", "truth", "right", "wrong", "bad", "bought"}

CALLS = {
    "group_metrics": (trust.group_metrics, {"y_true": YES, "y_pred": ~YES ^ (SHARES > 0.4), "groups": GROUPS}),
    "gap_ci": (trust.gap_ci, {"y_true": YES, "y_pred": ~YES ^ (SHARES > 0.4), "groups": GROUPS}),
    "guess_members": (trust.guess_members, {"scores": NUMBERS, "members": YES}),
    "output_perturbation": (partial(trust.output_perturbation, epsilon=1.0, delta=1e-5), {"x": TWO, "y": YES}),
    "noisy_least_squares": (partial(trust.noisy_least_squares, epsilon=1.0, delta=1e-5), {"x": TWO, "y": YES}),
    "probe": (trust.probe, {"features": TWO, "labels": YES, "groups": np.arange(N) // 2}),
    "net_benefit": (
        partial(segmentation.net_benefit, thresholds=[0.3, 0.5], n_resamples=99, seed=0),
        {"truth": YES, "probabilities": SHARES, "clusters": np.arange(N) // 2},
    ),
    "deferral_threshold": (
        partial(segmentation.deferral_threshold, risk=0.9), {"confidence": SHARES + 0.2, "right": YES}
    ),
    "selective_answers": (partial(retrieval.selective_answers, risk=0.2), {"scores": SHARES, "wrong": YES}),
    "reciprocal_rank_fusion": (
        lambda words, meaning: retrieval.reciprocal_rank_fusion([words, meaning]), {"words": SHARES, "meaning": NUMBERS}
    ),
    "cost_threshold": (partial(scorecard.cost_threshold, n_resamples=50), {"bad": YES, "probability": SHARES}),
    "scorecard": (
        lambda table, bad: scorecard.Scorecard(min_share=0.1).fit(table, bad).card_,
        {"table": pd.DataFrame(TWO, columns=["income", "debt"]), "bad": YES},
    ),
    "fit_tested": (
        lambda table, bad: scorecard.fit_tested(table, bad, folds=3),
        {"table": pd.DataFrame(TWO, columns=["income", "debt"]), "bad": YES},
    ),
    "confident_class": (
        pictures.confident_class, {"labels": YES.astype(int), "probabilities": np.column_stack([1 - SHARES, SHARES])}
    ),
    "suspected": (
        pictures.suspected, {"labels": YES.astype(int), "probabilities": np.column_stack([1 - SHARES, SHARES])}
    ),
    "simulate_waits": (simulate_waits, {"arrivals": np.arange(N) * 1.0, "services": SHARES * 2}),
    "willingness_to_pay": (
        lambda price, bought: market.willingness_to_pay(price, bought).fit, {"price": 10 - NUMBERS, "bought": YES}
    ),
    "sample_ratio_mismatch": (
        market.sample_ratio_mismatch, {"counts": np.arange(50, 50 + N), "expected": np.full(N, 1 / N)}
    ),
    "value_of_information": (market.value_of_information, {"payoffs": TWO, "about": NUMBERS}),
}  # fmt: skip
EACH = [(name, argument) for name, (_, columns) in CALLS.items() for argument in columns]
#: Where a table takes missing values, each in a bin of its own.
COLUMNS = [each for each in EACH if each[1] != "table"]


def as_pandas(values, index):
    if isinstance(values, pd.DataFrame):
        return values.set_axis(index)
    return pd.Series(values, index=index) if np.ndim(values) == 1 else pd.DataFrame(values, index=index)


def said(result):
    """All that a result holds, as text."""
    if dataclasses.is_dataclass(result):
        return str({name: said(value) for name, value in vars(result).items()})
    if isinstance(result, np.ndarray):
        return str((result.round(9) if result.dtype.kind == "f" else result).tolist())
    if isinstance(result, pd.DataFrame):
        return str(result.to_dict())
    return repr(result)


@pytest.mark.parametrize(("name", "argument"), EACH)
def test_rows_of_pandas_in_another_order_are_refused(name, argument):
    call, columns = CALLS[name]
    indexed = {each: as_pandas(values, np.arange(N)) for each, values in columns.items()}
    indexed[argument] = indexed[argument].iloc[::-1]
    with pytest.raises(ValueError, match=r"expected .* with the same index"):
        call(**indexed)


@pytest.mark.parametrize("name", CALLS)
def test_rows_of_pandas_that_agree_are_rows(name):
    call, columns = CALLS[name]
    index = [f"row {row}" for row in range(N)]
    assert said(call(**{each: as_pandas(values, index) for each, values in columns.items()})) == said(call(**columns))


def with_missing(values, missing):
    rows = np.array(values, dtype=object)
    rows[(7, *[0] * (rows.ndim - 1))] = missing
    return rows.tolist()


@pytest.mark.parametrize(("name", "argument"), COLUMNS)
@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_missing_value_is_refused(name, argument, missing):
    call, columns = CALLS[name]
    with pytest.raises(ValueError, match="^expected .* got "):
        call(**columns | {argument: with_missing(columns[argument], missing)})


@pytest.mark.parametrize(("name", "argument"), COLUMNS)
def test_a_masked_value_is_refused(name, argument):
    call, columns = CALLS[name]
    mask = np.zeros(np.shape(columns[argument]), bool)
    mask[7] = True
    with pytest.raises(ValueError, match="^expected .* without missing values, got "):
        call(**columns | {argument: np.ma.masked_array(columns[argument], mask)})


@pytest.mark.parametrize(("name", "argument"), [each for each in COLUMNS if each[1] in BINARY])
@pytest.mark.parametrize("as_other", [lambda yes: yes + 1, lambda yes: np.where(yes, "yes", "no"), lambda yes: yes / 2])
def test_what_is_not_0_or_1_is_refused(name, argument, as_other):
    call, columns = CALLS[name]
    with pytest.raises(ValueError, match="^expected .* got "):
        call(**columns | {argument: as_other(columns[argument])})


def nullable(values):
    if np.ndim(values) != 1 or isinstance(values[0], str):
        return values
    return pd.Series(values).convert_dtypes().to_numpy()


def other_storage(values):
    """Backwards in memory, and read-only."""
    stored = np.array(values[::-1])[::-1]
    stored.flags.writeable = False
    return stored


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("store", [nullable, other_storage, np.ndarray.tolist, torch.tensor])
def test_the_same_values_give_the_same_answer(name, store):
    call, columns = CALLS[name]
    takes = {
        each: store(values)
        for each, values in columns.items()
        if isinstance(values, np.ndarray) and not (store is torch.tensor and values.dtype.kind == "U")
    }
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  # the state of all programs, which is not ours to move
    assert said(call(**columns | takes)) == said(call(**columns))
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_ratings_with_recurring_labels_are_told_apart():
    rng = np.random.default_rng(0)
    ratings = pd.DataFrame({"user": rng.integers(0, 30, 600), "item": rng.integers(0, 25, 600)})
    ratings = ratings.assign(rating=rng.integers(1, 6, 600), time=np.arange(600.0))
    expected = recommend.time_test(ratings, like_from=4)
    assert recommend.time_test(ratings.set_axis(np.arange(600) % 300), like_from=4) == expected


def test_a_rating_without_a_time_is_refused():
    ratings = pd.DataFrame({"user": [1, 1, 2, 2], "item": list("abcd"), "time": [1.0, None, 2.0, 3.0]})
    with pytest.raises(ValueError, match="user, item and time in every row, got 1 rows without .the first is row 1"):
        recommend.time_split(ratings, 2)


@pytest.mark.parametrize("values", [np.array([1, 2, 2]), np.array([0, 255, 255], np.uint8), np.array([0.0, 1.0, 1.0])])
def test_masks_of_labels_or_brightness_are_refused(values):
    masks, whole = np.stack([values] * 2), np.ones((2, 3), bool)
    for measure in (partial(segmentation.dice, empty="one"), segmentation.pooled_dice, segmentation.hausdorff95):
        for pair in ((masks, whole), (whole, masks)):
            with pytest.raises(
                ValueError, match=f"expected masks of True and False, got {values.dtype}: write masks == 1"
            ):
                measure(*pair)


def test_one_text_in_place_of_a_list_is_refused():
    for said_, heard in (("turn on", "turn of"), (["turn on"], "t"), ("t", ["turn on"])):
        with pytest.raises(ValueError, match=r"expected lists of texts, got a text: .*wer\(\[said\], \[heard\]\)"):
            speech.wer(said_, heard)


def test_texts_of_pandas_are_indexed_in_their_order():
    texts = pd.Series(["a red car", "a blue lamp", "the moon", "a long text of many words"], index=[3, 2, 1, 0])
    for index in (retrieval.BM25, partial(retrieval.DenseIndex, encoder=minilm())):
        np.testing.assert_allclose(index(texts).scores("blue lamp"), index(texts.tolist()).scores("blue lamp"))
        with pytest.raises(ValueError, match="expected texts to index, got nan at place 1: drop it"):
            index(["a red car", float("nan")])


def test_the_same_number_has_one_pseudonym():
    key = b"sixteen bytes at least"
    whole, with_one_missing = pd.Series([7, 8]), pd.Series([7, None, 8])
    assert trust.pseudonymize(with_one_missing, key).dropna().tolist() == trust.pseudonymize(whole, key).tolist()
    with pytest.raises(ValueError, match="expected a key of bytes, got str"):
        trust.pseudonymize(whole, "a key that is text, not bytes")


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.float16, np.float32])
def test_a_secure_sum_of_narrow_numbers_does_not_overflow(dtype):
    seeds = np.arange(9).reshape(3, 3) + np.arange(9).reshape(3, 3).T
    sent = [trust.mask(np.array([100, -3], dtype), client, seeds) for client in range(3)]
    assert trust.secure_sum(sent).tolist() == [300.0, -9.0]


def test_a_secure_sum_of_many_clients_has_room():
    n = 1_024
    seeds = np.zeros((n, n), int)
    with pytest.raises(ValueError, match="expected values below 536,870,912 for 1024 clients"):
        trust.mask(np.array([2.0**29]), 0, seeds)
    sent = [trust.mask(np.array([2.0**29 - 1]), 0, np.zeros((1, 1), int))] * n
    assert trust.secure_sum(sent).item() == n * (2.0**29 - 1)


@pytest.mark.parametrize(
    ("call", "said_"),
    [
        (lambda: segmentation.net_benefit([1, 0], [0.5, 0.4], [0.3], level=95), "level strictly between 0 and 1"),
        (lambda: segmentation.deferral_threshold([0.9], [1], level=95), "level strictly between 0 and 1"),
        (lambda: scorecard.cost_threshold([1, 0], [0.5, 0.4], level=95), "level strictly between 0 and 1"),
        (lambda: hosting_cost(1e6, hourly_price=2, service=0.3, seconds=1, level=95), "level strictly between 0 and 1"),
        (lambda: hosting_cost(1e6, hourly_price=2, service=0.3, seconds=1, peak=float("nan")), "peak of at least 1"),
        (lambda: affordable_flops(-1.0, peak=1e15, utilization=0.4, price=2), "dollars to be a positive number"),
        (lambda: PRINTED.loss(-1e9, 1e12), "parameters to be a number above 0, got -1000000000.0"),
        (lambda: PRINTED.tokens_for(float("nan"), 1e9), "loss to be a positive number"),
        (lambda: PRINTED.lifetime_optimal(2.0, served=-1), "served, a number of tokens, of at least 0"),
        (lambda: TokenPrices(-1.0, 1.0, 1.0, "mine"), "read in dollars a million tokens, at least 0, got -1.0"),
        (lambda: ShiftedBetaGeometric.fit([100, float("nan"), 60]), "customers without missing values"),
        (lambda: ShiftedBetaGeometric(0.6, 3.8).survival(-1), "periods of at least 0"),
        (lambda: ShiftedBetaGeometric(0.6, 3.8).retention([0, 1]), "periods of at least 1"),
        (lambda: market.smaa([[0.9, 0.1], [0.2, 0.6]], names=["fast"]), "a name for each of 2 alternatives, got 1"),
        (lambda: trust.renyi_divergence(1.0, sigma=1.0, q=0.1), "order strictly between 1 and inf"),
        (lambda: trust.gaussian_delta(1.0, 0.0), "sigma to be a positive number"),
        (
            lambda: trust.fedavg([{"a": torch.ones(1)}], [float("nan")]),
            "the number of examples of each client to be a whole number",
        ),
        (lambda: trust.guess_members([1, 2], [0, 1], share=float("nan")), "a share in .0, 1."),
        (lambda: trust.k_anonymity(pd.DataFrame({"zip": ["1"]}), "zip"), "a list of columns, got 'zip'"),
        (lambda: trust.probe(TWO, YES, groups=np.arange(N) % 3), "at least 5 groups for 5 folds, got 3"),
        (lambda: trust.score_against_truth(TWO, np.full((N, 2), 2)), "truth as 0 and 1 or booleans"),
        (lambda: scorecard.PointsScale().score([0.0, 0.5]), "probabilities of bad between 0 and 1"),
        (lambda: scorecard.at_base_rate([1.5], trained=0.3, here=0.1), "probabilities from 0 to 1"),
        (lambda: scorecard.PointsScale(points=float("nan")), "points strictly between -inf and inf"),
        (
            lambda: scorecard.Binning().fit(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), [0, 1]),
            "every column once, got 'a' twice",
        ),
    ],
)
def test_numbers_outside_their_range_are_refused(call, said_):
    with pytest.raises(ValueError, match=f"^expected {said_}"):
        call()


@pytest.mark.parametrize("scale", [1e-200, 1e-140, 1e140])
def test_a_design_effect_has_no_unit(scale):
    assert market.design_effect(scale * np.array([2.0, 1.0, 1.0])) == pytest.approx(1.125)


def test_a_number_in_a_unit_without_a_curve_is_refused():
    rng = np.random.default_rng(0)
    demand = rng.normal(size=2_000)
    payoffs = np.stack([np.zeros(2_000), demand + rng.normal(size=2_000)], axis=1)
    with pytest.raises(ValueError, match="expected about in a unit in which a curve can be drawn, got numbers .*e-09"):
        market.value_of_information(payoffs, 1e-9 * demand)


def test_codes_that_pandas_made_floats_are_the_same_categories():
    table = pd.DataFrame({"code": np.array(["7", "8", "9"])[np.arange(N) % 3]})
    model = scorecard.Scorecard(min_share=0.1, min_iv=0).fit(table, (np.arange(N) % 3 > 0) ^ (SHARES > 0.6))
    codes = pd.DataFrame({"code": [7, 8, None]})
    assert codes["code"].dtype == float
    assert model.score_points(codes)[:2].tolist() == model.score_points(table)[:2].tolist()


@pytest.mark.parametrize("sparse", [[None] * N, [1.0, 2.0] + [None] * (N - 2)])
def test_a_column_with_hardly_a_number_is_no_division_by_zero(sparse):
    table = pd.DataFrame({"income": NUMBERS, "rare": sparse}, dtype=float)
    bins = scorecard.Binning(min_share=0.1).fit(table, YES | (np.arange(N) < 2)).columns_[1]
    assert bins.labels == ["any number", "missing"]
    assert (bins.good[0], bins.bad[0]) == (0, sum(each is not None for each in sparse))


def test_logits_are_no_log_probabilities():
    with pytest.raises(ValueError, match="expected log-probabilities of each frame, got others: take log_softmax"):
        speech.ctc_beam(torch.tensor([[0.1, 3.0], [2.0, 0.0]]))

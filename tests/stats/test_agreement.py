"""Agreement of raters: against statsmodels, scikit-learn and published values, bad input."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from benchmarks.coverage.distributions import rated
from companion.stats.estimates.agreement import cohen_kappa_ci, fleiss_kappa_ci, krippendorff_alpha_ci

NAN = float("nan")

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: 4 observers, 12 units, missing data.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T

# Fleiss 1971, table 1 in the form given by Wikipedia, "Fleiss' kappa": 10 items, 14 raters, 5 categories; 0.210.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


@pytest.mark.parametrize(("scale", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_equals_the_published_values(scale, value):
    assert round(krippendorff_alpha_ci(PUBLISHED, scale=scale).estimate, 3) == value


def test_fleiss_equals_the_published_value():
    ratings = np.array([np.repeat(range(5), row) for row in FLEISS])
    assert round(fleiss_kappa_ci(ratings).estimate, 3) == 0.210


def by_pairs(ratings, distance):
    """Alpha from its definition over all pairs."""
    units = [row[~np.isnan(row)] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    observed = sum(distance(unit[:, None], unit, every).sum() / (len(unit) - 1) for unit in units) / len(every)
    return 1 - observed / (distance(every[:, None], every, every).sum() / (len(every) * (len(every) - 1)))


def between(a, b, every):
    """Krippendorff's ordinal metric: how many ratings lie between two ranks, the ends counted half."""
    low, high = np.minimum(a, b)[..., None], np.maximum(a, b)[..., None]
    inside = ((every >= low) & (every <= high)).sum(-1)
    return np.where(a == b, 0, (inside - ((every == low).sum(-1) + (every == high).sum(-1)) / 2) ** 2)


DISTANCES = {"nominal": lambda a, b, _: a != b, "interval": lambda a, b, _: (a - b) ** 2, "ordinal": between}


@pytest.mark.parametrize("scale", DISTANCES)
def test_alpha_equals_its_definition_over_all_pairs(scale):
    rng = np.random.default_rng(0)
    ratings = rated(rng, 41, 3, proportions=(0.5, 0.1, 0.3, 0.1)).astype(float) ** 2
    ratings[rng.random(ratings.shape) < 0.3] = NAN
    expected = by_pairs(ratings, DISTANCES[scale])
    assert krippendorff_alpha_ci(ratings, scale=scale).estimate == pytest.approx(expected)


def test_fleiss_equals_statsmodels():
    ratings = rated(np.random.default_rng(1), 97, 5)
    expected = inter_rater.fleiss_kappa(inter_rater.aggregate_raters(ratings)[0])
    kappa, alpha = fleiss_kappa_ci(ratings), krippendorff_alpha_ci(ratings)
    assert kappa.estimate == pytest.approx(expected, rel=1e-12)
    assert alpha.estimate == pytest.approx(expected + (1 - expected) / (97 * 5))


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_cohen_equals_scikit_learn_and_statsmodels(weights):
    a, b = rated(np.random.default_rng(2), 211, 2).T
    result = cohen_kappa_ci(a, b, weights=weights)
    assert result.estimate == pytest.approx(cohen_kappa_score(a, b, weights=None if weights == "none" else weights))
    table = inter_rater.to_table(np.column_stack([a, b]))[0]
    theirs = inter_rater.cohens_kappa(table, wt=None if weights == "none" else weights)
    low, high = np.tanh(
        np.arctanh(theirs.kappa) + 1.959964 * theirs.std_kappa / (1 - theirs.kappa**2) * np.array([-1, 1])
    )
    assert (result.low, result.high) == pytest.approx((low, high), abs=1e-6)


def test_weights_are_of_values_so_that_an_unused_category_changes_nothing():
    a, b = rated(np.random.default_rng(3), 211, 2).T
    a, b = np.where(a == 3, 5, a), np.where(b == 3, 5, b)
    expected = cohen_kappa_score(a, b, weights="linear", labels=range(6))
    assert cohen_kappa_ci(a, b, weights="linear").estimate == pytest.approx(expected)


def test_what_does_not_matter():
    rng = np.random.default_rng(4)
    ratings = rated(rng, 61, 3)
    alpha = krippendorff_alpha_ci(ratings, scale="interval")
    for same in (ratings[:, ::-1], rng.permutation(ratings), 1e100 * ratings, ratings - 1e4):
        assert krippendorff_alpha_ci(same, scale="interval").low == pytest.approx(alpha.low)
    assert krippendorff_alpha_ci(np.exp(ratings), scale="ordinal") == krippendorff_alpha_ci(ratings, scale="ordinal")
    with_single = np.vstack([ratings, [[9, NAN, NAN], [NAN, NAN, NAN]]])
    assert krippendorff_alpha_ci(with_single, scale="interval") == alpha
    assert cohen_kappa_ci(ratings[:, 0], ratings[:, 1]) == cohen_kappa_ci(ratings[:, 1], ratings[:, 0])


def test_text_none_and_frames_are_ratings():
    ratings = rated(np.random.default_rng(5), 61, 3).astype(float)
    ratings[::7, 1] = NAN
    expected = krippendorff_alpha_ci(ratings)
    text = [[None if np.isnan(r) else "abcd"[int(r)] for r in row] for row in ratings]
    assert krippendorff_alpha_ci(text) == expected
    assert krippendorff_alpha_ci([[NAN if r is None else r for r in row] for row in text]) == expected
    assert krippendorff_alpha_ci(pd.DataFrame(text)) == expected
    assert krippendorff_alpha_ci(pd.DataFrame(ratings).astype("Int64")) == expected


def test_perfect_agreement_does_not_claim_certainty():
    truth = rated(np.random.default_rng(6), 53, 1)[:, 0]
    same = np.column_stack([truth] * 3)
    intervals = [cohen_kappa_ci(truth, truth, weights=w) for w in ("none", "linear", "quadratic")]
    intervals += [fleiss_kappa_ci(same)] + [krippendorff_alpha_ci(same, scale=s) for s in DISTANCES]
    for interval in intervals:
        assert interval.estimate == interval.high == 1
        assert 0.4 < interval.low < 0.95


BAD = [
    (cohen_kappa_ci, ([1, 2, None], [1, 2, 2]), {}, r"rater_a without missing values, got 1 .*index 2"),
    (cohen_kappa_ci, ([1, 2, 2], [1, 2]), {}, r"other lengths: rater_a has 3, rater_b has 2"),
    (cohen_kappa_ci, ([1, 1, 1], [1, 1, 1]), {}, r"at least 3 items .* 2 categories .* got 3 and 1"),
    (cohen_kappa_ci, ([1, 2], [1, 2]), {}, r"at least 3 items .* got 2 and 2"),
    (cohen_kappa_ci, ([1, 1, 1, 1], [1, 2, 2, 1]), {}, r"agreement that varies between items, got 0 with no error"),
    (cohen_kappa_ci, ([1, 2, 1, 2], [2, 1, 2, 1]), {}, r"agreement that varies between items, got -1 "),
    (
        cohen_kappa_ci,
        (["a", "b", "a"], ["a", "b", "b"]),
        {"weights": "linear"},
        r"numbers for linear weights, got text",
    ),
    (cohen_kappa_ci, ([1, 2, 2], [1, 2, 1]), {"weights": "cubic"}, r"weights to be one of none, linear, quadratic"),
    (cohen_kappa_ci, ([1, 2, 2], [1, 2, 1]), {"level": 95}, r"level strictly between 0 and 1"),
    (fleiss_kappa_ci, ([[1, 2], [1, None], [1, 1]],), {}, r"without missing ones, got 1 items .*index 1\); take kripp"),
    (fleiss_kappa_ci, ([1, 2, 3],), {}, r"\[items, raters\], rows .* at least 2 raters, got shape \(3,\)"),
    (fleiss_kappa_ci, ([[1, 2], [1]],), {}, r"rows of one length with at least 2 raters, got shape \(2,\)"),
    (
        krippendorff_alpha_ci,
        ([[1, NAN], [2, NAN], [NAN, 1], [1, 2]],),
        {},
        r"3 items that were rated twice.* got 1 and 2",
    ),
    (krippendorff_alpha_ci, ([[1, 1], [1, 1], [1, 1]],), {}, r"2 categories among them, got 3 and 1"),
    (
        krippendorff_alpha_ci,
        ([[1, 1], [1, 1], [1, 2]],),
        {},
        r"at least 2 items with ratings outside the commonest .*row 2",
    ),
    (krippendorff_alpha_ci, ([["a", 1], [1, 1], [1, 2]],), {}, r"all numbers or all text, got a mixture"),
    (
        krippendorff_alpha_ci,
        ([["a", "b"]] * 3,),
        {"scale": "ordinal"},
        r"numbers for scale 'ordinal', got text such as 'a'",
    ),
    (krippendorff_alpha_ci, ([[1, np.inf]] * 3,), {}, r"single finite numbers, got infinity"),
    (krippendorff_alpha_ci, ([[1, 2]] * 3,), {"scale": "ratio"}, r"scale to be one of nominal, ordinal, interval"),
    (cohen_kappa_ci, ([0, np.inf, 1], [0, 1, 1]), {"weights": "linear"}, r"rater_a to hold class labels, got inf"),
    (cohen_kappa_ci, (["a", np.nan, "b"], ["a", "a", "b"]), {}, r"rater_a without missing values, got 1 .*index 1"),
    (fleiss_kappa_ci, (torch.ones(3, 2, requires_grad=True),), {}, r"what NumPy cannot read .*detach"),
    (
        krippendorff_alpha_ci,
        (np.random.default_rng(9).normal(size=(600, 2)),),
        {},
        r"at most 1,000 categories, got 1,200",
    ),
]


@pytest.mark.parametrize(("function", "columns", "options", "message"), BAD)
def test_refuses(function, columns, options, message):
    with pytest.raises(ValueError, match=message):
        function(*columns, **options)

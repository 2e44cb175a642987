"""Recommenders against implicit, ridge regression, brute force and gradients that must vanish."""

import numpy as np
import pandas as pd
import pytest
import torch
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix
from sklearn.linear_model import Ridge

from companion.cases.recommend import ALS, ItemNeighbors, MostPopular, RatingALS, TwoTower, interactions


@pytest.fixture(scope="module")
def taken():
    table = np.random.default_rng(0).random((31, 19)) < 0.3
    return csr_array(table.astype(float))


@pytest.fixture(scope="module")
def rated():
    rng = np.random.default_rng(1)
    table = np.where(rng.random((29, 17)) < 0.4, rng.integers(1, 6, (29, 17)), 0).astype(float)
    return csr_array(table)


@pytest.mark.filterwarnings("ignore:.*BLAS is configured:RuntimeWarning")  # it advises on speed
@pytest.mark.parametrize(("confidence", "n_factors"), [(1.0, 3), (2.0, 5), (11.0, 5)])
def test_als_is_that_of_implicit(taken, confidence, n_factors):
    ours = ALS(n_factors=n_factors, penalty=0.7, confidence=confidence, n_iterations=6)
    theirs = AlternatingLeastSquares(
        factors=n_factors, regularization=0.7, alpha=confidence, dtype=np.float64, use_native=False, use_cg=False,
        iterations=6, num_threads=1,
    )  # fmt: skip
    theirs.item_factors = np.random.default_rng(0).random((19, n_factors)) * 0.01
    theirs.user_factors = np.zeros((31, n_factors))
    theirs.fit(csr_matrix(taken), show_progress=False)
    np.testing.assert_allclose(ours.fit(taken).item_factors_, theirs.item_factors, rtol=1e-5, atol=1e-7)
    theirs.alpha = 1.0  # recalculate_user does not multiply by it
    known = theirs.recalculate_user(0, csr_matrix(confidence * taken[[3]]))
    np.testing.assert_allclose(ours.user_factors(taken[[3]])[0], np.ravel(known), rtol=1e-5, atol=1e-7)


def test_als_converges_to_a_stationary_point(taken):
    model = ALS(n_factors=4, penalty=0.5, confidence=3, n_iterations=600).fit(taken)
    v = torch.tensor(model.item_factors_, requires_grad=True)
    u = torch.tensor(model.user_factors(taken), requires_grad=True)
    p = torch.tensor(taken.toarray())
    loss = ((1 + 2 * p) * (p - u @ v.T) ** 2).sum() + 0.5 * ((u**2).sum() + (v**2).sum())
    loss.backward()
    assert u.grad.abs().max() < 1e-9
    assert v.grad.abs().max() < 1e-3


def test_reasons_add_up_to_the_score(taken):
    model = ALS(n_factors=5, penalty=2, confidence=4).fit(taken)
    for user in (0, 7):
        parts = model.reasons(taken[[user]], 11)
        assert parts.sum() == pytest.approx(model.scores(taken[[user]])[0, 11])
        assert set(np.flatnonzero(parts)) <= set(taken[[user]].indices)


def test_a_user_of_rating_als_is_a_ridge_regression(rated):
    model = RatingALS(n_factors=3, penalty=1.3).fit(rated)
    row = rated[[5]]
    ridge = Ridge(alpha=1.3, fit_intercept=False).fit(model.item_factors_[row.indices], row.data - rated.data.mean())
    np.testing.assert_allclose(model.user_factors(row)[0], ridge.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.scores(row)[0], rated.data.mean() + model.item_factors_ @ ridge.coef_, rtol=1e-9)


def test_rating_als_finds_ratings_of_low_rank():
    rng = np.random.default_rng(2)
    truth = 3 + rng.normal(size=(43, 2)) @ rng.normal(size=(2, 31))
    known = rng.random(truth.shape) < 0.7
    rows, columns = np.nonzero(known)
    rated = csr_array((truth[known], (rows, columns)), shape=truth.shape)
    found = RatingALS(n_factors=3, penalty=0.01, n_iterations=200).fit(rated).scores(rated)
    assert np.sqrt(np.mean((found - truth)[~known] ** 2)) < 0.1 * truth[~known].std()


def test_rows_beyond_a_block_are_solved_alike(taken, monkeypatch):
    whole = ALS(n_factors=4).fit(taken).item_factors_
    monkeypatch.setattr("companion.cases.recommend.als._BLOCK", 5)
    np.testing.assert_allclose(ALS(n_factors=4).fit(taken).item_factors_, whole, rtol=1e-9)


def test_item_neighbors_by_brute_force(taken):
    table = taken.toarray()
    scores = ItemNeighbors(shrinkage=3).fit(taken).scores(taken[:2])
    for user in range(2):
        for item in range(19):
            expected = sum(
                (table[:, item] @ table[:, j]) / (np.sqrt(table[:, item].sum() * table[:, j].sum()) + 3)
                for j in np.flatnonzero(table[user])
                if j != item
            )
            assert scores[user, item] == pytest.approx(expected)


def test_an_item_that_nobody_took_has_no_neighbors():
    scores = ItemNeighbors(shrinkage=0).fit(csr_array([[1.0, 0.0], [1.0, 0.0]])).scores(csr_array([[1.0, 0.0]]))
    assert scores.tolist() == [[0.0, 0.0]]


def test_most_popular_is_a_count(taken):
    scores = MostPopular().fit(taken).scores(taken[:3])
    assert scores.shape == (3, 19)
    assert scores[2].tolist() == taken.toarray().sum(0).tolist()


def test_two_towers_start_as_the_most_popular_and_learn_groups():
    groups = np.kron(np.eye(3), np.ones((12, 5)))
    given = groups.copy()
    given[:, ::5] = 0  # hide an item of each group
    model = TwoTower(15, width=8, n_steps=80).fit(csr_array(groups))
    scores = model.scores(csr_array(given))
    hidden = scores[:, ::5].argmax(axis=1)
    assert hidden.tolist() == np.repeat([0, 1, 2], 12).tolist()
    again = TwoTower(15, width=8, n_steps=80).fit(csr_array(groups)).scores(csr_array(given))
    np.testing.assert_allclose(again, scores, rtol=1e-4, atol=1e-5)


def test_two_towers_score_is_the_formula():
    model = TwoTower(7, width=3)
    given = torch.tensor([[1.0, 0, 0, 1, 1, 0, 0]])
    x = (model.taken[0] + model.taken[3] + model.taken[4]) / 3**0.5
    expected = model.items @ (x + model.second.T @ torch.relu(model.first.T @ x)) + model.bias
    torch.testing.assert_close(model(given)[0], expected)


def test_interactions_take_the_last_of_a_pair_and_leave_out_strangers():
    table = pd.DataFrame({"user": [1, 1, 2, 9], "item": ["a", "a", "b", "a"], "rating": [2.0, 5.0, 3.0, 1.0]})
    matrix = interactions(table, pd.Index([2, 1]), pd.Index(["a", "b", "c"]), values="rating")
    assert matrix.toarray().tolist() == [[0, 3, 0], [5, 0, 0]]
    with pytest.raises(ValueError, match="got one twice"):
        interactions(table, pd.Index([1, 1]), pd.Index(["a"]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ALS(n_factors=0), "positive n_factors"),
        (lambda: ALS(penalty=float("nan")), "penalty"),
        (lambda: ALS(confidence=0.5), "confidence of at least 1"),
        (lambda: RatingALS(penalty=0), "penalty"),
        (lambda: ItemNeighbors(shrinkage=-1), "shrinkage of at least 0"),
        (lambda: TwoTower(0), "n_items=0"),
        (lambda: TwoTower(3).fit(csr_array([[1.0, 0.0]])), "each of 3 items, got 2"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

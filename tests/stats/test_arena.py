"""Ratings from wins and ties: against closed forms, statsmodels, and a general optimizer."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from benchmarks.coverage.parts.arenas import played
from companion.stats import arena
from companion.stats.compare.arena import POINTS
from companion.stats.compare.davidson import fit_strengths

NAMES = ["a", "b", "c", "d"]
WINS = np.array([[0, 17, 23, 31], [11, 0, 19, 13], [5, 7, 0, 29], [2, 3, 11, 0]])
TIES = np.array([[0, 5, 3, 1], [5, 0, 7, 2], [3, 7, 0, 13], [1, 2, 13, 0]])


def by_name(found):
    return dict(zip(found.names, found.ratings, strict=True))


@pytest.mark.parametrize(("won", "lost"), [(7, 3), (7, 0), (0, 1)])
def test_two_models_without_ties_are_a_proportion_with_a_half_on_each_side(won, lost):
    found = by_name(arena([[0, won], [lost, 0]], ["a", "b"]))
    assert (found["a"] - found["b"]) / POINTS == pytest.approx(np.log((won + 0.5) / (lost + 0.5)))


def test_many_games_give_the_likelihood_estimates_of_statsmodels():
    rows, won = [], []
    for a, b in combinations(range(4), 2):
        for winner, loser in ((a, b), (b, a)):
            sign = 1 if winner == a else -1
            rows += [np.eye(4)[a] - np.eye(4)[b]] * (100 * WINS[winner, loser])
            won += [sign > 0] * (100 * WINS[winner, loser])
    theirs = sm.Logit(np.array(won, dtype=float), np.array(rows)[:, 1:]).fit(disp=False)
    found = arena(100 * WINS, NAMES)
    ratings = by_name(found)
    assert [(ratings[name] - ratings["a"]) / POINTS for name in "bcd"] == pytest.approx(theirs.params, abs=1e-3)
    pair = found.pairs.set_index(["a", "b"]).loc[("a", "b")]
    half = pair["high"] - pair["difference"]  # Tukey and Kramer's quantile for 4 models over the root of two: 2.569
    assert half / POINTS / 2.569 == pytest.approx(theirs.bse[0], rel=2e-3)


def test_with_ties_it_is_the_maximum_of_likelihood_and_prior():
    contrasts = np.array([np.eye(4)[a] - np.eye(4)[b] for a, b in combinations(range(4), 2)])
    games = np.array([[WINS[a, b], WINS[b, a], TIES[a, b]] for a, b in combinations(range(4), 2)], dtype=float)
    basis = np.vstack([np.eye(3), -np.ones(3)])

    def minus_penalized(beta):
        half, tie = contrasts @ basis @ beta[:3] / 2, np.full(6, beta[3])
        logits = np.stack([half, -half, tie], axis=1)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        jacobian = np.stack([contrasts @ basis / 2, -contrasts @ basis / 2, 0 * contrasts @ basis], axis=1)
        jacobian = np.concatenate([jacobian, np.tile([[[0.0], [0.0], [1.0]]], (6, 1, 1))], axis=2)
        information = sum(
            n * j.T @ (np.diag(q) - np.outer(q, q)) @ j for n, q, j in zip(games.sum(1), p, jacobian, strict=True)
        )
        return -(games * np.log(p)).sum() - np.linalg.slogdet(information)[1] / 2

    best = minimize(minus_penalized, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    fitted = fit_strengths(games, contrasts)
    assert fitted.values == pytest.approx(basis @ best.x[:3], abs=1e-6)
    assert fitted.tie == pytest.approx(best.x[3], abs=1e-6)
    assert arena(WINS, NAMES, ties=TIES).tie_share == pytest.approx(np.exp(best.x[3]) / (2 + np.exp(best.x[3])))


def test_an_unbeaten_model_has_a_finite_rating_and_few_games_prove_little():
    found = arena([[0, 3, 3], [0, 0, 2], [0, 1, 0]], ["best", "b", "c"])
    assert found.names[0] == "best"
    assert np.isfinite(found.frame.drop(columns="model").to_numpy(dtype=float)).all()
    assert found.frame.loc[0, ["best_rank", "worst_rank"]].tolist() == [1, 3]


def test_ranks_say_which_pairs_are_proven():
    found = arena([[0, 90, 95], [10, 0, 52], [5, 48, 0]], ["best", "b", "c"])
    assert found.frame[["best_rank", "worst_rank"]].to_numpy().tolist() == [[1, 1], [2, 3], [2, 3]]
    assert "2 of 3 pairs can be told apart" in str(found)
    assert found.pairs["p_win"].iloc[0] == pytest.approx(1 / (1 + np.exp(-found.pairs["difference"].iloc[0] / POINTS)))


def test_the_order_of_models_does_not_matter():
    shuffle = [2, 0, 3, 1]
    again = arena(WINS[np.ix_(shuffle, shuffle)], [NAMES[k] for k in shuffle], ties=TIES[np.ix_(shuffle, shuffle)])
    assert by_name(again) == pytest.approx(by_name(arena(WINS, NAMES, ties=TIES)))
    assert np.mean(again.ratings) == pytest.approx(1_000)


def test_frames_of_games():
    games = pd.DataFrame({"winner": ["x", "y", "x", "z", "x"], "loser": ["y", "x", "z", "y", "y"]})
    table = pd.crosstab(games["winner"], games["loser"])
    found = arena(table.reindex(index=list("xyz"), columns=list("xyz"), fill_value=0))
    assert found.n_games == 5
    assert set(found.names) == set("xyz")
    with pytest.raises(ValueError, match=r"take wins\.reindex"):
        arena(table.loc[["y", "x", "z"]])


def test_many_models_with_few_games_converge():
    rng = np.random.default_rng(0)
    for _ in range(5):
        wins, ties = played(rng, np.linspace(-4, 4, 20), 0.5, 2)
        assert len(arena(wins, [f"m{k}" for k in range(20)], ties=ties).pairs) == 190


@pytest.mark.parametrize(
    ("wins", "ties", "said"),
    [
        ([[0, 1.5], [2, 0]], None, "whole numbers"),
        ([[0, -1], [2, 0]], None, "whole numbers"),
        ([[1, 2], [2, 0]], None, "diagonal"),
        ([[0, 2], [2, 0]], [[0, 1], [2, 0]], "symmetric"),
        ([[0, 2, 0], [2, 0, 0], [0, 0, 0]], None, "games connect"),
        ([[0, 2, 1]], None, "shape"),
    ],
)
def test_what_is_no_table_of_games_is_refused(wins, ties, said):
    with pytest.raises(ValueError, match=said):
        arena(wins, list("abc")[: len(wins[0])], ties=ties)

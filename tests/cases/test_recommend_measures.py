"""Ranking measures against Krichene & Rendle's table, scikit-learn, simulation; the split by time."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score, ndcg_score

from companion.cases.recommend import full_ranking, rank_measures, sampled_measures, time_split

TOY = {"A": [100] * 5, "B": [40, 40, 8437, 9266, 4482], "C": [212, 2, 743, 5342, 1548]}
# Krichene & Rendle 2020, Tables 1 and 2: AUC, AP, NDCG, Recall@10
EXACT = {"A": (0.990, 0.010, 0.150, 0.0), "B": (0.555, 0.010, 0.122, 0.0), "C": (0.843, 0.101, 0.208, 0.2)}
SAMPLED = {  # means and standard deviations of 1,000 draws
    "A": ((0.990, 0.004), (0.630, 0.129), (0.724, 0.097), (1.000, 0.000)),
    "B": ((0.555, 0.014), (0.336, 0.073), (0.444, 0.054), (0.400, 0.000)),
    "C": ((0.843, 0.014), (0.325, 0.050), (0.460, 0.039), (0.567, 0.092)),
}


@pytest.mark.parametrize("name", TOY)
def test_the_published_table_exactly(name):
    found = rank_measures(TOY[name], 10_000)
    assert tuple(round(value, 3) for value in found.values()) == EXACT[name]


@pytest.mark.parametrize("name", TOY)
def test_the_published_sampled_table_within_its_noise(name):
    found = sampled_measures(TOY[name], 10_000)
    for ours, (mean, sd) in zip(found.values(), SAMPLED[name], strict=True):
        assert abs(ours - mean) < 3 * sd / np.sqrt(1000) + 0.0005


def test_sampled_measures_by_simulation():
    rng = np.random.default_rng(0)
    ranks, n_items, n_sampled = np.array([3, 17]), 53, 7
    drawn = 1 + (rng.integers(1, n_items, (200_000, 2, n_sampled)) < ranks[:, None]).sum(2)
    found = sampled_measures(ranks, n_items, n_sampled=n_sampled, k=2)
    assert found["AP"] == pytest.approx((1 / drawn).mean(), abs=0.004)
    assert found["NDCG"] == pytest.approx((1 / np.log2(drawn + 1)).mean(), abs=0.004)
    assert found["Recall@2"] == pytest.approx((drawn <= 2).mean(), abs=0.004)
    assert found["AUC"] == pytest.approx(rank_measures(ranks, n_items)["AUC"])


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(13, 37))
    kind = rng.choice(3, size=scores.shape, p=[0.7, 0.15, 0.15])
    kind[:, 0] = 2
    return scores, csr_array((kind == 1).astype(float)), csr_array((kind == 2).astype(float))


def test_full_ranking_is_that_of_scikit_learn(drawn):
    scores, seen, relevant = drawn
    found = full_ranking(scores, seen, relevant, k=5)
    for user in range(13):
        free = seen.toarray()[user] == 0
        wanted, mine = relevant.toarray()[user][free], scores[user][free]
        assert found.ndcg[user] == pytest.approx(ndcg_score([wanted], [mine], k=5))
        assert found.average_precision[user] == pytest.approx(average_precision_score(wanted, mine))
        top = np.argsort(-mine)[:5]
        assert found.recall[user] == pytest.approx(wanted[top].sum() / min(5, wanted.sum()))
        assert (scores[user][found.lists[user]] == mine[top]).all()


def test_one_relevant_item_is_the_closed_form():
    scores = -np.arange(11.0)[None]
    for rank in range(1, 12):
        found = full_ranking(scores, csr_array((1, 11)), csr_array(np.eye(11)[[rank - 1]]), k=11)
        closed = rank_measures([rank], 11)
        assert found.ndcg[0] == pytest.approx(closed["NDCG"])
        assert found.average_precision[0] == pytest.approx(closed["AP"])


def test_items_outside_the_catalog_lower_every_measure(drawn):
    scores, seen, relevant = drawn
    inside = full_ranking(scores, seen, relevant, k=10)
    more = np.asarray(relevant.sum(1)).ravel().astype(int) + 4
    outside = full_ranking(scores, seen, relevant, n_relevant=more, k=10)
    assert (outside.average_precision < inside.average_precision).all()
    assert (outside.ndcg <= inside.ndcg).all()
    assert outside.ndcg.sum() < inside.ndcg.sum()


def test_a_split_has_no_later_rating_in_training():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"user": rng.integers(0, 40, 600), "item": rng.integers(0, 50, 600), "time": rng.random(600)})
    split = time_split(table[(table["user"] < 30) | (table["time"] > 0.6)], 0.6, given=0.3)
    assert split.train["time"].max() < 0.6 <= split.targets["time"].min()
    last, first = split.given.groupby("user")["time"].max(), split.targets.groupby("user")["time"].min()
    assert (last[first.index] <= first).all()
    newcomers = split.targets.loc[~split.targets["user"].isin(split.train["user"]), "user"].unique()
    assert len(newcomers) == 10
    for user in newcomers:
        n = (split.given["user"] == user).sum()
        assert n == np.ceil(0.3 * (n + (split.targets["user"] == user).sum()))
    known = split.targets.loc[split.targets["user"].isin(split.train["user"]), "user"].iloc[0]
    assert (split.given.loc[split.given["user"] == known, "time"] < 0.6).all()


ONE = csr_array(np.array([[0.0, 1.0, 0.0]]))
TABLE = pd.DataFrame({"user": [1, 2], "item": [1, 2], "time": [1, 2]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rank_measures([], 10), "expected ranks"),
        (lambda: rank_measures([0], 10), "whole ranks from 1 to 10"),
        (lambda: rank_measures([1.5], 10), "whole ranks"),
        (lambda: sampled_measures([1], 10, n_sampled=0), "at least one sampled item"),
        (lambda: full_ranking(np.zeros((1, 2)), ONE, ONE), "tables of one shape"),
        (lambda: full_ranking(np.zeros((1, 3)), ONE, ONE, k=4), "k between 1 and the 3 items"),
        (lambda: full_ranking(np.full((1, 3), np.nan), ONE, ONE, k=2), "finite scores"),
        (lambda: full_ranking(np.zeros((1, 3)), ONE, ONE * 0, k=2), "a relevant item for every user"),
        (lambda: full_ranking(np.zeros((1, 3)), ONE, ONE, k=2), "not seen, got one that was"),
        (lambda: time_split(TABLE.drop(columns="time"), 2), "got none named time"),
        (lambda: time_split(TABLE, 1), "ratings before and after"),
        (lambda: time_split(TABLE, 2, given=1), "given between 0 and 1"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

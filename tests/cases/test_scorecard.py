"""Scorecards: held to optbinning and closed forms; leaks; thresholds that cover; tables that are refused."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split

from companion.cases.scorecard import (
    Binning,
    PointsScale,
    Scorecard,
    at_base_rate,
    best_cuts,
    cost_threshold,
    fit_tested,
    information_value,
    load_card,
    read_table,
    save_card,
    score_applicants,
    woe,
)
from companion.cases.scorecard.stored import GERMAN_CARD
from companion.data import GERMAN_PROTECTED, german_credit

GOOD = np.array([31, 40, 22, 35, 41, 29, 44, 37, 19, 28, 33, 47, 25, 38, 30, 21, 36, 27, 43, 34])
BAD = np.array([29, 12, 15, 9, 7, 11, 5, 13, 14, 8, 17, 6, 19, 10, 16, 18, 23, 20, 21, 26])
MIN_COUNT = int(np.ceil(0.05 * (GOOD + BAD).sum()))


def rows_of(good, bad):
    """A value a row, as many as the counts say, and 1 where bad."""
    values = np.repeat(np.arange(len(good), dtype=float), np.add(good, bad))
    labels = np.concatenate([[0] * g + [1] * b for g, b in zip(good, bad, strict=True)])
    return values, labels


def two_columns():
    x, labels = rows_of(GOOD, BAD)
    return pd.DataFrame({"x": x, "z": (np.arange(len(x)) * 37 % 101 + 20 * labels).astype(float)}), labels


@pytest.fixture(scope="module")
def loans():
    table = german_credit()
    return table.drop(columns=["bad", *GERMAN_PROTECTED]), table["bad"].to_numpy()


def test_weight_of_evidence_is_bayes_rule_in_log_odds():
    good, bad = np.array([80, 31, 7]), np.array([11, 23, 5])
    posterior = np.log(good / bad)
    np.testing.assert_allclose(woe(good, bad) + np.log(good.sum() / bad.sum()), posterior)
    p, q = good / good.sum(), bad / bad.sum()
    assert information_value(good, bad) == pytest.approx(np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p)))


def test_an_empty_count_keeps_the_weight_finite():
    assert woe([50, 10], [0, 30])[0] == pytest.approx(np.log(50 / 60) - np.log(0.5 / 30))


@pytest.mark.parametrize(("good", "bad"), [([1, 2], [3]), ([0, 0], [1, 2]), ([-1, 2], [1, 2]), ([[1]], [[1]])])
def test_counts_that_are_none_are_refused(good, bad):
    with pytest.raises(ValueError, match="expected"):
        woe(good, bad)


# optbinning 1.0.0: OptimalBinning(solver="cp", monotonic_trend=trend, max_n_bins=k, min_bin_size=.05,
#   user_splits=np.arange(1, 20) - .5).fit(*rows_of(GOOD, BAD)); splits + .5, and binning_table.iv.
# With monotone=True the better of its "ascending" and "descending".
@pytest.mark.parametrize(
    ("monotone", "max_bins", "cuts", "value"),
    [
        (False, 3, [1, 12], 0.13837903145992353),
        (False, 5, [3, 7, 11, 12], 0.2028087760143063),
        (False, 7, [1, 3, 6, 7, 11, 12], 0.24542796880212248),
        (True, 3, [12, 15], 0.07595854058475467),
        (True, 5, [12, 15, 19], 0.07747646985155168),
        (True, 7, [12, 15, 19], 0.07747646985155168),
    ],
)
def test_the_best_bins_are_those_of_optbinning(monotone, max_bins, cuts, value):
    found = best_cuts(GOOD, BAD, max_bins=max_bins, min_count=MIN_COUNT, monotone=monotone)
    assert found.tolist() == cuts
    sums = [np.add.reduceat(counts, [0, *cuts]) for counts in (GOOD, BAD)]
    assert information_value(*sums) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("monotone", [False, True])
def test_no_other_bins_are_better(seed, monotone):
    rng = np.random.default_rng(seed)
    good, bad = rng.integers(0, 30, size=9), rng.integers(0, 12, size=9)
    found = best_cuts(good, bad, max_bins=4, min_count=20, monotone=monotone)

    def value(cuts):
        sums = [np.add.reduceat(counts, [0, *cuts]) for counts in (good, bad)]
        rates = sums[1] / np.sum(sums, axis=0)
        allowed = np.all(np.sum(sums, axis=0) >= 20) and np.all(np.array(sums) > 0) and len(cuts) < 4
        allowed &= not monotone or bool(np.all(np.diff(rates) >= 0) or np.all(np.diff(rates) <= 0))
        return information_value(*sums) if allowed else -np.inf

    ways = [[i + 1 for i in range(8) if way >> i & 1] for way in range(2**8)]
    assert value(found.tolist()) == pytest.approx(max(map(value, ways)))


def test_categories_are_joined_as_by_optbinning():
    # optbinning 1.0.0: OptimalBinning(dtype="categorical", solver="cp", max_n_bins=4, min_prebin_size=1e-9)
    good, bad = [30, 41, 22, 35, 9, 52, 60, 4], [29, 12, 15, 9, 8, 11, 5, 3]
    values, labels = rows_of(good, bad)
    table = pd.DataFrame({"c": np.array(list("abcdefgh"))[values.astype(int)]})
    column = Binning(max_bins=4, min_share=1e-9).fit(table, labels).columns_[0]
    assert [set(group) for group in column.groups] == [{"g"}, {"b", "d", "f"}, {"c", "h"}, {"a", "e"}]
    assert column.information_value == pytest.approx(0.6262204758432232)
    np.testing.assert_allclose(column.woe[:-1], [1.47330574, 0.37469345, -0.64387613, -0.95895718])


def test_the_score_is_that_of_optbinning():
    # optbinning.Scorecard(BinningProcess(["x", "z"], max_n_bins=5, min_bin_size=.05, ascending, the fine bins below),
    #   LogisticRegression(C=1e6), pdo 20, odds 50, scorecard_points 600).fit(t, y).score(t.iloc[::97])
    theirs = [615.9127, 517.2532, 615.9127, 515.3165, 615.9127, 515.3165, 508.5437, 503.5908, 500.0789, 498.1422]
    table, labels = two_columns()
    weights = Binning().fit(table, labels).transform(table)
    model = LogisticRegression(C=1e6, max_iter=1_000).fit(weights, labels)
    exact = PointsScale().score(model.predict_proba(weights.iloc[::97])[:, 1])
    np.testing.assert_allclose(exact, theirs, atol=2e-3)
    card = Scorecard().fit(table, labels).card_
    assert np.abs(card.score(table.iloc[::97]) - theirs).max() <= 1.5  # three whole numbers are added


def test_points_that_double_the_odds():
    scale = PointsScale(pdo=20, points=600, odds=50)
    assert (round(scale.factor, 4), round(scale.offset, 4)) == (28.8539, 487.1229)
    p = np.array([0.5, 0.1, 1 / 51])
    np.testing.assert_allclose(scale.score(p)[2], 600)
    doubled = p / (p + 2 * (1 - p))
    np.testing.assert_allclose(scale.score(doubled) - scale.score(p), 20)
    np.testing.assert_allclose(scale.probability(scale.score(p)), p)
    with pytest.raises(ValueError, match="to be a positive number"):
        PointsScale(pdo=0)


def test_a_card_adds_up_by_hand(loans):
    table, bad = loans
    card = Scorecard().fit(table, bad).card_
    printed = card.table().set_index(["column", "bin"])["points"]
    first = table.iloc[0]
    total = card.base
    for column in card.columns:
        labels = [
            label
            for label, group in zip(column.labels, column.groups or [], strict=False)
            if first[column.name] in group
        ]
        if column.edges is not None:
            labels = [column.labels[int(np.sum(np.array(column.edges) <= first[column.name]))]]
        total += printed[column.name, labels[0]]
    assert card.score(table.head(1))[0] == total


def test_no_column_of_a_card_contradicts_its_bins(loans):
    card = Scorecard().fit(*loans).card_
    for column, points in zip(card.columns, card.points, strict=True):
        order = np.argsort(column.woe[:-1])
        assert np.all(np.diff(np.array(points[:-1])[order]) >= 0)


def test_rounding_and_missing_values_and_unseen_categories(loans):
    table, bad = loans
    model = Scorecard().fit(table, bad)
    strange = table.head(3).astype(object)
    strange.iloc[0] = None
    strange.loc[1, "purpose"] = "a spaceship"
    parts = model.card_.parts(strange)
    names = [column.name for column in model.card_.columns]
    assert parts[0].tolist() == [0] * len(names)
    assert parts[1, names.index("purpose")] == 0
    assert model.score_points(strange)[0] == model.card_.base
    exact = Binning().fit(table, bad)
    assert (exact.transform(strange).iloc[0] == 0).all()


def test_missing_values_are_evidence_where_training_had_some():
    good, bad = [40, 40], [10, 10]
    values, labels = rows_of(good, bad)
    table = pd.DataFrame({"x": np.append(values, [np.nan] * 30)})
    column = Binning().fit(table, np.append(labels, [1] * 25 + [0] * 5)).columns_[0]
    assert (column.good[-1], column.bad[-1]) == (5, 25)
    assert column.woe[-1] == pytest.approx(np.log(5 / 85) - np.log(25 / 45))


def test_bins_from_all_rows_leak_and_a_pipeline_does_not(loans):
    table, bad = loans
    labels = np.random.default_rng(0).permutation(bad)  # nothing is left to be learned
    honest = cross_val_score(Scorecard(min_iv=0, monotone=False), table, labels, cv=5, scoring="roc_auc").mean()
    leaky = Binning(monotone=False).fit(table, labels).transform(table)
    leaked = cross_val_score(LogisticRegression(C=1e6), leaky, labels, cv=5, scoring="roc_auc").mean()
    assert 0.42 < honest < 0.55 < 0.58 < leaked


def test_the_pipeline_is_good_on_real_labels(loans):
    train, test = train_test_split(np.arange(1_000), test_size=0.3, stratify=loans[1], random_state=0)
    model = Scorecard().fit(loans[0].iloc[train], loans[1][train])
    p = model.predict_proba(loans[0].iloc[test])[:, 1]
    assert 0.74 < roc_auc_score(loans[1][test], p) < 0.84
    assert abs(p.mean() - 0.3) < 0.05
    assert set(model.predict(loans[0].iloc[test])) == {0, 1}


def test_the_threshold_of_right_probabilities_is_that_of_theory():
    rng = np.random.default_rng(0)
    held = []
    for seed in range(10):
        p = rng.beta(1, 2, size=200)
        found = cost_threshold(rng.random(200) < p, p, n_resamples=200, seed=seed)
        held.append(found.threshold.low - 0.005 <= 1 / 6 <= found.threshold.high + 0.005)
        assert found.cost <= min(found.cost_at_theory, found.accept_all, found.refuse_all) + 1e-12
    assert sum(held) >= 9
    assert found.theory == pytest.approx(1 / 6)


def test_the_cost_is_counted_by_hand():
    found = cost_threshold([1, 0, 0, 1], [0.9, 0.8, 0.1, 0.05], cost_bad=5, cost_good=1, n_resamples=50)
    assert found.accept_all == 2.5
    assert found.refuse_all == 0.5
    assert found.cost_at_theory == (5 + 1) / 4  # the last one is accepted, the second refused
    assert found.cost == 0.5


@pytest.mark.parametrize(
    ("bad", "p", "costs"),
    [([0, 2], [0.1, 0.2], {}), ([0, 1], [500, 600], {}), ([0, 1], [0.1], {}), ([0, 1], [0.1, 0.2], {"cost_bad": 0})],
)
def test_what_is_no_test_is_refused(bad, p, costs):
    with pytest.raises(ValueError, match="expected"):
        cost_threshold(bad, p, **costs)


def test_another_base_rate_is_bayes_rule():
    # 200 good and 100 bad; then 19 good for each bad: weigh the rows and count again.
    p = 30 / (30 + 40)
    weighed = 30 * (0.05 / 100) / (30 * (0.05 / 100) + 40 * (0.95 / 200))
    assert at_base_rate([p], trained=1 / 3, here=0.05)[0] == pytest.approx(weighed)
    with pytest.raises(ValueError, match="between 0 and 1"):
        at_base_rate([p], trained=0.3, here=1)


def test_the_card_in_the_package_is_that_of_german_credit(loans, tmp_path):
    tested = load_card()
    assert fit_tested(*loans) == tested
    assert tested.base_rate == pytest.approx(0.3)
    save_card(tested, tmp_path / "card.json")
    assert (tmp_path / "card.json").read_bytes() == GERMAN_CARD.read_bytes()


def test_what_a_card_says_is_seen_on_rows_that_it_has_not_seen(loans):
    for seen, band in zip(
        load_card().observed([b.from_score for b in load_card().bands]), load_card().bands, strict=True
    ):
        assert seen.estimate == band.bad / (band.good + band.bad)
    rates = [band.bad / (band.good + band.bad) for band in load_card().bands]
    assert rates[0] > 0.5 > 0.1 > rates[-1]


def test_a_decision_says_why(loans):
    table = loans[0].head(1).assign(status="no checking account", duration=60, purpose="a spaceship", housing=None)
    decision = score_applicants(table, load_card(), cost_bad=5, cost_good=1)[0]
    assert decision.refuse
    assert decision.reasons[0].startswith(("duration", "status"))
    assert decision.notes == ("purpose 'a spaceship' was never seen, 0 points", "housing is missing")
    kind = score_applicants(table, load_card(), cost_bad=1, cost_good=50)[0]
    assert not kind.refuse
    rare = score_applicants(table, load_card(), base_rate=0.02)[0]
    assert rare.probability < decision.probability
    assert rare.observed.high < decision.observed.high
    with pytest.raises(ValueError, match="positive cost_bad"):
        score_applicants(table, load_card(), cost_bad=-1)


def test_a_decision_is_close_where_the_interval_holds_the_threshold(loans):
    for each in score_applicants(loans[0].head(50), load_card()):
        assert each.is_close == (each.observed.low <= 1 / 6 <= each.observed.high)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a name for every column"),
        (b"x,y\n", "applicants below the header"),
        (b"x\n1\n", "the columns y in .* got only x"),
        (b"x,x,y\n1,2,3\n", "x more than once"),
        (b"x,,y\n1,2,3\n", "a name for every column"),
        (b"x,y\n1,2,3\n1,2,3\n", "as many fields"),
        (b"x,y\n\xff\xfe,1\n", "UTF-8"),
        (b"\x00\x01\x02", "expected"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path, ["x", "y"])


def test_large_files_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "1,2\n" * 30)
    monkeypatch.setattr("companion.cases.scorecard.applicants.MAX_ROWS", 20)
    with pytest.raises(ValueError, match="at most 20 rows"):
        read_table(path, ["x"])
    monkeypatch.setattr("companion.cases.scorecard.applicants.MAX_BYTES", 50)
    with pytest.raises(ValueError, match="split it"):
        read_table(path, ["x"])
    with pytest.raises(FileNotFoundError, match="not there"):
        read_table(tmp_path / "nowhere.csv")


def test_text_among_numbers_is_named(loans):
    table = loans[0].head(5).astype({"duration": object})
    table.loc[3, "duration"] = "=cmd()"
    with pytest.raises(ValueError, match=r"numbers in the column 'duration', got '=cmd\(\)' in data row 4"):
        score_applicants(table, load_card())


@pytest.mark.parametrize(
    "stored", ["", "[]", "{}", '{"columns": 3}', '{"scale": {}, "base": 1, "columns": [], "bands": []}', "[" * 10_000]
)
def test_a_file_that_is_no_card_is_refused(tmp_path, stored):
    path = tmp_path / "card.json"
    path.write_text(stored)
    with pytest.raises(ValueError, match="expected"):
        load_card(path)
    with pytest.raises(FileNotFoundError, match="not there"):
        load_card(tmp_path / "no.json")


def test_a_card_with_a_point_too_few_is_refused(tmp_path):
    stored = json.loads(GERMAN_CARD.read_text(encoding="utf-8"))
    stored["columns"][0]["points"].pop()
    path = tmp_path / "card.json"
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="points for every bin"):
        load_card(path)


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ([0, 1, 0], {}, "a label for each row"),
        ([0, 0, 0, 0], {}, "labels 0 and 1, both"),
        ([0, 1, 2, 1], {}, "only 0 and 1"),
        ([0, 1, 0, 1], {"max_bins": 0}, "max_bins"),
        ([0, 1, 0, 1], {"min_share": 2}, "min_share"),
    ],
)
def test_what_cannot_be_binned_is_refused(labels, settings, message):
    with pytest.raises(ValueError, match=message):
        Binning(**settings).fit(pd.DataFrame({"x": [1, 2, 3, 4]}), labels)


def test_a_table_without_evidence_gives_no_card():
    with pytest.raises(ValueError, match="got none: take more rows"):
        Scorecard().fit(pd.DataFrame({"x": [1.0] * 40}), [0, 1] * 20)
    with pytest.raises(ValueError, match="at least 10 good and 10 bad"):
        fit_tested(
            *(lambda t: (t[0].head(20), np.array([1] * 4 + [0] * 16)))(two_columns()), scorecard=Scorecard(min_iv=0)
        )

"""Two promises about wrong answers: the thresholds by hand, and the promises by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from companion.cases.retrieval import selective_answers


def draw(rng, n):
    """Scores, and answers that are wrong with a probability that falls with the score."""
    scores = rng.random(n).round(2)  # with ties
    return scores, rng.random(n) < 0.6 * (1 - scores)


def test_the_threshold_of_all_is_the_least_that_keeps_the_bound():
    rng = np.random.default_rng(0)
    for n in (19, 20, 47, 101):
        for risk in (0.05, 0.2):
            scores, wrong = draw(rng, n)
            rule = selective_answers(scores, wrong, risk=risk)
            candidates = [-math.inf, *np.unique(scores)]
            kept = [t for t in candidates if (sum(wrong & (scores > t)) + 1) / (n + 1) <= risk + 1e-12]
            assert rule.threshold == min(kept)
            assert (rule.n, rule.n_answered) == (n, int((scores > rule.threshold).sum()))
            assert rule.answers(scores).tolist() == (scores > rule.threshold).tolist()


def test_p_of_answered_and_wrong_is_kept_on_average_and_used_up():
    rng, risk, n = np.random.default_rng(1), 0.1, 41
    realized = []
    for _ in range(4_000):
        scores, wrong = draw(rng, n + 50)
        rule = selective_answers(scores[:n], wrong[:n], risk=risk)
        realized.append((rule.answers(scores[n:]) & wrong[n:]).mean())
    mean, se = np.mean(realized), np.std(realized) / math.sqrt(len(realized))
    assert mean < risk + 2 * se
    assert mean > risk - 2 / (n + 1) - 0.02  # 0.02: at most the ties' part


def test_learn_then_test_walks_until_a_threshold_fails():
    rng = np.random.default_rng(2)
    scores, wrong = draw(rng, 400)
    grid = [0.8, 0.6, 0.4, 0.2, 0.0]
    rule = selective_answers(scores, wrong, risk=0.2, of="answered", error=0.1, thresholds=grid)
    passed = []
    for t in grid:
        above = scores > t
        if binom.cdf(wrong[above].sum(), above.sum(), 0.2) > 0.1:
            break
        passed.append(t)
    assert 0 < len(passed) < len(grid)
    assert rule.threshold == passed[-1]
    assert (rule.of, rule.error) == ("answered", 0.1)
    assert rule.n_wrong == int(wrong[scores > passed[-1]].sum())


def test_the_error_among_answered_is_exceeded_as_rarely_as_promised():
    rng, risk, error = np.random.default_rng(3), 0.2, 0.1
    grid = np.linspace(0.9, 0, 19)
    pool_scores, pool_wrong = draw(rng, 200_000)
    truth = {t: pool_wrong[pool_scores > t].mean() for t in grid}
    failed = 0
    for _ in range(1_500):
        take = rng.integers(len(pool_scores), size=150)
        rule = selective_answers(
            pool_scores[take], pool_wrong[take], risk=risk, of="answered", error=error, thresholds=grid
        )
        failed += rule.threshold < math.inf and truth[rule.threshold] > risk
    assert failed / 1_500 < error + 3 * math.sqrt(error * (1 - error) / 1_500)
    assert failed > 0


def test_too_few_without_a_mistake_are_no_evidence():
    for n, answers in ((44, 0), (45, 45)):
        rule = selective_answers(
            np.ones(n), np.zeros(n), risk=0.05, of="answered", error=0.1, thresholds=[0.5]
        )  # ln 0.1 / ln 0.95 = 44.9
        assert rule.n_answered == answers


@pytest.mark.parametrize(
    ("n", "settings", "message"),
    [
        (18, {}, "at least 19 questions with known answers for a risk of 0.05, got 18"),
        (50, {"risk": 1.0}, "risk strictly between 0 and 1"),
        (50, {"of": "most"}, "of to be one of all, answered"),
        (50, {"of": "answered"}, "thresholds for of='answered'"),
        (50, {"thresholds": [0.5]}, "thresholds for of='answered'"),
        (50, {"of": "answered", "thresholds": [0.1, 0.5]}, "thresholds from high to low"),
        (50, {"of": "answered", "thresholds": []}, "thresholds from high to low"),
    ],
)
def test_refused(n, settings, message):
    with pytest.raises(ValueError, match=message):
        selective_answers(np.ones(n), np.zeros(n), **settings)


def test_other_lengths_and_nan_are_refused():
    for scores in (np.ones(49), np.full(50, math.nan)):
        with pytest.raises(ValueError, match="expected (scores without missing|one row an example in each)"):
            selective_answers(scores, np.zeros(50))

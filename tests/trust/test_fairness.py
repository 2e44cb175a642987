"""Gaps between groups: COMPAS from eight integers, coverage at equality and at a gap, fairlearn beside it."""

import numpy as np
import pytest

from companion.stats import sample_size
from companion.trust import gap_ci, group_metrics, impossibility, n_for_gap

#: Larson et al. 2016: true negatives, false positives, false negatives, true positives of two groups.
COMPAS = {"black": (990, 805, 532, 1_369), "white": (1_139, 349, 461, 505)}


def compas():
    y, d, g = [], [], []
    for group, (tn, fp, fn, tp) in COMPAS.items():
        y += [0] * (tn + fp) + [1] * (fn + tp)
        d += [0] * tn + [1] * fp + [0] * fn + [1] * tp
        g += [group] * (tn + fp + fn + tp)
    return np.array(y), np.array(d), np.array(g)


def test_compas_as_published():
    table = group_metrics(*compas())
    assert 100 * table.estimate["black", "fpr"] == pytest.approx(44.85, abs=0.005)
    assert 100 * table.estimate["white", "fpr"] == pytest.approx(23.45, abs=0.005)
    assert table.n["black", "fpr"] == 1_795
    gap = gap_ci(*compas(), metric="fpr")
    assert gap.estimate == pytest.approx(0.4485 - 0.2345, abs=1e-4)
    assert gap.low > 0.18


@pytest.mark.parametrize("group", ["black", "white"])
def test_chouldechova_s_identity(group):
    tn, fp, fn, tp = COMPAS[group]
    positives = tp + fn
    rate = impossibility(positives / (tn + fp + positives), ppv=tp / (tp + fp), fnr=fn / positives)
    assert rate == pytest.approx(fp / (fp + tn), abs=1e-12)


def test_metrics_are_fairlearn_s():
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate

    y, d, g = compas()
    frame = MetricFrame(
        metrics={"fpr": false_positive_rate, "selection_rate": selection_rate}, y_true=y, y_pred=d, sensitive_features=g
    )
    ours = group_metrics(y, d, g)
    for metric in ("fpr", "selection_rate"):
        for group in ("black", "white"):
            assert ours.estimate[group, metric] == pytest.approx(frame.by_group[metric][group])
        assert gap_ci(y, d, g, metric=metric).estimate == pytest.approx(frame.difference()[metric])


@pytest.mark.parametrize("rates", [(0.3, 0.3), (0.3, 0.3, 0.3, 0.3), (0.3, 0.42), (0.05, 0.1, 0.08)])
def test_the_gap_s_interval_covers(rates):
    rng = np.random.default_rng(0)
    truth, sizes, covered = max(rates) - min(rates), [200, 120, 80, 60][: len(rates)], 0
    groups = np.repeat(np.arange(len(rates)), sizes)
    for _ in range(400):
        decisions = rng.random(len(groups)) < np.repeat(rates, sizes)
        interval = gap_ci(decisions, decisions, groups)
        covered += interval.low <= truth <= interval.high
    assert covered / 400 >= 0.93


def test_planned_examples_find_the_gap():
    rng = np.random.default_rng(0)
    n = n_for_gap(0.2, 0.1, share=0.1)
    small = round(0.1 * n)
    assert small < sample_size("proportions", 0.1, share=0.2).n  # most of the noise is the small group's
    found = 0
    for _ in range(1_000):
        a, b = rng.binomial(small, 0.3) / small, rng.binomial(n - small, 0.2) / (n - small)
        pooled = (small * a + (n - small) * b) / n
        found += abs(a - b) > 1.96 * np.sqrt(pooled * (1 - pooled) * (1 / small + 1 / (n - small)))
    assert found / 1_000 == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: gap_ci([0, 1], [0, 1], ["a", "a"]), "two groups"),
        (lambda: gap_ci([0, 0, 1], [0, 1, 1], ["a", "a", "b"], metric="fpr"), "got none in b"),
        (lambda: gap_ci([0, 1], [0, 1], ["a", "b"], metric="auc"), "metric"),
        (lambda: group_metrics([0, 2], [0, 1], ["a", "b"]), "0 and 1"),
        (lambda: group_metrics([0, 1], [0, 0.7], ["a", "b"]), "threshold"),
        (lambda: group_metrics([0, 1], [0, 1], ["a"]), "groups to hold one value an example, got"),
        (lambda: impossibility(0.5, ppv=1.0, fnr=0.1), "ppv"),
        (lambda: impossibility(0.5, ppv=0.1, fnr=0.0), "got a false positive rate of 9: raise ppv or fnr"),
        (lambda: impossibility(0.5, ppv=0.5, fnr="0.1"), "fnr in .0, 1., got '0.1'"),
        (lambda: n_for_gap(0.2, 0.1, share=1.0), "share"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_group_that_a_metric_says_nothing_of_is_missing():
    table = group_metrics([0, 0, 1], [0, 1, 1], ["a", "a", "b"])
    assert np.isnan(table.estimate["b", "fpr"])
    assert table.n["b", "fpr"] == 0

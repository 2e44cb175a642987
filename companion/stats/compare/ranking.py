"""Several models on several data sets: do their ranks differ, and which ones do."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import f, friedmanchisquare, rankdata, studentized_range, wilcoxon

from companion.stats.base.arrays import as_array
from companion.stats.base.frames import column_names
from companion.stats.base.options import check_alpha
from companion.stats.base.result import Result, p_in_words
from companion.stats.base.ties import differences, tied
from companion.stats.compare.multiplicity import adjust
from companion.stats.compare.rank_diagram import draw_ranks

Scores = Float[np.ndarray, "sets models"]


@dataclass(frozen=True, eq=False)
class Ranking(Result):
    """Mean ranks of several models over data sets, tested; ``frame`` has a row for each pair, best models first.

    Attributes:
        names: of the models, by mean rank.
        mean_ranks: of the models in that order; 1 is the best.
        n_sets: number of data sets.
        chi_square: Friedman's statistic, corrected for ties.
        f_statistic: Iman and Davenport's, made of it.
        p_value: of the F statistic: were all models equally good.
        agreement: the effect size, Kendall's W: from 0, where sets rank models at random, to 1, where all agree.
        critical_difference: mean ranks further apart than this differ, after Nemenyi.
        alpha: error that the critical difference is for.
        pairs: a row for each pair (a ranks before b): ``rank_difference``, ``p_nemenyi``, Wilcoxon's ``p_wilcoxon``,
            the same after Holm ``p_holm``, and the effect size ``rank_biserial``.
    """

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_sets: int
    chi_square: float
    f_statistic: float
    p_value: float
    agreement: float
    critical_difference: float
    alpha: float
    pairs: pd.DataFrame

    def __str__(self) -> str:
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(self.names, self.mean_ranks, strict=True))
        return (
            f"The mean ranks over {self.n_sets:,} sets are {ranks}; {p_in_words(self.p_value)} (Friedman, "
            f"Iman-Davenport), Kendall's W is {self.agreement:.2f}; ranks differ from "
            f"{self.critical_difference:.2f} on (Nemenyi, {self.alpha:g})."
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each pair of models."""
        return self.pairs

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the critical-difference diagram: a bar joins models whose ranks do not differ."""
        return draw_ranks(self.names, self.mean_ranks, self.critical_difference, axes)


def compare_many(
    scores: ArrayLike, names: Sequence[str] | None = None, *, alpha: float = 0.05, higher_is_better: bool = True
) -> Ranking:
    r"""Compares several models over several data sets by their ranks on each.

    With :math:`k` models, :math:`N` sets and mean ranks :math:`R_j`, Friedman's statistic and the better one that Iman
    and Davenport make of it are

    .. math:: \chi^2 = \frac{12 N}{k (k + 1)} \sum_j \Big(R_j - \frac{k + 1}{2}\Big)^2, \qquad
        F = \frac{(N - 1) \chi^2}{N (k - 1) - \chi^2} \sim F_{k - 1, (k - 1)(N - 1)}

    here after correction for ties, which Demšar leaves out. Where all sets agree, :math:`F` is infinite; no p-value
    goes below :math:`(k!)^{1 - N}`, the chance of that. Two models differ, after Nemenyi, where their mean ranks are at
    least a critical difference apart:

    .. math:: \mathrm{CD} = q_\alpha \sqrt{\frac{k (k + 1)}{6 N}}

    with :math:`q_\alpha` the quantile of the studentized range over :math:`\sqrt 2`. As a mean rank depends on which
    other models are there, the pairs come with a second test that does not: Wilcoxon's signed ranks of the two models'
    scores, adjusted by Holm. Decide beforehand which one counts; for few models of interest, take ``p_holm``.

    Simulated for equal models, the proportion of samples with a rejection at 5%, anywhere in the case of pairs (400
    samples each, normal scores):

    ======  ====  ==============  =======  ==============
    models  sets  Iman-Davenport  Nemenyi  Wilcoxon, Holm
    ======  ====  ==============  =======  ==============
    3       5     0.040           0.040    0
    3       10    0.033           0.033    0.038
    3       30    0.038           0.033    0.033
    6       5     0.068           0.050    0
    6       10    0.058           0.045    0.023
    6       30    0.053           0.048    0.045
    ======  ====  ==============  =======  ==============

    With 5 sets Wilcoxon's p-value cannot fall below 0.0625: have 10 at least.

    The effect sizes: Kendall's :math:`W = \chi^2 / (N (k - 1))` for all, and for a pair the rank-biserial correlation,
    the proportion of rank sums that favors the one less that for the other, which is what Wilcoxon's test is about.

    Args:
        scores: one row a data set, one column a model. Sets must be independent: not folds, not seeds of one set.
            NaN is refused: leave the set out, or the model.
        names: of the models, all different; a frame brings its own.
        alpha: error for the critical difference.
        higher_is_better: whether rank 1 goes to the highest score.

    Raises:
        ValueError: for NaN (named by its row), fewer than 2 sets or models, another number of names, names that recur
            or contradict a frame's columns, sets on each of which all models tie, ``alpha`` outside (0, 1).

    Source:
        Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", *Journal of Machine Learning
        Research* 7; Benavoli, Corani and Mangili 2016, *Journal of Machine Learning Research* 17, on why not by ranks.

    >>> scores = [[0.81, 0.80, 0.74], [0.92, 0.90, 0.91], [0.77, 0.71, 0.70], [0.66, 0.69, 0.60], [0.85, 0.82, 0.80]]
    >>> print(compare_many(scores, ["ours", "large", "small"]))  # doctest: +NORMALIZE_WHITESPACE
    The mean ranks over 5 sets are ours 1.20, large 2.00, small 2.80; p = 0.017 (Friedman, Iman-Davenport),
    Kendall's W is 0.64; ranks differ from 1.48 on (Nemenyi, 0.05).
    """
    listed = column_names(scores, names)
    array = _as_scores(scores, listed)
    check_alpha(alpha)
    oriented = array if higher_is_better else -array
    n_sets, n_models = array.shape
    ranks = rankdata(-tied(oriented), axis=1)
    if (ranks == ranks[:, :1]).all():
        raise ValueError("expected models that differ on some set, got ties on all; compare them in a finer metric")
    chi_square = _friedman(ranks)
    agreement = min(1.0, chi_square / (n_sets * (n_models - 1)))
    f_statistic = float("inf") if agreement > 1 - 1e-12 else (n_sets - 1) * agreement / (1 - agreement)
    p_value = f.sf(f_statistic, n_models - 1, (n_models - 1) * (n_sets - 1))
    order = ranks.mean(0).argsort(kind="stable")
    mean_ranks, labels = ranks.mean(0)[order], tuple(listed[model] for model in order)
    return Ranking(
        names=labels,
        mean_ranks=tuple(mean_ranks.tolist()),
        n_sets=n_sets,
        chi_square=chi_square,
        f_statistic=f_statistic,
        p_value=float(max(p_value, 1 / factorial(n_models) ** (n_sets - 1))),
        agreement=agreement,
        critical_difference=critical_difference(n_models, n_sets, alpha),
        alpha=alpha,
        pairs=_pairs(oriented[:, order], mean_ranks, labels),
    )


def critical_difference(n_models: int, n_sets: int, alpha: float) -> float:
    """Nemenyi's: how far apart the mean ranks of two of several equal models come with probability ``alpha``."""
    return float(studentized_range.ppf(1 - alpha, n_models, np.inf) * _rank_error(n_models, n_sets))


def _rank_error(n_models: int, n_sets: int) -> float:
    """Standard error of a mean rank."""
    return float(np.sqrt(n_models * (n_models + 1) / (12 * n_sets)))


def _friedman(ranks: Scores) -> float:
    """As ``scipy.stats.friedmanchisquare``, which wants three models at least: for two it is a sign test."""
    n_sets, n_models = ranks.shape
    if n_models > 2:
        return float(friedmanchisquare(*ranks.T).statistic)
    spread = np.sum((ranks - 1.5) ** 2)  # of the sets without a tie a half each
    return float(n_sets**2 * np.sum((ranks.mean(0) - 1.5) ** 2) / spread)


def _pairs(scores: Scores, mean_ranks: Float[np.ndarray, " models"], names: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for a, b in combinations(range(len(names)), 2):
        gaps = differences(scores[:, a], scores[:, b])
        signed = np.sign(gaps) * rankdata(np.abs(gaps))
        weight = np.abs(signed).sum()
        rows.append(
            {
                "a": names[a],
                "b": names[b],
                "rank_difference": mean_ranks[b] - mean_ranks[a],
                "p_wilcoxon": float(wilcoxon(gaps).pvalue) if weight else 1.0,
                "rank_biserial": float(signed.sum() / weight) if weight else 0.0,
            }
        )
    pairs = pd.DataFrame(rows)
    apart = pairs["rank_difference"] / _rank_error(len(names), len(scores))
    pairs["p_nemenyi"] = np.clip(studentized_range.sf(apart, len(names), np.inf), 0, 1)
    pairs["p_holm"] = adjust(pairs["p_wilcoxon"]).adjusted
    return pairs[["a", "b", "rank_difference", "p_nemenyi", "p_wilcoxon", "p_holm", "rank_biserial"]]


def _as_scores(scores: ArrayLike, names: Sequence[str]) -> Scores:
    array = as_array("scores", scores, at_least=2)
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError(f"expected scores as [sets, models] with at least 2 of each, got shape {array.shape}")
    if len(names) != array.shape[1]:
        raise ValueError(f"expected a name for each of {array.shape[1]} models, got {len(names)}: {list(names)}")
    if len(set(names)) < len(names):
        raise ValueError(f"expected names that are all different, got {list(names)}; number the ones that recur")
    return array

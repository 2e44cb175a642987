"""A sample that is not the market: weights that mend it, what they cost, and arms of a test that were not drawn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import chisquare

from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples

_ROUNDS = 1_000


def rake(
    sample: pd.DataFrame, targets: Mapping[str, Mapping[object, float]], *, tolerance: float = 1e-10
) -> Float[np.ndarray, " people"]:
    """Weights of mean 1 under which each column has the proportions of the market.

    Columns are set right one after the other until all are (iterative proportional fitting). Of all weights that do
    so, these are the closest to equal ones in relative entropy. They mend what the columns explain and nothing else:
    people who answer since they like the product stay too many.

    Args:
        sample: a row a person, with a column for each target.
        targets: for each column its values and their proportions in the market, which add up to 1.
        tolerance: the largest error of a proportion.

    Raises:
        ValueError: for a column that is missing, proportions that do not add up to 1, a value of the sample without a
            target, a target that nobody in the sample has, or margins that no weights can meet.

    Source:
        Deming and Stephan 1940.

    >>> people = pd.DataFrame({"age": ["old", "young", "young", "young"]})
    >>> rake(people, {"age": {"old": 0.5, "young": 0.5}}).round(3).tolist()
    [2.0, 0.667, 0.667, 0.667]
    """
    if not len(sample) or not targets:
        raise ValueError(f"expected people and targets, got {len(sample)} and {len(targets)}")
    groups = [_groups(sample, column, shares) for column, shares in targets.items()]
    weights = np.ones(len(sample))
    for _ in range(_ROUNDS):
        error = 0.0
        for codes, wanted in groups:
            have = np.bincount(codes, weights) / len(sample)
            error = max(error, float(np.abs(have - wanted).max()))
            weights = weights * (wanted / have)[codes]
        if error < tolerance:
            return weights
    raise ValueError(
        f"expected targets that some weights meet, got an error of {error:.2g} after {_ROUNDS:,} rounds: people of "
        "some combination of values are missing; join values"
    )


def _groups(
    sample: pd.DataFrame, column: str, shares: Mapping[object, float]
) -> tuple[np.ndarray, Float[np.ndarray, " values"]]:
    """Of each person the number of their value, and of each value its proportion in the market."""
    if column not in sample:
        raise ValueError(f"expected a column {column!r} in the sample, got {', '.join(map(str, sample))}")
    wanted = np.array(list(shares.values()), dtype=float)
    if not (wanted > 0).all() or abs(wanted.sum() - 1) > 1e-6:
        raise ValueError(f"expected positive proportions of {column} that add up to 1, got {wanted.sum():g}")
    codes = pd.Index(list(shares)).get_indexer(pd.Index(sample[column]))
    if (codes < 0).any():
        raise ValueError(
            f"expected a target for each value of {column}, got none for {sample[column][codes < 0].iloc[0]!r}"
        )
    if len(absent := set(range(len(wanted))) - set(codes)):
        name = list(shares)[min(absent)]
        raise ValueError(f"expected people of each value of {column}, got nobody of {name!r}: join it with another")
    return codes, wanted / wanted.sum()


def design_effect(weights: ArrayLike) -> float:
    r"""By how much weights multiply the variance of a mean, where they have nothing to do with the answer.

    .. math:: 1 + \text{cv}^2(w) = \frac{n \sum_i w_i^2}{\big(\sum_i w_i\big)^2}

    A sample of :math:`n` then says as much as one of :math:`n` divided by it that was drawn at random.

    Args:
        weights: of each person, not negative.

    Raises:
        ValueError: for negative weights, or none that is positive.

    Source:
        Kish 1965, *Survey Sampling*, section 11.7.

    >>> round(design_effect([2.0, 2 / 3, 2 / 3, 2 / 3]), 4)
    1.3333
    """
    (w,) = as_numbers(weights=weights)
    if (w < 0).any() or not w.sum() > 0:
        raise ValueError("expected weights of at least 0, some of them positive")
    w = w / w.max()  # squares of very small or large ones leave the range of a float
    return float(len(w) * (w**2).sum() / w.sum() ** 2)


@same_examples("counts", "expected")
def sample_ratio_mismatch(counts: ArrayLike, expected: ArrayLike | None = None) -> float:
    """The p-value of the arms of an experiment to have been drawn as planned; below 0.001, distrust the experiment.

    It is Pearson's chi-square test.

    Args:
        counts: of people in each arm, two arms or more.
        expected: planned proportions of the arms; equal ones by default.

    Raises:
        ValueError: for counts that are no whole numbers, or proportions of another length, index or sum.

    Source:
        Kohavi, Tang and Xu 2020, *Trustworthy Online Controlled Experiments*, chapter 3, whose example this is.

    >>> f"{sample_ratio_mismatch([821_588, 815_482]):.2g}"
    '1.8e-06'
    """
    (n,) = as_numbers(at_least=2, counts=counts)
    if (n < 0).any() or (n != np.round(n)).any() or not n.sum():
        raise ValueError("expected whole numbers of people in the arms")
    shares = np.full(len(n), 1 / len(n)) if expected is None else as_numbers(expected=expected)[0]
    if len(shares) != len(n) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"expected {len(n)} positive proportions that add up to 1, got {shares.tolist()}")
    return float(chisquare(n, shares / shares.sum() * n.sum()).pvalue)

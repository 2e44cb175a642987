"""pass@k: how often at least one of k answers is right, from more answers than k."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from companion.checks import is_whole
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.options import LARGEST_COUNT
from companion.stats.estimates.means import mean_ci


@same_examples("n_samples", "n_correct")
def pass_at_k(n_samples: ArrayLike, n_correct: ArrayLike, k: int) -> Float[np.ndarray, " problems"]:
    r"""The unbiased estimate, problem by problem, from :math:`n` answers of which :math:`c` are right.

    .. math:: \text{pass@}k = 1 - \binom{n - c}{k} \Big/ \binom{n}{k} = 1 - \prod_{i = n - c + 1}^{n}
        \Big(1 - \frac{k}{i}\Big)

    the probability that k answers, drawn from the n without replacement, hold a right one. To put :math:`c / n` into
    :math:`1 - (1 - p)^k` instead says too little for every n.

    Args:
        n_samples: answers to each problem; at least k.
        n_correct: those that are right.
        k: how many tries a user has.

    Raises:
        ValueError: for counts that are no whole numbers, more right answers than answers, fewer answers than k.

    Source:
        Chen et al. 2021, "Evaluating large language models trained on code", equation 1, arXiv:2107.03374.

    >>> pass_at_k([10, 10, 10], [0, 1, 5], k=5).round(3).tolist()
    [0.0, 0.5, 0.996]
    """
    n, c = as_numbers(n_samples=n_samples, n_correct=n_correct)
    for name, values in (("n_samples", n), ("n_correct", c)):
        if (values < 0).any() or (values != np.floor(values)).any() or (values > LARGEST_COUNT).any():
            raise ValueError(f"expected {name} as whole numbers from 0 on, got {values.min():g} to {values.max():g}")
    if (c > n).any():
        first = int((c > n).argmax())
        raise ValueError(f"expected at most {n[first]:g} right answers at index {first}, got {c[first]:g}; swapped?")
    if not is_whole(k) or not 1 <= k <= n.min():
        raise ValueError(
            f"expected k as a whole number from 1 to the fewest answers, {n.min():g}, got {k!r}; draw more answers"
        )
    return np.array([_pass(int(total), int(right), int(k)) for total, right in zip(n, c, strict=True)])


@same_examples("n_samples", "n_correct")
def pass_at_k_ci(n_samples: ArrayLike, n_correct: ArrayLike, k: int, *, level: float = 0.95) -> Interval:
    r"""The mean of :func:`companion.stats.pass_at_k` over problems, with an interval that stays within 0 and 1.

    Problems are what varies: the interval is that of :func:`companion.stats.mean_ci` with ``bounds=(0, 1)``, whose
    docstring has its coverage for pass@5 of 10 answers, also near 1. It holds for new problems of the same kind and new
    answers together. With 20 problems or fewer, read it as an order of magnitude.

    Args:
        n_samples: answers to each problem.
        n_correct: those that are right.
        k: how many tries a user has.
        level: intended coverage.

    Raises:
        ValueError: as :func:`companion.stats.pass_at_k`, and for fewer than 2 problems.

    >>> print(pass_at_k_ci([10] * 6, [0, 1, 5, 10, 2, 0], k=5))  # doctest: +NORMALIZE_WHITESPACE
    The estimate is 0.55, with a 95% confidence interval from 0.17 to 0.87 (Wilson score, bounded values).
    """
    return mean_ci(pass_at_k(n_samples, n_correct, k), bounds=(0, 1), level=level)


def _pass(n: int, c: int, k: int) -> float:
    return 1.0 if n - c < k else float(1 - np.prod(1 - k / np.arange(n - c + 1, n + 1)))

r"""Whether inputs or scores in use still follow the distribution of those the model was evaluated on.

A small p-value says that the two samples differ in distribution, not that the model got worse; with many examples
differences of no consequence are found.

Axis names: ``reference`` and ``current`` examples; ``features``; ``pooled``, examples of both together.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist
from scipy.stats import ks_2samp

from companion.checks import check_whole
from companion.stats.base.arrays import as_array
from companion.stats.base.checks import as_ndarray, as_numbers
from companion.stats.base.frames import same_columns
from companion.stats.base.labels import as_labels
from companion.stats.base.options import check_n_resamples, generator_of
from companion.stats.base.result import Result, p_in_words
from companion.stats.base.ties import between, rounding, tied
from companion.stats.resampling import bootstrap
from companion.stats.resampling.bootstrap import blocks

#: Enough pooled examples for the median of their distances; more would change it by about 1%.
EXAMPLES_FOR_MEDIAN = 1_000

#: In median distances; the square of a larger number may be infinite.
LARGEST_DISTANCE = 1e60

#: The exact distribution of Kolmogorov and Smirnov takes time in the product of the sample sizes.
MOST_FOR_EXACT = 10_000_000


@dataclass(frozen=True)
class Drift(Result):
    """A comparison of the distributions of two samples.

    Attributes:
        statistic: how far apart they are, in the unit of the test.
        p_value: probability of as large a statistic, or larger, where both follow one distribution.
        test: name of statistic and test.
        n_reference: number of reference examples.
        n_current: number of current examples.
    """

    statistic: float
    p_value: float
    test: str
    n_reference: int
    n_current: int

    def __str__(self) -> str:
        return (
            f"The {self.test} of {self.n_current:,} current against {self.n_reference:,} reference examples is "
            f"{self.statistic:.4g}; {p_in_words(self.p_value)}."
        )


def ks_drift(reference: ArrayLike, current: ArrayLike) -> Drift:
    r"""Kolmogorov and Smirnov's test of one continuous quantity: a score, a length, a latency.

    The statistic is the largest distance of the two empirical distribution functions, :math:`\max_x |F(x) - G(x)|`. The
    p-value is exact where the product of the sample sizes is at most ten million, and asymptotic beyond.

    Assumes independent examples. At the 5% level it rejected 3 to 5% of samples without drift
    (20 to 1,000 examples, 2,000 pairs each), but 1% of whole numbers from 0 to 4: ties make it too careful, and
    ``population_stability_index`` is the test for them. Missing values are refused.

    Args:
        reference: numbers ``[reference]``.
        current: numbers ``[current]``.

    Raises:
        ValueError: for fewer than 2 examples in either, NaN, infinity, text.

    Source:
        SciPy's ``ks_2samp``; Hodges 1958, *Arkiv för Matematik* 3.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> print(ks_drift(rng.normal(size=500), rng.normal(0.2, 1, size=400)))
    The Kolmogorov-Smirnov distance of 400 current against 500 reference examples is 0.121; p = 0.0027.
    """
    (before,), (now,) = as_numbers(at_least=2, reference=reference), as_numbers(at_least=2, current=current)
    before, now = np.split(tied(np.concatenate([before, now])), [len(before)])
    method = "exact" if len(before) * len(now) <= MOST_FOR_EXACT else "asymp"
    with warnings.catch_warnings():
        # Rounding may take an exact p of 1 to 1 + 2e-16; SciPy then warns and gives the asymptotic one, above 0.9999.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful")
        result = ks_2samp(before, now, method=method)
    return Drift(float(result.statistic), float(result.pvalue), "Kolmogorov-Smirnov distance", len(before), len(now))


def population_stability_index(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    bins: int = 10,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Drift:
    r"""The population stability index of one column, with a p-value in place of the thresholds 0.1 and 0.25.

    With :math:`p_b` and :math:`q_b` the proportions of reference and current examples in bin :math:`b`, half an example
    added to each count so that none is zero,

    .. math:: \text{PSI} = \sum_{b=1}^{B} (q_b - p_b) \ln \frac{q_b}{p_b}

    Without drift it is on average about :math:`(B - 1)(1/n + 1/m)`, for :math:`n` and :math:`m` examples: 0.18 for 10
    bins and 100 of each, 0.0018 for 10,000. In simulation the habit of calling 0.1 a shift raised an alarm in 80% of
    samples of 100 without any, and a shift of the mean by a fifth of a standard deviation, 0.042, went unseen at any
    size. So no threshold suits all sizes; the p-value, of a permutation test, does.

    Bins are quantiles of both samples together, which makes the test exact: no continuous or discrete distribution is
    assumed. (The habit takes quantiles of the reference alone; the index then differs a little.) Text and booleans are
    their own bins. Assumes independent examples. At the 5% level it rejected 3 to 6% of samples without
    drift (20 to 1,000 examples, normal, or three categories, 2,000 pairs each). Missing values are refused: give them a
    category of their own, since a change in their share is drift too.

    Args:
        reference: numbers, text or booleans ``[reference]``.
        current: the same ``[current]``.
        bins: number of bins for numbers, fewer where values tie.
        n_resamples: permutations.
        seed: of the permutations; ``None`` takes a fresh one.

    Raises:
        ValueError: for an empty column, missing values, text in one and numbers in the other, values that are all
            equal, fewer than 2 bins.

    Source:
        Yurdakul and Naranjo 2020, "Statistical properties of the population stability index", *Journal of Risk Model
        Validation* 14.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> print(population_stability_index(rng.normal(size=100), rng.normal(size=100), seed=0))
    The population stability index (10 bins, 9,999 permutations) of 100 current against 100 reference examples is
    0.204; p = 0.29.
    """
    check_n_resamples(n_resamples)
    check_whole("bins", bins, at_least=2, advice="10 is usual")
    before, now = _column("reference", reference), _column("current", current)
    if (before.dtype.kind == "f") != (now.dtype.kind == "f"):
        raise ValueError(
            f"expected reference and current of one kind, got dtypes {before.dtype} and {now.dtype}; encode them alike"
        )
    number = _bins_of(np.concatenate([before, now]), bins)
    pooled, counts = np.bincount(number), np.bincount(number[len(before) :], minlength=number.max() + 1)
    if len(pooled) < 2:
        raise ValueError("expected values that differ, got equal ones throughout: there is no distribution to drift")
    rng = generator_of(seed)
    observed = _index((pooled - counts)[None], counts[None]).item()
    as_large = sum(
        int((_index(pooled - drawn, drawn) >= observed - rounding(1 + observed, len(pooled))).sum())
        for size in blocks(n_resamples, len(pooled))
        for drawn in [rng.multivariate_hypergeometric(pooled, len(now), size=size, method="marginals")]
    )
    test = f"population stability index ({len(pooled)} bins, {n_resamples:,} permutations)"
    return Drift(observed, (1 + as_large) / (1 + n_resamples), test, len(before), len(now))


@same_columns("reference", "current")
def mmd_drift(reference: ArrayLike, current: ArrayLike, *, n_resamples: int = 999, seed: int | None = None) -> Drift:
    r"""The maximum mean discrepancy of vectors, such as embeddings: any difference of their joint distributions.

    With :math:`k(x, y) = \exp(-\lVert x - y \rVert^2 / 2 \sigma^2)`, and :math:`\sigma` the median distance of pooled
    examples (of 1,000, where there are more), the statistic is the unbiased estimate

    .. math::

        \text{MMD}^2 = {} & \frac{1}{n (n - 1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m (m - 1)} \sum_{i \ne j}
        k(y_i, y_j) \\
        & - \frac{2}{n m} \sum_{ij} k(x_i, y_j),

    0 on average without drift, and sometimes negative. The p-value is that of a permutation test, exact at any size:
    the kernel matrix stays, the examples change sides. It is worked through in blocks of rows of 32 MB; time grows with
    :math:`(n + m)^2`, about 2 s of one core for 5,000 examples with 384 features.

    Assumes independent examples. Put features on one scale first, or the widest decides. At the 5% level it rejected
    4 to 6% of samples without drift (20 to 200 examples of 5 features, Student's t with 3 degrees of freedom, 1,000
    pairs each). Missing values are refused.

    Args:
        reference: ``[reference, features]``, or one feature ``[reference]``.
        current: ``[current, features]``, or ``[current]``.
        n_resamples: permutations; the p-value is at least 1 over one more.
        seed: of the permutations; ``None`` takes a fresh one.

    Raises:
        ValueError: for fewer than 2 examples in either, NaN, infinity, text, other numbers of features, and where at
            least half of the pairs are equal, so that the median distance is zero; one 1e60 times as far away.

    Source:
        Gretton, Borgwardt, Rasch, Schölkopf and Smola 2012, "A kernel two-sample test", *Journal of Machine Learning
        Research* 13, equation 3 and section 8.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> print(mmd_drift(rng.normal(size=(200, 5)), rng.normal(0.3, 1, size=(150, 5)), seed=0))
    The squared maximum mean discrepancy (999 permutations) of 150 current against 200 reference examples is 0.03569;
    p = 0.001.
    """
    check_n_resamples(n_resamples)
    before, now = as_array("reference", reference, at_least=2), as_array("current", current, at_least=2)
    n, m = len(before), len(now)
    before, now = before.reshape(n, -1), now.reshape(m, -1)
    if before.shape[1] != now.shape[1]:
        raise ValueError(
            f"expected as many features in both, got {before.shape[1]} in reference and {now.shape[1]} in current; "
            "pass the same columns"
        )
    rng = generator_of(seed)
    pooled = np.concatenate([before, now])
    pooled = (pooled - pooled.mean(0)) / (np.sqrt(2) * _median_distance(pooled, rng))
    if (farthest := np.abs(pooled).max()) > LARGEST_DISTANCE:
        raise ValueError(
            f"expected examples within {LARGEST_DISTANCE:g} median distances, got one {farthest:.3g} away at index "
            f"{np.abs(pooled).max(1).argmax()} of reference and current together; drop it, or find out what it is"
        )
    values = np.concatenate([_discrepancies(pooled, sides) for sides in _sides(n, n + m, n_resamples, rng)])
    p_value = float(np.mean(values >= values[0] - rounding(1.0, n + m)))  # the first is the division observed
    test = f"squared maximum mean discrepancy ({n_resamples:,} permutations)"
    return Drift(float(values[0]), p_value, test, n, m)


def _column(name: str, values: ArrayLike) -> Shaped[np.ndarray, " examples"]:
    """Numbers as float64; text as it is, and booleans as text."""
    kind = as_ndarray(name, values).dtype.kind
    (column,) = as_numbers(at_least=1, **{name: values}) if kind in "iuf" else as_labels(**{name: values})
    if column.dtype.kind in "iuf":
        return column.astype(float)
    return column.astype(str)


def _bins_of(pooled: Shaped[np.ndarray, " pooled"], bins: int) -> Int[np.ndarray, " pooled"]:
    """The bin of each example, counted from 0 over those that are not empty."""
    if pooled.dtype.kind == "f":
        pooled = between(np.quantile(pooled, np.linspace(0, 1, bins + 1)[1:-1]), pooled)
    return np.unique(pooled, return_inverse=True)[1]


def _index(
    reference: Int[np.ndarray, "tables bins"], current: Int[np.ndarray, "tables bins"]
) -> Float[np.ndarray, " tables"]:
    p, q = ((counts + 0.5) / (counts + 0.5).sum(-1, keepdims=True) for counts in (reference, current))
    return ((q - p) * np.log(q / p)).sum(-1)


def _median_distance(pooled: Float[np.ndarray, "pooled features"], rng: np.random.Generator) -> float:
    chosen = rng.permutation(len(pooled))[:EXAMPLES_FOR_MEDIAN]
    median = float(np.median(pdist(pooled[chosen])))
    if median == 0:
        raise ValueError(
            "expected examples most of which differ, got a median distance of 0; take population_stability_index for "
            "columns of few distinct values"
        )
    return median


def _sides(
    n: int, n_pooled: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[Float[np.ndarray, "block pooled"]]:
    """1 for examples on the reference side, in blocks of permutations; the first row is the division observed."""
    observed = (np.arange(n_pooled) < n).astype(float)
    for number, size in enumerate(blocks(1 + n_resamples, n_pooled)):
        sides = np.tile(observed, (size, 1))
        rng.permuted(sides[number == 0 :], axis=1, out=sides[number == 0 :])
        yield sides


def _discrepancies(
    points: Float[np.ndarray, "pooled features"], sides: Float[np.ndarray, "block pooled"]
) -> Float[np.ndarray, " block"]:
    """Squared discrepancy of each division; the kernel's rows are made and dropped in blocks."""
    n, rows = sides[0].sum(), max(1, bootstrap.BLOCK // len(points))
    m, inside, sums = len(points) - n, np.zeros(len(sides)), np.empty(len(points))
    squares = (points**2).sum(1)
    for start in range(0, len(points), rows):
        block = slice(start, start + rows)
        kernel = np.exp(-np.maximum(squares[block, None] + squares - 2 * points[block] @ points.T, 0))
        sums[block] = kernel.sum(1)
        inside += np.einsum("br,rb->b", sides[:, block], kernel @ sides.T)
    across = sides @ sums - inside
    outside = sums.sum() - inside - 2 * across
    return (inside - n) / (n * (n - 1)) + (outside - m) / (m * (m - 1)) - 2 * across / (n * m)

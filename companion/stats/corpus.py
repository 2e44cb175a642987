"""Scores of a corpus: functions of sums over its documents, such as BLEU, word error rate or bits a byte."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from companion.stats.bootstrap import BLOCK, blocks
from companion.stats.bounds import bca_bounds
from companion.stats.checks import as_groups, check_level, check_n_resamples
from companion.stats.intervals import Interval
from companion.stats.smooth import draw_weights

Combine = Callable[[np.ndarray], np.ndarray]

#: With this many random groups of documents the interval's half-width is off by 0.7%, less than by resampling.
MAX_GROUPS = 10_000


def corpus_ci(
    statistics: ArrayLike,
    combine: Combine,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 9_999,
    seed: int | None = None,
) -> Interval:
    r"""BCa bootstrap interval of a score :math:`f\big(\sum_i \mathbf{x}_i\big)` of a corpus.

    Such a score is no mean over documents: it adds up numbers :math:`\mathbf{x}_i` of each document, then combines the
    sums. Documents are resampled, as weights on their rows, and no text is scored again.

    Memory is bounded and time is linear at any number of documents: beyond 10,000 they are first summed in 10,000
    random groups, which have the same variance in expectation, and groups are resampled. ``statistics`` may then be a
    ``numpy.memmap`` that no memory would hold. A mean is the score of rows :math:`(x_i, 1)`. Up to 10,000 documents the
    interval is that of ``scipy.stats.bootstrap``, number for number where ``combine`` does not depend on the order of
    summation.

    Coverage at 95% for a ratio of sums, documents of log-normal length (:math:`\sigma = 1`) whose rates vary by a third
    (2,000 samples each): %30% for 30 documents, %100% for 100, %300% for 300.

    Args:
        statistics: a row of numbers a document ``[documents, sums]``, such as errors and words.
        combine: from sums ``[..., sums]`` to scores ``[...]``.
        clusters: the cluster of each document (its author, its source), where documents of a cluster are alike.
        level: intended coverage.
        n_resamples: number of resamples.
        seed: of the grouping and the resampling; ``None`` takes a fresh one.

    Raises:
        ValueError: for fewer than 2 documents or clusters, NaN (named by its row), rows that are all equal, a score that
            is no finite number, or the same on all resamples.

    Source:
        Koehn 2004, "Statistical significance tests for machine translation evaluation", *EMNLP*, for the bootstrap of
        BLEU over documents; the bounds of Efron 1987.

    Word error rate, from errors and words of each document:

    >>> print(corpus_ci([[3, 41], [0, 17], [9, 80], [2, 35], [4, 60]], lambda s: s[..., 0] / s[..., 1], seed=0))

    BLEU, from 10 numbers of each: matches and totals of 1- to 4-grams, length, length of the reference:

    >>> import numpy as np
    >>> def bleu(s):
    ...     precision = np.exp(np.log(s[..., :4] / s[..., 4:8]).mean(-1))
    ...     return precision * np.exp(np.minimum(0, 1 - s[..., 9] / s[..., 8]))
    >>> rng = np.random.default_rng(0)
    >>> length = rng.integers(20, 40, size=200)
    >>> totals = length[:, None] - np.arange(4)
    >>> matches = rng.binomial(totals, [0.7, 0.5, 0.4, 0.3])
    >>> rows = np.column_stack([matches, totals, length, rng.integers(20, 40, size=200)])
    >>> print(corpus_ci(rows, bleu, seed=0))
    """
    check_level(level)
    check_n_resamples(n_resamples)
    rows = _as_rows(statistics)
    rng = np.random.default_rng(seed)
    if clusters is not None:
        codes, names = as_groups("clusters", clusters, len(rows))
        rows = _sums(rows, len(names), iter(np.split(codes, range(_chunk(rows), len(rows), _chunk(rows)))))
    if len(rows) < 2:
        raise ValueError(f"expected at least 2 documents or clusters, got {len(rows)}; collect more")
    if len(rows) > MAX_GROUPS:
        rows = _sums(rows, MAX_GROUPS, _random_groups(rows, rng))
    score = _finite(combine)
    total = rows.sum(0)
    estimate = score(total[None]).item()
    sizes = blocks(n_resamples, 2 * len(rows))
    resampled = np.concatenate([score(draw_weights(size, len(rows), rng) @ rows) for size in sizes])
    low, high = bca_bounds(estimate, resampled, score(total - rows), np.ones(len(rows)), level=level)
    units = f"{n_resamples:,} resamples of {'documents' if clusters is None else f'{len(names):,} clusters'}"
    return Interval(estimate, low, high, level, f"BCa bootstrap, {units}")


def _as_rows(statistics: ArrayLike) -> Shaped[np.ndarray, "documents sums"]:
    rows = np.asarray(statistics)
    if rows.ndim != 2 or rows.size == 0 or rows.dtype.kind not in "biuf":
        raise ValueError(
            f"expected statistics as a row of numbers a document, [documents, sums], got shape {rows.shape} of "
            f"{rows.dtype}; for a mean of x pass np.stack([x, np.ones_like(x)], axis=1)"
        )
    for start in range(0, len(rows), _chunk(rows)):
        bad = ~np.isfinite(rows[start : start + _chunk(rows)]).all(1)
        if bad.any():
            raise ValueError(f"expected finite statistics, got NaN or infinity in row {start + bad.argmax()}; drop it")
    return rows


def _chunk(rows: Shaped[np.ndarray, "documents sums"]) -> int:
    return max(1, BLOCK // (4 * rows.shape[1]))


def _random_groups(rows: Shaped[np.ndarray, "documents sums"], rng: np.random.Generator) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _chunk(rows)):
        yield rng.integers(0, MAX_GROUPS, size=min(_chunk(rows), len(rows) - start))


def _sums(
    rows: Shaped[np.ndarray, "documents sums"], n_groups: int, codes: Iterator[np.ndarray]
) -> Float[np.ndarray, "groups sums"]:
    """Sums of rows by group, chunk after chunk."""
    sums, start = np.zeros((n_groups, rows.shape[1])), 0
    for chunk in codes:
        part = rows[start : start + len(chunk)]
        for column in range(rows.shape[1]):
            sums[:, column] += np.bincount(chunk, part[:, column], minlength=n_groups)
        start += len(chunk)
    return sums


def _finite(combine: Combine) -> Combine:
    def score(sums: Float[np.ndarray, "resamples sums"]) -> Float[np.ndarray, " resamples"]:
        with np.errstate(all="ignore"):  # what is not finite is refused in words
            values = np.asarray(combine(sums), dtype=float)
        if values.shape != sums.shape[:1]:
            raise ValueError(
                f"expected combine to turn sums {sums.shape} into scores {sums.shape[:1]}, got shape {values.shape}; "
                "write s[..., 0] for the first sum"
            )
        if not np.isfinite(values).all():
            raise ValueError(
                "expected combine to give finite scores, got NaN or infinity on some resample: a sum in a denominator "
                "or a logarithm is 0; collect more documents, or smooth the counts"
            )
        return values

    return score

"""Two learning algorithms compared by cross-validation, whose folds share training data and are not independent."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import f, t

from companion.checks import check_one_of, check_whole
from companion.stats.base.arrays import as_array
from companion.stats.base.checks import check_differs, check_unit
from companion.stats.base.comparison import SizedComparison
from companion.stats.base.frames import same_columns, same_examples
from companion.stats.base.intervals import Interval
from companion.stats.base.options import check_between, check_level
from companion.stats.base.result import p_in_words

Folds = Float[np.ndarray, " folds"]


@same_examples("scores_a", "scores_b")
@same_columns("scores_a", "scores_b")
def compare_cross_validated(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    test_fraction: float | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
    method: str = "corrected_t",
    level: float = 0.95,
) -> SizedComparison:
    r"""Compares two ways of training by their scores on the same splits into training and test data.

    The :math:`J` differences :math:`d_j`, one a split, share most of their training data, so that a paired t-test finds
    differences that are not there. ``"corrected_t"`` (Nadeau and Bengio) widens its error by what they share:

    .. math:: t = \frac{\bar d}{\sqrt{\big(\frac{1}{J} + \frac{n_\text{test}}{n_\text{train}}\big) s^2}}
        \sim t_{J - 1}

    It suits repeated random splits and repeated k-fold cross-validation, where :math:`n_\text{test} / n_\text{train} =
    1 / (k - 1)`. ``"5x2cv_f"`` (Alpaydin) suits 5 repetitions of 2-fold cross-validation, with differences
    :math:`p_{i1}, p_{i2}` and their variance :math:`s_i^2 = (p_{i1} - \bar p_i)^2 + (p_{i2} - \bar p_i)^2`:

    .. math:: f = \frac{\sum_{i=1}^5 \sum_{j=1}^2 p_{ij}^2}{2 \sum_{i=1}^5 s_i^2} \sim F_{10, 5}

    Its interval holds the differences that the test would not reject. Both tests are approximations: their distribution
    was derived as if splits were less dependent than they are.

    Simulated with two equally good nearest-centroid classifiers, the proportion of true null hypotheses rejected at 5%,
    beside the plain paired t-test on the same splits (400 to 1,500 data sets each):

    ==================  ================  ==========  ============
    splits              examples in all   this test   plain t-test
    ==================  ================  ==========  ============
    10 folds, once      100, 400          0.02, 0.01  0.07, 0.06
    10 folds, 10 times  100, 400          0.05, 0.04  0.54, 0.54
    2 folds, 5 times    100, 400          0.08, 0.04  0.45, 0.45
    ==================  ================  ==========  ============

    In the last row, where the test is the F test, take it with 400 examples or more.

    The question is about the algorithms, on training sets of this size from this source. About two trained models, ask
    :func:`companion.stats.compare_paired`.

    The effect size is the standardized difference :math:`\bar d / s`: of all splits, how many standard deviations the
    typical one favors a. Only scores are at hand here, and it needs no more; it depends on the size of the test folds.

    Args:
        scores_a: scores of a, one a split: ``[splits]`` or ``[repetitions, folds]``; ``[5, 2]`` for ``"5x2cv_f"``.
        scores_b: those of b on the same splits in the same order.
        test_fraction: the proportion of the data that is tested in a split: 0.1 for 10 folds. ``"corrected_t"`` needs
            it, or
        n_train: in its place, the examples trained on in a split, together with
        n_test: the examples tested in it.
        method: ``"corrected_t"`` or ``"5x2cv_f"``.
        level: intended coverage.

    Raises:
        ValueError: for NaN or infinity (named by the row), shapes that differ, fewer than 2 splits or not 5 x 2 of
            them, differences that are all alike, neither or both of ``test_fraction`` and the two sizes; and where the
            F test rejects every difference, as folds of a repetition agree and repetitions do not.

    Source:
        Nadeau and Bengio 2003, "Inference for the generalization error", *Machine Learning* 52; Alpaydin 1999,
        "Combined 5 x 2 cv F test", *Neural Computation* 11.

    >>> deep, linear = [0.81, 0.84, 0.79, 0.86, 0.82], [0.78, 0.80, 0.80, 0.81, 0.79]
    >>> print(compare_cross_validated(deep, linear, test_fraction=0.2))  # doctest: +NORMALIZE_WHITESPACE
    The difference, a minus b, is 0.028, with a 95% confidence interval from -0.014 to 0.070 (corrected t, 5
    splits); p = 0.14 (corrected resampled t-test); the standardized difference is 1.23.
    """
    check_one_of("method", method, _METHODS)
    check_level(level)
    a, b = as_array("scores_a", scores_a), as_array("scores_b", scores_b)
    if a.shape != b.shape:
        raise ValueError(f"expected scores of the same splits, got shapes {a.shape} and {b.shape}; align them by split")
    if a.size < 2:
        raise ValueError("expected at least 2 splits, got 1; one split cannot show how much splits differ")
    check_unit("the scores", np.stack([a, b]))
    differences = (a - b).ravel()
    check_differs("the differences scores_a - scores_b", differences)
    ratio = _test_to_train(test_fraction, n_train, n_test) if method == "corrected_t" else None
    interval, p_value = _METHODS[method](differences, ratio, level)
    effect = float(differences.mean() / differences.std(ddof=1))
    return SizedComparison(interval, p_value, _NAMES[method], effect, "standardized difference")


def _corrected_t(differences: Folds, ratio: float | None, level: float) -> tuple[Interval, float]:
    n, mean = len(differences), float(differences.mean())
    error = np.sqrt((1 / n + (ratio or 0)) * differences.var(ddof=1))
    half_width = float(t.ppf((1 + level) / 2, n - 1) * error)
    interval = Interval(mean, mean - half_width, mean + half_width, level, f"corrected t, {n:,} splits")
    return interval, float(2 * t.sf(abs(mean) / error, n - 1))


def _combined_f(differences: Folds, _: float | None, level: float) -> tuple[Interval, float]:
    if len(differences) != 10:
        raise ValueError(f"expected 5 repetitions of 2 folds, got {len(differences)} splits; take 'corrected_t'")
    pairs, mean = differences.reshape(5, 2), float(differences.mean())
    within = np.sum((pairs - pairs.mean(1, keepdims=True)) ** 2)
    if within <= 1e-24 * np.sum(pairs**2):
        raise ValueError("expected the 2 folds of a repetition to differ, got the same in all 5; take 'corrected_t'")
    p_value = float(f.sf(np.sum(pairs**2) / (2 * within), 10, 5))
    room = 2 * within * f.ppf(level, 10, 5) - np.sum((differences - mean) ** 2)
    if room < 0:
        raise ValueError(
            "expected repetitions that agree about as well as the 2 folds of each, got repetitions so far apart that "
            f"the F test rejects every difference (no difference: {p_in_words(p_value)}); take 'corrected_t'"
        )
    half_width = float(np.sqrt(room / 10))
    return Interval(mean, mean - half_width, mean + half_width, level, "by inverting the F test"), p_value


def _test_to_train(test_fraction: float | None, n_train: int | None, n_test: int | None) -> float:
    if test_fraction is not None and n_train is None and n_test is None:
        check_between("test_fraction", test_fraction, 0, 1)
        return test_fraction / (1 - test_fraction)
    if test_fraction is None and n_train is not None and n_test is not None:
        check_whole("n_train", n_train, at_least=1, advice="it is the number of examples that a split trains on")
        check_whole("n_test", n_test, at_least=1, advice="it is the number of examples that a split tests on")
        return n_test / n_train
    raise ValueError(
        "expected either test_fraction or both n_train and n_test, to know how much the splits share; "
        f"got test_fraction={test_fraction}, n_train={n_train}, n_test={n_test}"
    )


_METHODS: dict[str, Callable[[Folds, float | None, float], tuple[Interval, float]]] = {
    "corrected_t": _corrected_t,
    "5x2cv_f": _combined_f,
}
_NAMES = {"corrected_t": "corrected resampled t-test", "5x2cv_f": "combined 5x2cv F test"}

r"""When to answer and when to say 'I do not know', with a promise about the errors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy.typing import ArrayLike
from scipy.stats import binom

from companion.checks import check_one_of
from companion.stats.base.arrays import check_lengths
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_binary
from companion.stats.base.options import check_share


@dataclass(frozen=True)
class Abstention:
    """A threshold on the score, above which a question is answered.

    Attributes:
        threshold: answers score more than this; infinite where nothing may be answered.
        risk: the promised bound.
        of: ``"all"``, the questions that are answered and wrong among all of them, or ``"answered"``.
        error: probability that the promise fails; ``None`` for ``"all"``, which holds on average.
        n: calibration questions.
        n_answered: how many of them lie above the threshold.
        n_wrong: how many of those are wrong.
    """

    threshold: float
    risk: float
    of: str
    error: float | None
    n: int
    n_answered: int
    n_wrong: int

    def answers(self, scores: ArrayLike) -> Bool[np.ndarray, " questions"]:
        """Whether each question is answered, by the score of its best answer ``[questions]``."""
        return np.asarray(scores, dtype=float) > self.threshold


@same_examples("scores", "wrong")
def selective_answers(
    scores: ArrayLike,
    wrong: ArrayLike,
    *,
    risk: float = 0.05,
    of: str = "all",
    error: float = 0.1,
    thresholds: Sequence[float] | None = None,
) -> Abstention:
    r"""The lowest threshold that keeps a promise about wrong answers, from questions with known answers.

    Two promises, both for questions exchangeable with the :math:`n` of the calibration, whatever the model.

    - ``of="all"``, by conformal risk control: :math:`P(\text{answered and wrong}) \le \text{risk}`, on average over
      calibration sets and new questions. With :math:`W(t)` of the calibration questions wrong and scored above
      :math:`t`, the threshold is the least :math:`t` with

      .. math:: \frac{W(t) + 1}{n + 1} \le \text{risk}.

      That a higher threshold can only lower :math:`W` is what the proof needs.
    - ``of="answered"``, by Learn then Test: with probability ``1 - error`` over calibration sets, at most ``risk`` of
      what is answered is wrong. This risk may rise and fall with the threshold, so each of ``thresholds`` is tested, in
      their order, until one fails. With :math:`W` wrong of :math:`A` answered, the hypothesis 'too risky' is rejected
      where :math:`P(\mathrm{Bin}(A, \text{risk}) \le W) \le \text{error}`. Even without a mistake that takes
      :math:`A \ge \ln \text{error} / \ln(1 - \text{risk})`, 45 questions for 0.1 and 0.05.

    Args:
        scores: of the best answer to each question, larger where it is surer ``[questions]``.
        wrong: whether that answer is wrong, which for a question without an answer it always is ``[questions]``.
        risk: bound on the risk.
        of: which risk, ``"all"`` or ``"answered"``.
        error: for ``"answered"``, the probability of a calibration set for which the promise fails.
        thresholds: for ``"answered"``, from high to low, and fixed before ``wrong`` was known; the first should let
            enough questions be answered.

    Raises:
        ValueError: for other lengths or indexes, NaN, fewer questions than ``1 / risk - 1``, bounds outside (0, 1), or
            thresholds that are missing, not wanted or not falling.

    Source:
        Angelopoulos, Bates, Fisch, Lei and Schuster 2024, ICLR (conformal risk control); Angelopoulos, Bates, Candès,
        Jordan and Lei 2025, *Annals of Applied Statistics* 19 (Learn then Test).

    >>> scores, wrong = np.arange(99), np.arange(99) < 40
    >>> rule = selective_answers(scores, wrong, risk=0.05)
    >>> rule.threshold, rule.n_answered, rule.n_wrong  # 4 wrong ones, and (4 + 1) / (99 + 1) is 0.05
    (35.0, 63, 4)
    """
    (values,), (failed,) = as_numbers(scores=scores), as_binary("a promise about wrong answers", wrong=wrong)
    check_lengths(scores=values, wrong=failed)
    check_one_of("of", of, ("all", "answered"))
    check_share("risk", risk, "write 0.05 for 5%")
    check_share("error", error, "write 0.1 for 10%")
    if (thresholds is None) != (of == "all"):
        raise ValueError(f"expected thresholds for of='answered' and only there, got of={of!r} and {thresholds}")
    threshold = _controlled(values, failed, risk) if thresholds is None else _tested(
        values, failed, risk, error, np.asarray(thresholds, dtype=float)
    )  # fmt: skip
    above = values > threshold
    counts = (len(values), int(above.sum()), int((above & failed).sum()))
    return Abstention(threshold, risk, of, None if of == "all" else error, *counts)


def _controlled(scores: np.ndarray, wrong: np.ndarray, risk: float) -> float:
    allowed = math.floor(risk * (len(scores) + 1) + 1e-9) - 1  # wrong answers; 0.05 * 100 is a little more than 5
    if allowed < 0:
        raise ValueError(
            f"expected at least {math.ceil(1 / risk - 1 - 1e-9)} questions with known answers for a risk of {risk}, "
            f"got {len(scores)}: label more of them, or allow more risk"
        )
    mistakes = np.sort(scores[wrong])[::-1]
    return float(mistakes[allowed]) if len(mistakes) > allowed else -math.inf


def _tested(scores: np.ndarray, wrong: np.ndarray, risk: float, error: float, thresholds: np.ndarray) -> float:
    if thresholds.ndim != 1 or not len(thresholds) or not (np.diff(thresholds) < 0).all():
        raise ValueError(f"expected thresholds from high to low, got {thresholds}")
    passed = math.inf
    for threshold in thresholds:
        above = scores > threshold
        if not binom.cdf((above & wrong).sum(), above.sum(), risk) <= error:
            break
        passed = float(threshold)
    return passed

r"""What a trained model gives away in fact: a lower bound of :math:`\epsilon`, from examples put in by lot."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from companion.checks import check_whole, is_number
from companion.stats.base.arrays import check_lengths
from companion.stats.base.checks import as_numbers
from companion.stats.base.frames import same_examples
from companion.stats.base.labels import as_binary
from companion.stats.base.options import check_level, check_share, generator_of


def audit(guesses: int, correct: int, *, canaries: int, delta: float = 0.0, level: float = 0.95) -> float:
    r"""The :math:`\epsilon` that a run exceeds with confidence ``level``, from guesses of who was in it.

    Of ``canaries`` examples each went into training by the flip of a coin. Somebody who sees the model guesses for
    some of them whether they did, and may abstain on the others. Under :math:`\epsilon`, each guess is right with
    probability at most :math:`e^\epsilon / (1 + e^\epsilon)`, whatever the others were; :math:`\delta` adds a little.
    One run is enough. The bound is low where the guesses are poor: it judges the attack as much as the model.

    Args:
        guesses: how many were made.
        correct: how many of them were right.
        canaries: examples whose coin was flipped.
        delta: of the promise.
        level: confidence of the bound.

    Returns:
        The bound, 0 where guesses are not better than chance.

    Raises:
        ValueError: for counts that do not fit, or a level or delta outside its range.

    Source:
        Steinke, Nasr and Jagielski 2023, theorem 5.2 and its appendix D.

    >>> round(audit(100, 100, canaries=1_000), 2)
    3.49
    """
    for name, count, least in (("guesses", guesses, 1), ("correct", correct, 0), ("canaries", canaries, 1)):
        check_whole(name, count, at_least=least, advice="it is a count")
    if not correct <= guesses <= canaries:
        raise ValueError(f"expected correct <= guesses <= canaries, got {correct}, {guesses} and {canaries}")
    check_level(level)
    if delta:
        check_share("delta", delta, "it is a small probability")
    low, high = 0.0, 1.0
    while high < 64 and _p_value(guesses, correct, canaries, high, delta) < 1 - level:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if _p_value(guesses, correct, canaries, middle, delta) < 1 - level:
            low = middle
        else:
            high = middle
    return low


@same_examples("scores", "members")
def guess_members(
    scores: ArrayLike, members: ArrayLike, *, share: float = 0.5, seed: int | None = 0
) -> tuple[int, int]:
    """Guesses from scores: the highest are called members, the lowest not, the middle is left out.

    Equal scores stand in random order, not in that of the rows: rows are often sorted by membership.

    Args:
        scores: one a canary, larger where it looks as if it was in training, such as minus its loss
            ``[canaries]``.
        members: whether it was, 0 and 1 or booleans ``[canaries]``.
        share: proportion of the canaries that is guessed at, half of them on each side; choose it before looking.
        seed: of the order of equal scores; ``None`` takes a fresh one.

    Returns:
        How many were guessed, and how many rightly, for :func:`audit`.

    Raises:
        ValueError: for columns that do not fit together, or a share that leaves no guess.

    >>> guess_members([5, 1, 4, 2], [True, False, False, True], share=0.5)
    (2, 2)
    """
    (values,), (truth,) = as_numbers(at_least=2, scores=scores), as_binary("guesses of members", members=members)
    check_lengths(scores=values, members=truth)
    side = int(len(values) * share / 2) if is_number(share) and 0 < share <= 1 else 0
    if side < 1:
        raise ValueError(f"expected a share in (0, 1] that leaves a guess on each side, got {share!r}")
    order = np.lexsort((generator_of(seed).random(len(values)), values))
    return 2 * side, int(truth[order[-side:]].sum() + (~truth[order[:side]]).sum())


def _p_value(guesses: int, correct: int, canaries: int, eps: float, delta: float) -> float:
    """The largest probability of as many right guesses under epsilon and delta."""
    right = 1 / (1 + math.exp(-eps))
    tail = float(binom.sf(correct - 1, guesses, right))
    if not delta:
        return min(1.0, tail)
    wrong = np.arange(1, correct + 1)
    worst = np.max(np.cumsum(binom.pmf(correct - wrong, guesses, right)) / wrong, initial=0.0)
    return min(1.0, tail + float(worst) * delta * 2 * canaries)

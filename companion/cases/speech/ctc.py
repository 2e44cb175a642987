r"""Connectionist temporal classification: from labels of frames to words (Graves et al. 2006).

A network gives each frame :math:`t` a distribution :math:`y_t` over the words and a *blank*. A path :math:`\pi` names
one of them a frame. Its words :math:`B(\pi)` are what is left when repeats are merged and then blanks left out. So

.. math::

    p(w \mid x) = \sum_{\pi :\, B(\pi) = w} \; \prod_t y_{t, \pi_t}

and the best path, which :func:`ctc_greedy` reads, need not belong to the most probable words: many paths of a little
each may outweigh one. :func:`ctc_beam` adds paths with the same words as it goes.

Axes: frame; label (0 is the blank).
"""

import math
from collections import defaultdict
from itertools import groupby

from jaxtyping import Float
from torch import Tensor

from companion.checks import check_whole

_NEVER = -math.inf


def ctc_greedy(log_probs: Float[Tensor, "frame label"]) -> tuple[int, ...]:
    """The labels of the most probable path: the best of each frame, repeats merged, blanks left out.

    Example:
        >>> import torch
        >>> frames = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
        >>> ctc_greedy(frames)
        ()
    """
    return tuple(label for label, _ in groupby(log_probs.argmax(1).tolist()) if label)


def ctc_beam(log_probs: Float[Tensor, "frame label"], *, width: int = 8) -> list[tuple[tuple[int, ...], float]]:
    """The most probable label sequences and their log-probabilities, best first, by prefix beam search.

    Each prefix has two sums, of its paths that end in a blank and that end in its last label: only after a blank does
    the same label begin anew. ``width`` prefixes are kept a frame; with room for all, the sums are exact, else they
    are lower bounds.

    Raises:
        ValueError: for a width below 1, or what are no log-probabilities.

    Source:
        Graves et al. (2006), section 3.2, in the breadth-first form of Hannun et al. (2014), arXiv 1408.2873, without a
        language model.

    Example:
        >>> import torch
        >>> frames = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
        >>> words, log_prob = ctc_beam(frames)[0]
        >>> words, round(math.exp(log_prob), 2)  # .4 * .4 + .4 * .6 + .6 * .4, where the best path has .36
        ((1,), 0.64)
    """
    check_whole("width", width, at_least=1, advice="that many prefixes are kept")
    if not (log_probs.double().logsumexp(1).abs() < 0.01).all():
        raise ValueError(
            "expected log-probabilities of each frame, got others: take log_softmax of logits, or log of p"
        )
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, _NEVER)}
    for frame in log_probs.tolist():
        grown: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [_NEVER, _NEVER])
        for prefix, (blank, label) in beam.items():
            _extend(grown, prefix, blank, label, frame)
        best = sorted(grown.items(), key=lambda item: -_add(*item[1]))[:width]
        beam = {prefix: (sums[0], sums[1]) for prefix, sums in best}
    return [(prefix, _add(*sums)) for prefix, sums in beam.items()]


def _extend(
    grown: dict[tuple[int, ...], list[float]], prefix: tuple[int, ...], blank: float, label: float, frame: list[float]
) -> None:
    """Adds to ``grown`` what one frame makes of a prefix: itself, by a blank or its last label, or one label more."""
    both = _add(blank, label)
    here = grown[prefix]
    here[0] = _add(here[0], both + frame[0])
    if prefix:
        here[1] = _add(here[1], label + frame[prefix[-1]])
    for new in range(1, len(frame)):
        start = blank if prefix and new == prefix[-1] else both
        if start + frame[new] > _NEVER:
            longer = grown[(*prefix, new)]
            longer[1] = _add(longer[1], start + frame[new])


def _add(a: float, b: float) -> float:
    """The logarithm of a sum of two exponentials."""
    high, low = max(a, b), min(a, b)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))

r"""Certificates for any classifier at all: the class that noise leaves most often, and how far it stays so."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.stats import beta, binomtest, norm
from torch import Tensor

from companion.checks import check_whole
from companion.stats.base.options import check_alpha, check_positive

Classifier = Callable[[Tensor], Tensor]
_ROWS = 1_000  # of noise at a time


@dataclass(frozen=True)
class SmoothedPrediction:
    """What the smoothed classifier says of one input.

    Attributes:
        label: the class, or None where the noise leaves it open.
        radius: no change below this Euclidean length alters the class; 0 where it is open.
    """

    label: int | None
    radius: float


def smooth_certify(
    classify: Classifier,
    inputs: Float[Tensor, "..."],
    *,
    sigma: float,
    n: int = 10_000,
    n_choose: int = 100,
    alpha: float = 0.001,
    seed: int = 0,
) -> SmoothedPrediction:
    r"""The class of one input under Gaussian noise, and a radius that holds with confidence ``1 - alpha``.

    The smoothed classifier answers what the classifier answers most often on :math:`x + N(0, \sigma^2 I)`. If that
    happens with probability at least :math:`p > 1/2`, the answer is the same within

    .. math:: R = \sigma \, \Phi^{-1}(p)

    A few draws choose the class, others bound :math:`p` (Clopper and Pearson). Even where all of :math:`n` agree,
    :math:`p \ge \alpha^{1/n}`: of 100,000 draws at 0.001, no radius exceeds :math:`3.81 \sigma`. It is the smoothed
    classifier that is certified, whose accuracy noise lowers, not the one it is made from.

    Args:
        classify: from inputs ``[batch, *shape]`` to classes ``[batch]``.
        inputs: one example.
        sigma: standard deviation of the noise.
        n: draws for the bound.
        n_choose: draws for the class.
        alpha: probability that the radius is too large.
        seed: of the noise.

    Raises:
        ValueError: for numbers that are not positive, or an alpha outside (0, 1).

    Source:
        Cohen, Rosenfeld and Kolter 2019, figure "CERTIFY".
    """
    check_positive("sigma", sigma)
    check_alpha(alpha)
    for name, count in (("n", n), ("n_choose", n_choose)):
        check_whole(name, count, at_least=1, advice="it is a number of draws")
    generator = torch.Generator().manual_seed(seed)
    chosen = int(_counts(classify, inputs, sigma, n_choose, generator).argmax())
    counts = _counts(classify, inputs, sigma, n, generator)
    agree = int(counts[chosen]) if chosen < len(counts) else 0
    least = float(beta.ppf(alpha, agree, n - agree + 1)) if agree else 0.0
    if least <= 0.5:
        return SmoothedPrediction(None, 0.0)
    return SmoothedPrediction(chosen, sigma * float(norm.ppf(least)))


def smooth_predict(
    classify: Classifier,
    inputs: Float[Tensor, "..."],
    *,
    sigma: float,
    n: int = 1_000,
    alpha: float = 0.001,
    seed: int = 0,
) -> int | None:
    """The class that noise leaves most often, or None where two are too close to tell; arguments as above."""
    check_positive("sigma", sigma)
    check_alpha(alpha)
    check_whole("n", n, at_least=1, advice="it is a number of draws")
    counts = _counts(classify, inputs, sigma, n, torch.Generator().manual_seed(seed))
    first, second = torch.cat([counts, torch.zeros(2, dtype=counts.dtype)]).topk(2).values.tolist()
    return int(counts.argmax()) if binomtest(first, first + second, 0.5).pvalue <= alpha else None


def _counts(
    classify: Classifier, x: Tensor, sigma: float, n: int, generator: torch.Generator
) -> Int[Tensor, " classes"]:
    counts = torch.zeros(1, dtype=torch.int64)
    for start in range(0, n, _ROWS):
        noise = torch.randn((min(_ROWS, n - start), *x.shape), generator=generator).to(x)
        with torch.no_grad():
            new = torch.bincount(classify(x + sigma * noise).cpu(), minlength=len(counts))
        counts = new + torch.nn.functional.pad(counts, (0, len(new) - len(counts)))
    return counts

"""Strengths from wins, losses and ties by Davidson's model, with the bias of maximum likelihood taken out."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax

#: What each outcome (a wins, b wins, a tie) adds to a pair's logit: half the difference of strengths, or the tie.
OUTCOMES = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 1.0]])

_CLOSE = 1e-7  # how far from the maximum scoring may stop, in standard errors


@dataclass(frozen=True, eq=False)
class Strengths:
    """What the model says of the games.

    Attributes:
        values: logarithm of each model's strength; they sum to 0.
        covariance: of these.
        tie: logarithm of how much a tie weighs between equals, where a win weighs 1; minus infinity without ties.
    """

    values: Float[np.ndarray, " models"]
    covariance: Float[np.ndarray, "models models"]
    tie: float


def fit_strengths(
    games: Float[np.ndarray, "pairs 3"], contrasts: Float[np.ndarray, "pairs models"], *, max_steps: int = 200
) -> Strengths:
    r"""The strengths :math:`\theta` that maximize the likelihood times Jeffreys' prior (Firth 1993).

    Between :math:`a` and :math:`b`, with :math:`\delta = \theta_a - \theta_b`, the outcomes weigh
    :math:`e^{\delta/2}`, :math:`e^{-\delta/2}` and, for a tie, :math:`e^\tau` (Davidson 1970; without ties that is
    Bradley and Terry 1952). The model is an exponential family, so the prior adds to the score of each pair half the
    third cumulant of an outcome, contracted with the pair's leverage.

    Args:
        games: how often each pair ended with a win of the first, of the second, in a tie.
        contrasts: 1 at a pair's first model, -1 at its second.
        max_steps: of Fisher scoring.

    Raises:
        RuntimeError: where scoring did not converge.
    """
    n_models = contrasts.shape[1]
    basis = np.linalg.svd(np.ones((1, n_models)))[2][1:].T  # orthonormal, of vectors that sum to 0
    has_ties = bool(games[:, 2].any())
    design = np.zeros((len(games), 2, n_models - 1 + has_ties))
    design[:, 0, : n_models - 1] = contrasts @ basis
    if has_ties:
        design[:, 1, -1] = 1.0
    outcomes = OUTCOMES if has_ties else OUTCOMES[:2]
    counts = games[:, : len(outcomes)]
    beta, pace = np.zeros(design.shape[-1]), 1.0
    objective, score, information = _penalized(counts, design, outcomes, beta)
    for _ in range(max_steps):
        step = np.linalg.solve(information, score)
        if np.sqrt(score @ step) < _CLOSE:
            break
        there = _penalized(counts, design, outcomes, beta + pace * step)
        if there[0] < objective - 1e-12 * (1 + abs(objective)):
            pace /= 2  # and stays there: the prior can bend the objective more than the information says
        else:
            beta, (objective, score, information) = beta + pace * step, there
    else:
        raise RuntimeError(f"expected strengths to converge in {max_steps} steps, got a last step of {step}")
    inner = np.linalg.inv(information)[: n_models - 1, : n_models - 1]
    return Strengths(basis @ beta[: n_models - 1], basis @ inner @ basis.T, beta[-1] if has_ties else -np.inf)


def _penalized(
    counts: Float[np.ndarray, "pairs outcomes"],
    design: Float[np.ndarray, "pairs 2 parameters"],
    outcomes: Float[np.ndarray, "outcomes 2"],
    beta: Float[np.ndarray, " parameters"],
) -> tuple[float, Float[np.ndarray, " parameters"], Float[np.ndarray, "parameters parameters"]]:
    """Logarithm of likelihood and prior, its gradient, and Fisher's information."""
    log_p = log_softmax((design @ beta) @ outcomes.T, axis=1)
    p, n = np.exp(log_p), counts.sum(1)
    mean = p @ outcomes
    centered = outcomes - mean[:, None]
    variance = np.einsum("po,poa,pob->pab", p, centered, centered)
    third = np.einsum("po,poa,pob,poc->pabc", p, centered, centered, centered)
    information = np.einsum("p,pai,pab,pbj->ij", n, design, variance, design, optimize=True)
    leverage = np.einsum("pai,ij,pbj->pab", design, np.linalg.inv(information), design, optimize=True)
    penalty = 0.5 * np.einsum("p,pabc,pab->pc", n, third, leverage)
    score = np.einsum("pai,pa->i", design, counts @ outcomes - n[:, None] * mean + penalty)
    return float((counts * log_p).sum() + np.linalg.slogdet(information)[1] / 2), score, information

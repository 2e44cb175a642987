"""Learning from pairs of answers of which one was preferred: direct preference optimization."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from companion.models.checks import IGNORED


def answer_log_probs(
    logits: Float[Tensor, "batch time vocab"], targets: Int[Tensor, "batch time"]
) -> Float[Tensor, " batch"]:
    """Of each answer, the logarithm of its probability: the sum over its tokens; targets of -100 do not count.

    Raises:
        ValueError: where the shapes differ, or a row has no token that counts.

    Example:
        >>> import torch
        >>> logits = torch.zeros(1, 3, 4)
        >>> answer_log_probs(logits, torch.tensor([[-100, 2, 3]])).exp()  # a quarter of a quarter
        tensor([0.0625])
    """
    if logits.shape[:2] != targets.shape:
        raise ValueError(f"expected targets of shape {tuple(logits.shape[:2])}, as logits, got {tuple(targets.shape)}")
    counted = targets != IGNORED
    if not counted.any(dim=1).all():
        row = int((~counted.any(dim=1)).nonzero()[0])
        raise ValueError(f"expected a token that counts in each row, got none in row {row}: is its answer cut off?")
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return -losses.view(targets.shape).sum(dim=1)


def dpo_loss(
    policy_chosen: Float[Tensor, " pairs"],
    policy_rejected: Float[Tensor, " pairs"],
    reference_chosen: Float[Tensor, " pairs"],
    reference_rejected: Float[Tensor, " pairs"],
    *,
    beta: float = 0.1,
) -> Float[Tensor, ""]:
    r"""Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290, equation 7), the mean over pairs.

    .. math:: -\log \sigma\Big(\beta \log \frac{\pi_\theta(y_w)}{\pi_\text{ref}(y_w)}
        - \beta \log \frac{\pi_\theta(y_l)}{\pi_\text{ref}(y_l)}\Big)

    It is the likelihood of Bradley and Terry's model for the reward :math:`\beta \log(\pi_\theta / \pi_\text{ref})`,
    whose best policy under a penalty of :math:`\beta` times the divergence from the reference is :math:`\pi_\theta`.
    Where the policy is the reference, it is :math:`\log 2`.

    Args:
        policy_chosen: log-probability of each preferred answer by the model in training: :func:`answer_log_probs`.
        policy_rejected: of the other answers.
        reference_chosen: of the preferred answers by the model that training began with.
        reference_rejected: of the other answers.
        beta: how much a divergence from the reference costs; above 0.

    Raises:
        ValueError: for shapes that differ, or ``beta`` not above 0.

    Example:
        >>> import torch
        >>> same = torch.tensor([-3.0, -5.0])
        >>> dpo_loss(same, same - 1, same, same - 1)
        tensor(0.6931)
    """
    shapes = {tuple(each.shape) for each in (policy_chosen, policy_rejected, reference_chosen, reference_rejected)}
    if len(shapes) > 1 or policy_chosen.ndim != 1:
        raise ValueError(f"expected four vectors of one length, got shapes {sorted(shapes)}: one number a pair in each")
    if not beta > 0:
        raise ValueError(f"expected beta above 0, got {beta}")
    margins = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -F.logsigmoid(beta * margins).mean()

r"""Training a small model to answer as a large one does (Hinton et al. 2015, arXiv:1503.02531).

With logits :math:`z` of the student and :math:`v` of the teacher, a temperature :math:`T` and targets :math:`y`,

.. math:: \alpha\, T^2\, \mathrm{KL}\big(\mathrm{softmax}(v / T) \,\|\, \mathrm{softmax}(z / T)\big)
    + (1 - \alpha)\, \mathrm{CE}(z, y)

A high temperature shows how the teacher ranks the wrong answers. Gradients of the first term shrink like
:math:`1 / T^2`, which the factor undoes (section 2): in the limit they are :math:`\alpha (z_i - v_i) / n` for centered
logits of :math:`n` classes.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from companion.checks import is_number
from companion.models.checks import IGNORED, check_targets


def distillation_loss(
    student_logits: Float[Tensor, "*batch classes"],
    teacher_logits: Float[Tensor, "*batch classes"],
    targets: Int[Tensor, "*batch"],
    *,
    temperature: float = 2.0,
    alpha: float = 0.5,
) -> Float[Tensor, ""]:
    """The mean of the loss above over the places that count, in nats; a language model's places are its tokens.

    Args:
        student_logits: of the model in training.
        teacher_logits: of the model to learn from; no gradient reaches it.
        targets: the right classes; -100 does not count, in either term.
        temperature: above 0.
        alpha: weight of the teacher's answers, from 0 to 1; the rest is that of the targets.

    Raises:
        ValueError: for shapes that differ, targets that are no classes, or an option out of its range.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]])
        >>> distillation_loss(logits, logits, torch.tensor([0]), alpha=1.0)
        tensor(0.)
        >>> distillation_loss(torch.zeros(1, 3), logits, torch.tensor([0]), alpha=0.0)  # log 3
        tensor(1.0986)
    """
    _check(student_logits, teacher_logits, targets, temperature, alpha)
    counted = targets != IGNORED
    student, teacher, right = student_logits[counted], teacher_logits[counted].detach(), targets[counted]
    log_q, log_p = (F.log_softmax(logits / temperature, dim=-1) for logits in (student, teacher))
    p = log_p.exp()
    soft = torch.where(p > 0, p * (log_p - log_q), 0).sum() / len(p)  # F.kl_div has 0 times infinity there
    return alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(student, right)


def _check(student: Tensor, teacher: Tensor, targets: Tensor, temperature: float, alpha: float) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"expected teacher_logits of shape {tuple(student.shape)}, as student_logits, got {tuple(teacher.shape)}: "
            "do both models have one vocabulary?"
        )
    if targets.shape != student.shape[:-1]:
        raise ValueError(f"expected targets of shape {tuple(student.shape[:-1])}, got {tuple(targets.shape)}")
    check_targets("targets", targets, student.shape[-1], do="a target is a class, or -100")
    if not is_number(temperature) or not 0 < temperature < float("inf"):
        raise ValueError(f"expected temperature above 0 and finite, got {temperature!r}")
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha from 0 to 1, got {alpha!r}")

"""Distillation: against the formula in plain numbers, finite differences and the paper's limit."""

import math

import pytest
import torch

from companion.compress import distillation_loss

STUDENT = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TEACHER = 3 * torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
TARGETS = torch.tensor([3, -100, 0, 6, 2])


def softmax(logits, temperature):
    powers = [math.exp(z / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(("temperature", "alpha"), [(1, 0.3), (4, 0.9), (2.5, 0), (0.7, 1)])
def test_it_is_the_formula(temperature, alpha):
    total = 0.0
    for z, v, y in zip(STUDENT.tolist(), TEACHER.tolist(), TARGETS.tolist(), strict=True):
        if y >= 0:
            q, p = softmax(z, temperature), softmax(v, temperature)
            kl = sum(b * math.log(b / a) for a, b in zip(q, p, strict=True))
            total += alpha * temperature**2 * kl - (1 - alpha) * math.log(softmax(z, 1)[y])
    found = distillation_loss(STUDENT, TEACHER, TARGETS, temperature=temperature, alpha=alpha)
    assert found.item() == pytest.approx(total / 4, rel=1e-12)


def test_gradients_are_those_of_finite_differences():
    student = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: distillation_loss(z, TEACHER, TARGETS, temperature=3, alpha=0.6), student)


def test_no_gradient_reaches_the_teacher():
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    distillation_loss(student, teacher, TARGETS).backward()
    assert teacher.grad is None
    assert (student.grad[1] == 0).all()
    assert (student.grad[0] != 0).all()


def test_at_a_high_temperature_gradients_are_differences_of_centered_logits():
    """Equation 4 of the paper, times T²."""
    student = STUDENT.clone().requires_grad_()
    distillation_loss(student, TEACHER, TARGETS.clamp(min=0), temperature=1e4, alpha=1).backward()
    z, v = (logits - logits.mean(dim=1, keepdim=True) for logits in (STUDENT, TEACHER))
    torch.testing.assert_close(student.grad, (z - v) / 7 / 5, rtol=1e-2, atol=1e-4)


def test_what_the_teacher_rules_out_counts_nothing():
    """A logit of -inf, as of tokens that pad a vocabulary or that top-k left out: 0 log 0 is 0."""
    teacher, student = TEACHER.clone(), STUDENT.clone().requires_grad_()
    teacher[:, 1] = -torch.inf
    found = distillation_loss(student, teacher, TARGETS, temperature=3, alpha=1)
    counted = TARGETS >= 0
    p, log_q = (teacher[counted] / 3).softmax(dim=-1), (STUDENT[counted] / 3).log_softmax(dim=-1)
    kept = [place for place in range(7) if place != 1]
    by_hand = (p[:, kept] * (p[:, kept].log() - log_q[:, kept])).sum() / counted.sum()
    torch.testing.assert_close(found, 9 * by_hand)
    found.backward()
    assert student.grad.isfinite().all()
    padded = STUDENT.masked_fill(teacher.isinf(), -torch.inf)  # both vocabularies are
    assert distillation_loss(padded, teacher, TARGETS, temperature=3, alpha=1).isfinite()


def test_it_takes_a_language_models_axes():
    flat = distillation_loss(STUDENT[:4], TEACHER[:4], TARGETS[:4])
    folded = distillation_loss(STUDENT[:4].view(2, 2, 7), TEACHER[:4].view(2, 2, 7), TARGETS[:4].view(2, 2))
    torch.testing.assert_close(folded, flat)


@pytest.mark.parametrize(
    ("student", "targets", "options", "said"),
    [
        (STUDENT[:, :6], TARGETS, {}, "one vocabulary"),
        (STUDENT, TARGETS[:4], {}, "targets of shape"),
        (STUDENT, TARGETS + 1, {}, "targets from 0 to 6"),
        (STUDENT, torch.full((5,), -100), {}, "to count"),
        (STUDENT, TARGETS, {"temperature": 0}, "temperature above 0"),
        (STUDENT, TARGETS, {"alpha": 1.5}, "alpha from 0 to 1"),
    ],
)
def test_what_cannot_be_is_refused(student, targets, options, said):
    with pytest.raises(ValueError, match=said):
        distillation_loss(student, TEACHER, targets, **options)

"""Direct preference optimization: against the formula, gradients, and the closed form of its optimum."""

import math

import pytest
import torch

from companion.finetune import answer_log_probs, dpo_loss, freeze
from companion.models import MLP, MLPConfig

PAIRS = [torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in range(4)]


def test_the_loss_is_the_papers_formula():
    by_hand = [
        -math.log(1 / (1 + math.exp(-0.3 * ((w - rw) - (loss - rl)))))
        for w, loss, rw, rl in zip(*(each.tolist() for each in PAIRS), strict=True)
    ]
    assert dpo_loss(*PAIRS, beta=0.3).item() == pytest.approx(sum(by_hand) / 7)


# trl 1.16.0 (`pip download --no-deps trl==1.16.0`): `DPOTrainer._compute_loss`, taken out of the wheel's
# trainer/dpo_trainer.py and called on a stand-in for the trainer (loss_types ["sigmoid"], f_divergence_type
# "reverse_kl", ld_alpha None, use_weighting False), whose model and reference give answers of one token these
# log-probabilities. The loss, and its derivatives in the first chosen and the first rejected answer.
@pytest.mark.parametrize(
    ("beta", "loss", "chosen", "rejected"),
    [
        (0.1, 0.7105792130786954, -0.0066825590472467545, 0.0066825590472467545),
        (0.3, 0.7609695196165431, -0.017331199995161493, 0.017331199995161493),
        (2.0, 1.744393849319906, -0.020101476384937946, 0.020101476384937946),
    ],
)
def test_the_loss_and_its_gradient_are_trls(beta, loss, chosen, rejected):
    policy = [each.clone().requires_grad_() for each in PAIRS[:2]]
    ours = dpo_loss(*policy, *PAIRS[2:], beta=beta)
    ours.backward()
    found = ours.item(), policy[0].grad[0].item(), policy[1].grad[0].item()
    assert found == pytest.approx((loss, chosen, rejected), rel=1e-12)


def test_gradients():
    inputs = [each.clone().requires_grad_() for each in PAIRS]
    assert torch.autograd.gradcheck(lambda *x: dpo_loss(*x, beta=0.7), inputs)
    logits = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([[-100, 2, 4], [0, -100, -100]])
    assert torch.autograd.gradcheck(lambda x: answer_log_probs(x, targets), logits)


def test_its_optimum_is_the_reference_tilted_by_the_reward():
    # Preferences by Bradley and Terry's model for known rewards: the best policy is pi_ref exp(reward / beta) / Z.
    rewards, beta = torch.tensor([0.0, 1.0, -0.5], dtype=torch.float64), 0.5
    reference = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log()
    logits = reference.clone().requires_grad_()
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        policy = logits.log_softmax(0)
        loss = sum(
            torch.sigmoid(rewards[a] - rewards[b])
            * dpo_loss(policy[a : a + 1], policy[b : b + 1], reference[a : a + 1], reference[b : b + 1], beta=beta)
            for a, b in pairs
        )
        loss.backward()
        return loss

    optimizer.step(closure)
    torch.testing.assert_close(logits.log_softmax(0), (reference + rewards / beta).log_softmax(0), rtol=0, atol=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="four vectors of one length"):
        dpo_loss(*PAIRS[:3], PAIRS[3][:5])
    with pytest.raises(ValueError, match="beta above 0"):
        dpo_loss(*PAIRS, beta=0)
    with pytest.raises(ValueError, match="none in row 1"):
        answer_log_probs(torch.zeros(2, 3, 5), torch.tensor([[-100, 2, 4], [-100, -100, -100]]))
    with pytest.raises(ValueError, match="as logits"):
        answer_log_probs(torch.zeros(2, 3, 5), torch.zeros(2, 4, dtype=torch.long))


def test_freezing():
    model = MLP(MLPConfig((8, 16, 3)))
    assert freeze(model) == 0
    assert freeze(model, but=("layers.0", "layers.1.bias")) == 8 * 16 + 16 + 3
    assert [p.requires_grad for p in model.parameters()] == [True, True, False, True]
    for but, said in ((("layer.9",), "begin a parameter"), ("layers.1", "tuple")):
        with pytest.raises(ValueError, match=said):
            freeze(model, but=but)

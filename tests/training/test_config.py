import math

import pytest
import torch

from companion.training import TrainConfig, learning_rate


def test_learning_rate_warms_up_then_follows_half_a_cosine():
    config = TrainConfig(steps=107, batch_size=1, lr=0.3, min_lr_ratio=0.1, warmup_steps=7)
    rates = [learning_rate(config, step) for step in range(107)]
    assert rates[:7] == pytest.approx([0.3 * (i + 1) / 7 for i in range(7)])
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=99, eta_min=0.03)
    for rate in rates[7:]:
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    assert rates[-1] == pytest.approx(0.03)


def test_the_last_step_of_a_one_step_run_has_a_rate():
    assert learning_rate(TrainConfig(steps=1, batch_size=1, lr=0.3), 0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": 0}, "steps of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size of at least 1"),
        ({"optimizer": "sgd"}, "'adamw' or 'muon', got 'sgd'"),
        ({"lr": 0.0}, "lr and grad_clip above 0, got lr=0.0"),
        ({"lr": math.nan}, "got lr=nan"),
        ({"min_lr_ratio": 2.0}, r"min_lr_ratio in \[0, 1\]"),
        ({"warmup_steps": 10}, "warmup_steps below steps, got 10 of 10"),
        ({"weight_decay": -1.0}, "weight_decay of at least 0"),
        ({"weight_decay": math.nan}, "weight_decay of at least 0, got nan"),
        ({"checkpoint_every": 5}, "expected a checkpoint_dir"),
    ],
)
def test_what_cannot_be_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"steps": 10, "batch_size": 2, **bad})

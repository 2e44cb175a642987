import math

import pytest

from companion.training import TrainConfig


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": 0}, "steps to be a positive integer, got 0"),
        ({"steps": 1.5}, "steps to be a positive integer, got 1.5"),
        ({"batch_size": 0}, "batch_size to be a positive integer"),
        ({"micro_batch_size": 0}, "micro_batch_size to be a positive integer"),
        ({"optimizer": "lion"}, "expected optimizer to be one of adamw, .*; got 'lion'"),
        ({"schedule": "linear"}, "expected schedule to be one of .* got 'linear'"),
        ({"precision": "int8"}, "expected precision to be one of .* got 'int8'"),
        ({"parallel": "tp"}, "expected parallel to be one of .* got 'tp'"),
        ({"betas": (0.9, 1.0)}, r"betas, momentum and ema_decay in \[0, 1\), got betas=\(0.9, 1.0\)"),
        ({"betas": (0.9,)}, "betas to hold two numbers"),
        ({"ema_decay": 1.0}, "ema_decay=1.0"),
        (
            {"schedule": "wsd"},
            "decay_steps with the schedules .* got schedule='wsd' and decay_steps=0",
        ),
        ({"decay_steps": 3}, "got schedule='cosine' and decay_steps=3"),
        ({"schedule": "wsd", "decay_steps": 8, "warmup_steps": 3}, "warm-up and decay to fit"),
        ({"patience": 2}, "expected eval_every and a checkpoint_dir for patience=2"),
        ({"optimizer": "muon", "parallel": "fsdp"}, "parallel='ddp' with optimizer='muon'"),
        ({"tensorboard": True}, "expected a checkpoint_dir for .*tensorboard=True"),
        ({"lr": 0.0}, "lr and grad_clip above 0 .* got lr=0.0"),
        ({"lr": math.nan}, "got lr=nan"),
        ({"min_lr_ratio": 2.0}, r"min_lr_ratio in \[0, 1\]"),
        ({"warmup_steps": 10}, "warmup_steps below steps, .* got warmup_steps=10 and decay_steps=0 of 10"),
        ({"weight_decay": -1.0}, "weight_decay of at least 0, got .*weight_decay=-1.0"),
        ({"weight_decay": math.nan}, "weight_decay=nan"),
        ({"checkpoint_every": 5}, "expected a checkpoint_dir"),
        ({"seed": 2**63}, r"expected seed below 2\*\*63, got 9223372036854775808"),
        ({"steps": 2**40, "batch_size": 2**23}, r"steps \* batch_size below 2\*\*63, got steps=1099511627776"),
    ],
)
def test_what_cannot_be_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"steps": 10, "batch_size": 2, **bad})

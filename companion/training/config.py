"""What a training run is told."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from companion.runtime import PrecisionName

OptimizerName = Literal["adamw", "muon"]


@dataclass(frozen=True)
class TrainConfig:
    """How :func:`companion.training.fit` trains. The defaults suit small language models.

    Attributes:
        steps: optimizer steps.
        batch_size: items (sequences, images, rows) a step.
        optimizer: ``adamw``, or ``muon``, which learns more a step and costs more a step (see ``make_optimizers``).
        lr: highest learning rate, reached after warm-up.
        min_lr_ratio: the last learning rate, as a fraction of ``lr``.
        warmup_steps: steps over which the learning rate rises linearly from 0.
        weight_decay: AdamW's decoupled decay, for matrices only, as a fraction of ``lr`` a step.
        betas: AdamW's decay rates of the first and second moment.
        grad_clip: largest gradient norm (2-norm over all parameters); infinity for no clipping.
        eval_every: steps between validations; 0 validates after the last step only.
        precision: ``fp32``, ``bf16``, or ``auto``: bfloat16 where the hardware multiplies in it.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        seed: of the order of the data and of dropout. Weights are drawn before, by whoever makes the model.
        checkpoint_dir: folder of the run; None keeps nothing.
        checkpoint_every: steps between checkpoints; 0 writes one after the last step only.
        keep_checkpoints: how many of the newest are kept.

    Raises:
        ValueError: naming the field and the value that cannot be.
    """

    steps: int
    batch_size: int
    optimizer: OptimizerName = "adamw"
    lr: float = 1e-3
    min_lr_ratio: float = 0.1
    warmup_steps: int = 0
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float = 1.0
    eval_every: int = 0
    precision: PrecisionName = "auto"
    device: str = "auto"
    seed: int = 0
    checkpoint_dir: str | Path | None = None
    checkpoint_every: int = 0
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        _at_least(self, 1, "steps", "batch_size", "keep_checkpoints")
        _at_least(self, 0, "warmup_steps", "eval_every", "checkpoint_every", "weight_decay", "seed")
        if self.optimizer not in get_args(OptimizerName):
            raise ValueError(f"expected optimizer to be 'adamw' or 'muon', got {self.optimizer!r}")
        if not (0 < self.lr < math.inf and self.grad_clip > 0):
            raise ValueError(f"expected lr and grad_clip above 0, got lr={self.lr} and grad_clip={self.grad_clip}")
        if not 0 <= self.min_lr_ratio <= 1:
            raise ValueError(f"expected min_lr_ratio in [0, 1], got {self.min_lr_ratio}")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"expected warmup_steps below steps, got {self.warmup_steps} of {self.steps}")
        if self.checkpoint_every and self.checkpoint_dir is None:
            raise ValueError(f"expected a checkpoint_dir for checkpoint_every={self.checkpoint_every}, got None")


def _at_least(config: TrainConfig, low: int, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= low:
            raise ValueError(f"expected {name} of at least {low}, got {getattr(config, name)}")


def learning_rate(config: TrainConfig, step: int) -> float:
    r"""The learning rate of ``step`` (from 0): linear warm-up, then half a cosine (Loshchilov & Hutter 2017, eq. 5).

    .. math:: \eta_t = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min}) (1 + \cos(\pi t / T))
    """
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - 1 - config.warmup_steps)
    low = config.min_lr_ratio * config.lr
    return low + 0.5 * (config.lr - low) * (1 + math.cos(math.pi * min(progress, 1.0)))

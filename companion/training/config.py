"""What a training run is told."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from companion.checks import check_choices, check_sizes
from companion.runtime import PrecisionName

OptimizerName = Literal["adamw", "muon", "adam", "momentum", "sgd"]
ScheduleName = Literal["cosine", "wsd", "step", "constant"]
ParallelName = Literal["none", "ddp", "fsdp"]


@dataclass(frozen=True)
class TrainConfig:
    """How :func:`companion.training.fit` trains. The defaults suit small language models.

    Attributes:
        steps: optimizer steps.
        batch_size: items (sequences, images, rows) a step, of all processes together.
        micro_batch_size: items that one process takes through the model at once; gradients add up over the rest. None
            takes all at once. It is halved by itself where memory does not suffice. The step stays the same, but for
            what is drawn at random, such as dropout; a batch that has no parts (batch normalization, a loss that
            compares examples with each other) is refused.
        optimizer: ``adamw``; ``muon``, which learns more a step and costs more a step; ``adam``, ``momentum``, ``sgd``.
        lr: highest learning rate, reached after warm-up.
        schedule: after warm-up, ``cosine`` falls along half a cosine; ``wsd`` stays, and falls in a line over the last
            ``decay_steps``; ``step`` is multiplied by ``min_lr_ratio`` every ``decay_steps``; ``constant`` stays.
        min_lr_ratio: where ``cosine`` and ``wsd`` arrive as the run ends, as a fraction of ``lr`` (with 0 the last step
            still has a rate above 0); the factor of ``step``.
        decay_steps: see ``schedule``; the other two need none.
        warmup_steps: steps over which the learning rate rises linearly from 0.
        weight_decay: decay of matrices only: with AdamW and Muon decoupled, as a fraction of ``lr`` a step; with the
            others added to the gradient.
        betas: decay rates of the first and second moment in AdamW and Adam.
        momentum: decay rate of ``momentum``'s running gradient.
        grad_clip: largest gradient norm (2-norm over all parameters); infinity for no clipping.
        ema_decay: decay a step of a running mean of the weights, which validation uses and the model ends with; 0:
            none.
        eval_every: steps between validations; 0 validates after the last step only.
        patience: validations without a new best after which training stops, and the model gets its best weights back; 0
            never stops. It needs ``eval_every`` and a ``checkpoint_dir``, which keeps the best.
        precision: ``fp32``, ``bf16``, ``fp16`` (its gradients are scaled), or ``auto``: bfloat16 where the hardware
            multiplies in it.
        compile: whether ``torch.compile`` makes the model faster; the first steps then take minutes. On the CPU, the
            compiler of torch 2.13 gave wrong gradients for a small ``ConvNet`` on images of odd sizes, and ended the
            process for a small ``ResNet`` (as in pytorch issue 181618): compare a few steps with ``compile=False``.
        parallel: under ``torchrun``, ``ddp`` copies the model to every process, ``fsdp`` splits it among them.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        seed: of the order of the data and of dropout. Weights are drawn before, by whoever makes the model.
        checkpoint_dir: folder of the run; None keeps nothing.
        checkpoint_every: steps between checkpoints; 0 writes one after the last step only.
        keep_checkpoints: how many of the newest are kept, beside the best.
        tensorboard: whether to write what is recorded for TensorBoard too, in the run's folder.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> config = TrainConfig(steps=1_000, batch_size=64, lr=3e-4, warmup_steps=100, precision="fp32", device="cpu")
        >>> config.schedule, config.optimizer
        ('cosine', 'adamw')
        >>> TrainConfig(steps=10, batch_size=64, warmup_steps=100)  # refused
        Traceback (most recent call last):
        ValueError: expected warmup_steps below steps, and warm-up and decay to fit in them, got...
    """

    steps: int
    batch_size: int
    micro_batch_size: int | None = None
    optimizer: OptimizerName = "adamw"
    lr: float = 1e-3
    schedule: ScheduleName = "cosine"
    min_lr_ratio: float = 0.1
    decay_steps: int = 0
    warmup_steps: int = 0
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.9
    grad_clip: float = 1.0
    ema_decay: float = 0.0
    eval_every: int = 0
    patience: int = 0
    precision: PrecisionName = "auto"
    compile: bool = False
    parallel: ParallelName = "none"
    device: str = "auto"
    seed: int = 0
    checkpoint_dir: str | Path | None = None
    checkpoint_every: int = 0
    keep_checkpoints: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "steps", "batch_size", "keep_checkpoints")
        check_sizes(
            self, "decay_steps", "warmup_steps", "eval_every", "patience", "seed", "checkpoint_every", at_least=0
        )
        if self.micro_batch_size is not None:
            check_sizes(self, "micro_batch_size")
        check_choices(
            self, optimizer=OptimizerName, schedule=ScheduleName, precision=PrecisionName, parallel=ParallelName
        )
        if not (0 < self.lr < math.inf and self.grad_clip > 0 and 0 <= self.weight_decay < math.inf):
            got = f"lr={self.lr}, grad_clip={self.grad_clip}, weight_decay={self.weight_decay}"
            raise ValueError(f"expected lr and grad_clip above 0 and weight_decay of at least 0, got {got}")
        if len(self.betas) != 2:
            raise ValueError(f"expected betas to hold two numbers, got {self.betas}")
        if not all(0 <= decay < 1 for decay in (*self.betas, self.momentum, self.ema_decay)):
            got = f"betas={self.betas}, momentum={self.momentum}, ema_decay={self.ema_decay}"
            raise ValueError(f"expected betas, momentum and ema_decay in [0, 1), got {got}")
        if not 0 <= self.min_lr_ratio <= 1:
            raise ValueError(f"expected min_lr_ratio in [0, 1], got {self.min_lr_ratio}")
        self._check_together()

    def _check_together(self) -> None:
        """Refuses fields that contradict each other."""
        if self.seed >= 2**63:  # the rank of a process is added to it
            raise ValueError(f"expected seed below 2**63, got {self.seed}")
        if self.steps * self.batch_size >= 2**63:  # items are counted in 64 bits
            got = f"steps={self.steps} and batch_size={self.batch_size}"
            raise ValueError(f"expected steps * batch_size below 2**63, got {got}")
        busy = self.warmup_steps + (self.decay_steps if self.schedule == "wsd" else 0)
        if self.warmup_steps >= self.steps or busy > self.steps:
            got = f"warmup_steps={self.warmup_steps} and decay_steps={self.decay_steps} of {self.steps}"
            raise ValueError(f"expected warmup_steps below steps, and warm-up and decay to fit in them, got {got}")
        if (self.schedule in ("wsd", "step")) != (self.decay_steps > 0):
            got = f"schedule={self.schedule!r} and decay_steps={self.decay_steps}"
            raise ValueError(
                f"expected decay_steps with the schedules 'wsd' and 'step', and 0 with the others, got {got}"
            )
        if self.patience and not (self.eval_every and self.checkpoint_dir):
            got = f"eval_every={self.eval_every} and checkpoint_dir={self.checkpoint_dir}"
            raise ValueError(f"expected eval_every and a checkpoint_dir for patience={self.patience}, got {got}")
        if self.checkpoint_dir is None and (self.checkpoint_every or self.tensorboard):
            got = f"checkpoint_every={self.checkpoint_every}, tensorboard={self.tensorboard}"
            raise ValueError(f"expected a checkpoint_dir for {got}, got None")
        if self.optimizer == "muon" and self.parallel == "fsdp":
            raise ValueError("expected parallel='ddp' with optimizer='muon', which needs whole matrices, got 'fsdp'")

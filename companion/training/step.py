"""One training step: micro-batches whose gradients add up, scaled for half precision, guarded, then the optimizers."""

import logging
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from companion import runtime
from companion.training.config import TrainConfig
from companion.training.distributed import World, without_sync
from companion.training.optimizers import make_optimizers, set_learning_rate
from companion.training.parts import Batch, counts, parts, to_device, why_joined

_log = logging.getLogger(__name__)
#: A gradient scale below this has been halved so often that the loss itself must be out of float16's range.
_LEAST_SCALE = 2.0**-10


class DivergedError(ValueError):
    """A loss or a gradient that is not finite. The weights are those before the step.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> data = TensorBatches((x, 2 * x), (x, 2 * x))
        >>> model = MLP(MLPConfig(sizes=(1, 1), loss="squared_error"))
        >>> from companion.training import TrainConfig, fit
        >>> try:
        ...     fit(model, data, TrainConfig(steps=9, batch_size=50, optimizer="sgd", lr=1e30, grad_clip=1e30))
        ... except DivergedError as error:
        ...     print(error)
        expected a finite loss and gradient, got loss inf and gradient norm inf (no gradient) in step...
    """


@dataclass
class Stepper:
    """Takes training steps.

    Attributes:
        model: says what counts in a batch, and whether it may be divided.
        trainable: the model's loss as a module, over all processes.
        optimizers: of its parameters.
        precision: of the forward pass.
        grad_clip: largest gradient norm.
        world: the processes; each computes its part of the batch.
        scaler: scales the loss in float16, or its smallest gradients would vanish (Micikevicius et al. 2018).
        rows: items a micro-batch, None for no limit; it halves where memory does not suffice.
    """

    model: nn.Module
    trainable: nn.Module
    optimizers: list[torch.optim.Optimizer]
    precision: runtime.Precision
    grad_clip: float
    world: World
    scaler: torch.amp.GradScaler
    rows: int | None

    def step(self, batch: Batch, lr: float) -> tuple[float, float]:
        """One optimizer step on a batch, of which every process has the whole and computes its part.

        Returns:
            This process's part of the mean loss, and the norm of the whole gradient before clipping.

        Raises:
            DivergedError: where the loss or the gradient is not finite.
            torch.OutOfMemoryError: where not even one row fits, the batch cannot be divided, or there are many
                processes.
            TypeError: as :func:`companion.training.parts.parts`.
            ValueError: as :func:`companion.training.parts.parts`.
        """
        while True:
            try:
                loss = self._gradients(batch)
                break
            except RuntimeError as error:  # torch's OutOfMemoryError, and the CPU's, which has no class of its own
                if not runtime.is_out_of_memory(error) or self.rows == 1 or self.world.size > 1:
                    raise
                self._check_halving(len(batch[0]), error)
            self._halve(len(batch[0]))
        norm = self._clip()
        self._check(loss, norm)
        set_learning_rate(self.optimizers, lr)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        return loss, norm

    def _gradients(self, batch: Batch) -> float:
        """Adds up the gradients of this process's parts, each target of the whole batch counting once."""
        loss, device = 0.0, next(self.model.parameters()).device
        pieces = parts(self.model, batch, self.world, self.rows)
        for index, (piece, weight) in enumerate(pieces):
            with without_sync(self.trainable, last=index == len(pieces) - 1):
                with self.precision.autocast(device):
                    part = self.trainable(*to_device(piece, device)) * weight
                # Processes average their gradients; it is the sum that is meant, for each has a part of the mean loss.
                self.scaler.scale(part * self.world.size if self.world.size > 1 else part).backward()
            loss += part.item()
        return loss

    def _check_halving(self, n_rows: int, error: RuntimeError) -> None:
        """Refuses to halve what cannot be divided."""
        why = why_joined(self.model)
        if why is None and not counts(self.model):
            why = f"{type(self.model).__name__} has no n_targets(*batch), by which parts of a batch are weighed"
        if why is not None:
            raise torch.OutOfMemoryError(
                f"expected memory for {n_rows} examples at once, got too little, and the batch cannot be divided, for "
                f"{why}: lower batch_size"
            ) from error

    def _halve(self, n_rows: int) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.rows = -(-min(self.rows or n_rows, n_rows) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _log.warning("out of memory: going on with micro_batch_size=%d; the batch stays %d", self.rows, n_rows)

    def _clip(self) -> float:
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(self.trainable.parameters(), self.grad_clip)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def _check(self, loss: float, norm: float) -> None:
        """Refuses what is not finite. In float16 gradients may overflow: that step is left out."""
        scaled = self.scaler.is_enabled() and self.scaler.get_scale() > _LEAST_SCALE
        if math.isfinite(loss) and (math.isfinite(norm) or scaled):
            return
        first = next(
            (n for n, p in self.trainable.named_parameters() if p.grad is not None and not _finite(p.grad)), None
        )
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        where = (
            "no gradient" if first is None else f"that of {first.removeprefix('module.').removeprefix('model.')} first"
        )
        raise DivergedError(f"expected a finite loss and gradient, got loss {loss} and gradient norm {norm} ({where})")


def make_stepper(
    model: nn.Module, trainable: nn.Module, config: TrainConfig, device: torch.device, world: World
) -> Stepper:
    """What takes the steps of ``config`` on a device."""
    precision = runtime.pick_precision(config.precision, device)
    scaler = torch.amp.GradScaler(device.type, enabled=precision.dtype is torch.float16)
    optimizers, rows = make_optimizers(model, config), config.micro_batch_size
    return Stepper(model, trainable, optimizers, precision, config.grad_clip, world, scaler, rows)


def _finite(gradient: torch.Tensor) -> bool:
    return bool((gradient.to_local() if isinstance(gradient, DTensor) else gradient).isfinite().all())

"""One training step: micro-batches whose gradients add up, scaled for half precision, guarded, then the optimizers."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from companion import runtime
from companion.models.checks import IGNORED
from companion.training.distributed import World, without_sync
from companion.training.optimizers import set_learning_rate

_log = logging.getLogger(__name__)
#: A gradient scale below this has been halved so often that the loss itself must be out of float16's range.
_LEAST_SCALE = 2.0**-10


class DivergedError(ValueError):
    """A loss or a gradient that is not finite. The weights are those before the step."""


@dataclass
class Stepper:
    """Takes training steps.

    Attributes:
        trainable: the model's loss as a module, over all processes.
        optimizers: of its parameters.
        precision: of the forward pass.
        grad_clip: largest gradient norm.
        world: the processes; each is given its share of the batch.
        scaler: scales the loss in float16, or its smallest gradients would vanish (Micikevicius et al. 2018).
        rows: items a micro-batch; it halves where memory does not suffice.
    """

    trainable: nn.Module
    optimizers: list[torch.optim.Optimizer]
    precision: runtime.Precision
    grad_clip: float
    world: World
    scaler: torch.amp.GradScaler
    rows: int

    def step(self, share: Sequence[Tensor], n_targets: int, lr: float) -> tuple[float, float]:
        """One optimizer step on this process's ``share`` of a batch that holds ``n_targets`` in all.

        Returns:
            This process's part of the mean loss, and the norm of the whole gradient before clipping.

        Raises:
            DivergedError: where the loss or the gradient is not finite.
            torch.OutOfMemoryError: where not even one row fits, or there are many processes.
        """
        while True:
            try:
                loss = self._gradients(share, n_targets)
                break
            except RuntimeError as error:  # torch's OutOfMemoryError, and the CPU's, which has no class of its own
                if not _is_out_of_memory(error) or self.rows == 1 or self.world.size > 1:
                    raise
            self._halve(len(share[0]))
        norm = self._clip()
        self._check(loss, norm)
        set_learning_rate(self.optimizers, lr)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        return loss, norm

    def _gradients(self, share: Sequence[Tensor], n_targets: int) -> float:
        """Adds up the gradients of all micro-batches, each target of the whole batch counting once."""
        loss = 0.0
        pieces = zip(*(tensor.split(self.rows) for tensor in share), strict=True)
        micro_batches = [piece for piece in pieces if count_targets(piece)]
        if not micro_batches:
            raise ValueError(
                f"expected a target in each process's share, got none in {len(share[0])} rows: enlarge batch_size"
            )
        for index, batch in enumerate(micro_batches):
            with without_sync(self.trainable, last=index == len(micro_batches) - 1):
                with self.precision.autocast(batch[0].device):
                    part = self.trainable(*batch)
                if len(micro_batches) > 1 or self.world.size > 1:
                    part = part * (count_targets(batch) / n_targets)
                # Processes average their gradients; it is the sum that is meant, for each has a part of the mean loss.
                self.scaler.scale(part * self.world.size if self.world.size > 1 else part).backward()
            loss += part.item()
        return loss

    def _halve(self, n_rows: int) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.rows = -(-min(self.rows, n_rows) // 2)
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


def count_targets(batch: Sequence[Tensor]) -> int:
    """How many targets a batch scores: the elements of its last tensor that are not marked as left out."""
    return int((batch[-1] != IGNORED).sum())


def _finite(gradient: Tensor) -> bool:
    return bool((gradient.to_local() if isinstance(gradient, DTensor) else gradient).isfinite().all())


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)

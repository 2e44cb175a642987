"""What a run will cost, said before it starts: parameters, operations, memory and time."""

import copy
import time
import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from companion import runtime
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.distributed import Trainable, World
from companion.training.ema import WeightAverage
from companion.training.history import History
from companion.training.parts import Batch, parts, to_device
from companion.training.step import make_stepper
from companion.training.utilization import step_flops

_TRIAL_STEPS = 3  # the first one warms up


@dataclass(frozen=True)
class CostEstimate:
    """What a run of one process is expected to cost; ``str()`` is one line.

    Attributes:
        parameters: learned numbers; tied ones count once.
        flops: operations of all steps (see ``step_flops``).
        memory: the most that is held at once, in bytes: weights, gradients, optimizer state, activations of a
            micro-batch, and what the process held before.
        seconds: of all steps, validations and checkpoints left out.

    Example:
        >>> expected = CostEstimate(parameters=124_439_808, flops=4 * 10**17, memory=8 * 2**30, seconds=7_200)
        >>> print(expected)
        124,439,808 parameters; expected: 4.00e+17 operations, 8.00 GiB at most, 7,200 s
    """

    parameters: int
    flops: int
    memory: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.parameters:,} parameters; expected: {self.flops:.2e} operations, "
            f"{self.memory / 2**30:.2f} GiB at most, {self.seconds:,.0f} s"
        )

    def against(self, history: History) -> str:
        """One line on how far off time and memory were."""
        if not history.rows:
            return "there is no row in the run's history to compare with"
        took, held = history.seconds, max(row["memory"] or 0.0 for row in history.rows)
        return (
            f"it took {took:,.0f} s, validations and checkpoints included ({took / self.seconds - 1:+.0%} of the "
            f"{self.seconds:,.1f} s expected of the steps alone), and {held / 2**30:.2f} GiB "
            f"({held / self.memory - 1:+.0%})"
        )


def estimate_cost(model: nn.Module, data: Batches, config: TrainConfig) -> CostEstimate:
    """What ``fit(model, data, config)`` will cost in one process; ``model`` is left as it is.

    Operations are counted and memory is followed on tensors that have a shape and no content. Time is that of a few
    steps of a copy of the model.

    Raises:
        TypeError: where the model has no ``loss``, or no ``n_targets`` though it is needed.
        ValueError: where a batch cannot be divided as asked.

    Example:
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> data = TensorBatches((x, 2 * x), (x, 2 * x))
        >>> model = MLP(MLPConfig(sizes=(1, 1), loss="squared_error"))
        >>> expected = estimate_cost(model, data, TrainConfig(steps=1_000, batch_size=50))
        >>> expected.parameters, expected.flops
        (2, 200000)
        >>> expected.seconds < 3_600  # else think again
        True
    """
    device = runtime.pick_device(config.device)
    model.to(device)
    batch = to_device(data.batch(0, config.batch_size, seed=config.seed), device)
    largest, _ = parts(model, batch, World(), config.micro_batch_size)[0]
    flops = step_flops(Trainable(model), batch)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    others = max(0, runtime.held_memory(device) - weights)
    return CostEstimate(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        flops=config.steps * flops,
        memory=others + _step_memory(model, largest, config, device),
        seconds=config.steps * _step_seconds(model, batch, config, device),
    )


class _LiveMemory(TorchDispatchMode):
    """Follows how many bytes of tensors are alive, and the most that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.peak = 0, 0
        self._seen: set[int] = set()

    def add(self, tensor: Tensor) -> None:
        """Counts a tensor's storage once, until nobody holds it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen:
            self._seen.add(key)
            self.bytes += size
            self.peak = max(self.peak, self.bytes)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.bytes -= size

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result


def _step_memory(model: nn.Module, batch: Batch, config: TrainConfig, device: torch.device) -> int:
    """The most bytes alive in one step: what the optimizers and the mean keep, and a forward and backward pass."""
    precision = runtime.pick_precision(config.precision, device)
    kept = _numbers_kept(config) * sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, _LiveMemory() as live:
        state: dict[str, Tensor] = {}
        for name, tensor in model.state_dict(keep_vars=True).items():
            state[f"model.{name}"] = fake.from_tensor(tensor)
            live.add(state[f"model.{name}"])
        with precision.autocast(device):
            loss = torch.func.functional_call(
                Trainable(model), state, tuple(tree_map(fake.from_tensor, part) for part in batch)
            )
        weights = [tensor for tensor in state.values() if tensor.requires_grad]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        del gradients, loss
    return live.peak + int(kept)


def _numbers_kept(config: TrainConfig) -> int:
    """How many numbers a parameter are kept from step to step beside itself (Muon: as if all moved by AdamW)."""
    moments = {"adamw": 2, "adam": 2, "muon": 2, "momentum": 1, "sgd": 0}[config.optimizer]
    return moments + (config.ema_decay > 0)


def _step_seconds(model: nn.Module, batch: Batch, config: TrainConfig, device: torch.device) -> float:
    """The time of the fastest of a few steps of a copy."""
    trial = copy.deepcopy(model).train()
    stepper = make_stepper(trial, Trainable(trial), config, device, World())
    average = WeightAverage(trial, config.ema_decay)
    seconds = []
    with torch.random.fork_rng():
        for step in range(_TRIAL_STEPS):
            started = time.perf_counter()
            stepper.step(batch, config.lr)
            average.update(step + 1)
            seconds.append(time.perf_counter() - started)
    return min(seconds[1:])

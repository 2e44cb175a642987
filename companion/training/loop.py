"""The one training loop."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from companion import runtime
from companion.training.batches import Batches
from companion.training.config import TrainConfig
from companion.training.distributed import Trainable, join, parallelize
from companion.training.ema import WeightAverage
from companion.training.folder import RunFolder
from companion.training.history import History, Row
from companion.training.no_folder import NoFolder
from companion.training.run import Run, validation_rows
from companion.training.saving import Learner
from companion.training.step import make_stepper
from companion.training.utilization import step_flops
from companion.training.validation import check_validation


def fit(model: nn.Module, data: Batches, config: TrainConfig, *, watch: Callable[[Row], None] | None = None) -> History:
    """Trains ``model`` in place on ``model.loss(*batch)``, a mean over as many targets as ``model.n_targets(*batch)``.

    Only a batch that is divided, among processes or into micro-batches, and validation in several batches need
    ``n_targets``: the gradient is then that of the whole batch, but for what is drawn at random, such as dropout. A
    model whose loss or normalization joins the examples of a batch is not divided (``companion.training.parts``).

    Where ``config.checkpoint_dir`` holds a run, goes on from its newest whole checkpoint; on the CPU in float32 the
    result is the same to the bit as without the stop. Frozen weights are not kept: they come with ``model``, and others
    than the run began with are refused. Ctrl-C and SIGTERM, which a machine sends that is about to be taken away, end
    the step at hand and write a checkpoint; then Ctrl-C is passed on, and SIGTERM ends the process with status 143. A
    second one acts at once. Under ``torchrun`` each process trains on its share of every batch; a run may go on with
    another number of processes.

    With more ``steps`` than before, a run goes on from its last checkpoint along the new schedule: ``constant`` and
    ``step`` are those of one long run. ``cosine``, and ``wsd`` where it had begun to fall, jump up again to where the
    longer schedule is, and the loss with them for a while.

    Args:
        model: has a method ``loss`` that returns a scalar; it is moved to the device of ``config``.
        data: the batches.
        config: the rest.
        watch: is called after each step with the step's row of the history, in every process; what it raises ends the
            run there.

    Raises:
        TypeError: where the model has no ``loss``, or no ``n_targets`` though it is needed.
        ValueError: where a batch cannot be divided as asked, or the folder holds a run of another configuration, model
            or data or of more steps, which are named, is in use, or has damaged checkpoints only. Nothing has changed
            then.
        DivergedError: where a loss or gradient is not finite; says the step and the checkpoint that is left.
        OSError: where a checkpoint cannot be written.
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: of 143 after SIGTERM.

    Example:
        >>> import torch
        >>> from companion.data import TensorBatches
        >>> from companion.models import MLP, MLPConfig
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> data = TensorBatches((x, 2 * x), (x, 2 * x))
        >>> model = MLP(MLPConfig(sizes=(1, 1), loss="squared_error"))
        >>> history = fit(model, data, TrainConfig(steps=100, batch_size=50, lr=0.1, eval_every=50))
        >>> bool(history.validation.iloc[-1] < 0.01), len(history.rows)
        (True, 100)
    """
    world, device = join(config.parallel, runtime.pick_device(config.device))
    torch.manual_seed(config.seed + world.rank)
    model.to(device)
    peak = _seconds_at_peak(model, data, config, device, world.size)
    trainable = parallelize(Trainable(model, processes=world.size), config.parallel, device)
    if config.compile:
        trainable.compile()
    stepper = make_stepper(model, trainable, config, device, world)
    learner = Learner(model, stepper.optimizers, WeightAverage(model, config.ema_decay), world)
    path = config.checkpoint_dir
    with NoFolder() if path is None else RunFolder(Path(path), config, learner) as folder:
        check_validation(model, data, validation_rows(config, stepper.rows, world))
        progress = folder.resume(data)
        if progress.scaler:  # a new run has none, which a scaler in use refuses
            stepper.scaler.load_state_dict(progress.scaler)
        history = History(progress.rows, earlier_best=progress.best)
        return Run(config, data, device, stepper, learner, folder, history, progress.step, peak, watch).go()


def _seconds_at_peak(
    model: nn.Module, data: Batches, config: TrainConfig, device: torch.device, n_processes: int
) -> float | None:
    """How long the operations of a step take a device that does nothing else; None where that is not known."""
    peak = runtime.dense_peak(device, runtime.pick_precision(config.precision, device).dtype)
    if peak is None:
        return None
    batch = data.batch(0, config.batch_size, seed=config.seed)
    return step_flops(Trainable(model), batch) / n_processes / peak or None

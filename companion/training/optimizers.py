"""The optimizers, and which parameters each of them moves."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer

from companion.training.config import TrainConfig
from companion.training.hidden import hidden_layers


def make_optimizers(model: nn.Module, config: TrainConfig) -> list[Optimizer]:
    r"""The optimizers of ``config.optimizer``; each parameter belongs to one of them.

    Matrices (and tensors of more axes) are decayed; biases and normalizations are not. Each runs in one fused kernel.

    ``adamw``: decoupled decay (Loshchilov & Hutter 2019). ``adam``: Kingma & Ba 2015. ``momentum`` and ``sgd``:
    gradient descent on batches with and without a running gradient (Polyak 1964). ``muon``: the weights of hidden
    linear layers (see :mod:`companion.training.hidden`) move by Muon (Jordan et al. 2024), whose step is momentum made
    orthogonal, scaled by :math:`0.2\sqrt{\max(\text{rows}, \text{columns})}` so that AdamW's learning rates fit it (Liu
    et al. 2025, equation 4); all else moves by AdamW: embeddings, a model's first and last layers (``lm_head``,
    heads of classifiers), convolutions, biases and normalizations.
    """
    hidden = {id(layer.weight) for layer in hidden_layers(model)} if config.optimizer == "muon" else set()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    by_muon = [p for p in parameters if id(p) in hidden]
    others = [p for p in parameters if id(p) not in hidden]
    optimizers: list[Optimizer] = []
    if by_muon:
        optimizers.append(Muon(by_muon, lr=config.lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"))
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    if groups := [group for group in groups if group["params"]]:
        optimizers.append(_first_order(groups, config))
    return optimizers


def _first_order(groups: list[dict[str, object]], config: TrainConfig) -> Optimizer:
    match config.optimizer:
        case "adamw" | "muon":
            return AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
        case "adam":
            return Adam(groups, lr=config.lr, betas=config.betas, fused=True)
        case "momentum":
            return SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
        case "sgd":
            return SGD(groups, lr=config.lr, fused=True)


def set_learning_rate(optimizers: Sequence[Optimizer], lr: float) -> None:
    """Gives all groups of all optimizers this learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr


def state_tensors(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """What the optimizers remember, split as the parameters are, as tensors named ``parameter/quantity``."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for optimizer in optimizers
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None  # SGD without momentum remembers nothing, by this name
    }


def restore_state(model: nn.Module, optimizers: Sequence[Optimizer], tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Puts back what :func:`state_tensors` gave, where it lies on the parameters' devices and is split as they are."""
    owners = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    for full_name, tensor in tensors:
        name, _, key = full_name.rpartition("/")
        owners[id(parameters[name])].state[parameters[name]][key] = tensor

"""AdamW and Muon, and which parameters each of them moves."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from companion.training.config import TrainConfig


def make_optimizers(model: nn.Module, config: TrainConfig) -> list[Optimizer]:
    r"""The optimizers of ``config.optimizer``; each parameter belongs to one of them.

    ``adamw``: AdamW (Loshchilov & Hutter 2019) in one fused kernel; it decays matrices, not biases and normalisations.
    ``muon``: the weights of linear layers move by Muon (Jordan et al. 2024), whose step is momentum made orthogonal,
    scaled by :math:`0.2\sqrt{\max(\text{rows}, \text{columns})}` so that AdamW's learning rates fit it
    (Liu et al. 2025, equation 4); embeddings, biases and normalisations move by AdamW.
    """
    linear = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    by_muon = [p for p in parameters if id(p) in linear and config.optimizer == "muon"]
    by_adamw = [p for p in parameters if not (id(p) in linear and config.optimizer == "muon")]
    optimizers: list[Optimizer] = []
    if by_muon:
        optimizers.append(Muon(by_muon, lr=config.lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"))
    groups = [
        {"params": [p for p in by_adamw if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in by_adamw if p.ndim < 2], "weight_decay": 0.0},
    ]
    if groups := [group for group in groups if group["params"]]:
        optimizers.append(AdamW(groups, lr=config.lr, betas=config.betas, fused=True))
    return optimizers


def step_all(optimizers: Sequence[Optimizer], lr: float) -> None:
    """One step of every optimizer with this learning rate; gradients are let go."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def state_tensors(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """What the optimizers remember, as tensors named ``parameter/quantity``."""
    return {
        f"{name}/{key}": value.detach().contiguous()
        for name, parameter in model.named_parameters()
        for optimizer in optimizers
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_state(model: nn.Module, optimizers: Sequence[Optimizer], tensors: dict[str, Tensor]) -> None:
    """Puts back what :func:`state_tensors` gave."""
    owners = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition("/")
        parameter = parameters[name]
        owners[id(parameter)].state[parameter][key] = tensor.to(parameter.device)

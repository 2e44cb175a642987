"""Weights that a run does not train: its checkpoints leave them out, and say by a fingerprint which ones they were."""

from torch import nn

from companion.data.fingerprint import digest, digest_items
from companion.training.split_tensors import whole


def frozen(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters without gradients, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if not parameter.requires_grad}


def fingerprint(model: nn.Module) -> str | None:
    """A sum of the frozen weights, of tensors past 16 MiB of pieces; None where there are none.

    Of weights that are split among processes all of them call it together.
    """
    sums = [f"{name} {digest(whole(parameter))}" for name, parameter in frozen(model).items()]
    return digest_items(sums) if sums else None


class FrozenWeights:
    """Which frozen weights are still what they were when the run began.

    A model may change weights that have no gradient, as a moving average of others. Torch counts the changes of each
    tensor: those that changed are kept in checkpoints after all.

    Args:
        model: as it was given to the run.
    """

    def __init__(self, model: nn.Module) -> None:
        self._versions = {name: parameter._version for name, parameter in frozen(model).items()}

    def unchanged(self, model: nn.Module) -> set[str]:
        """The names of those that a checkpoint may leave out."""
        return {name for name, now in frozen(model).items() if self._versions.get(name) == now._version}

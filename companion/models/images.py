"""What the families that read images share: checks, initial weights, the loss of a classifier."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.checks import check_tensor, check_values


def check_counts(config: object, *names: str, least: int = 1) -> None:
    """Refuses a config whose fields ``names`` are not tuples of ``least`` or more positive integers.

    Raises:
        ValueError: naming the field and its value.
    """
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, tuple) or len(value) < least or not all(isinstance(n, int) and n > 0 for n in value):
            raise ValueError(f"expected {name} to be a tuple of {least} or more positive integers, got {value!r}")


def init_before_relu(module: nn.Module) -> None:
    """Weights of a convolution normal with variance 2 / inputs, which ReLU halves to 1 (He et al. 2015); no offsets."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check_images(images: Tensor, *shape: int | str, weight: Tensor) -> None:
    """Refuses images that are not [batch, shape …] numbers of ``weight``'s dtype.

    Raises:
        ValueError: naming what was expected and what came.
    """
    do = f"bytes become numbers by images.to({weight.dtype}) / 255, and other sizes need another config"
    check_tensor("images", images, "batch", *shape, dtype=weight.dtype, do=do)


def label_loss(logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats an image.

    Raises:
        ValueError: where the labels are not one class number an image.
    """
    batch, classes = logits.shape
    check_tensor("labels", labels, batch, dtype=torch.int64, do="give one class number an image")
    check_values("labels", labels, 0, classes - 1, do=f"the model has n_classes={classes}, counting from 0")
    return F.cross_entropy(logits, labels)

"""Every family trained for one step, whole or divided: ``python families.py IN OUT`` is one of several processes.

IN holds models and batches by family, and OUT.RANK gets what :func:`gradients` and :func:`validation` found for each.

What a loss draws at random differs with the division. Here every example of a batch is given the same noise, so that
nothing but the division itself can make a difference.
"""

import contextlib
import copy
import os
import sys
from unittest import mock

import torch

from companion.training import TrainConfig, fit, step, validate
from companion.training.split_tensors import whole


class Fixed:
    """The same batch at every step; for validation too, in pieces."""

    def __init__(self, batch, validates=False):
        self.rows, self.validates = batch, validates

    def batch(self, step, batch_size, *, seed):
        return self.rows

    def validation(self, batch_size):
        if self.validates and all(isinstance(part, torch.Tensor) for part in self.rows):
            yield from zip(*(tensor.split(batch_size) for tensor in self.rows), strict=True)
        elif self.validates:  # a graph
            yield self.rows


class Recorder(torch.optim.SGD):
    """Notes the gradients of a step, and takes none."""

    def step(self, closure=None):
        self.found = [whole(p.grad).clone() for group in self.param_groups for p in group["params"]]


@contextlib.contextmanager
def the_same_noise():
    """Whatever is drawn for a batch is drawn once, for all of its examples."""
    draw = {name: getattr(torch, name) for name in ("rand", "randn")}

    def rows(name, n, *shape, **options):
        generator = torch.Generator().manual_seed(7)
        return draw[name](1, *shape, generator=generator, **options).expand(n, *shape)

    with (
        mock.patch("torch.rand", lambda *size, **options: rows("rand", *size, **options)),
        mock.patch("torch.randn", lambda *size, **options: rows("randn", *size, **options)),
        mock.patch("torch.randn_like", lambda like: rows("randn", *like.shape, dtype=like.dtype)),
    ):
        yield


def gradients(model, batch, **options):
    """The gradients of one step before clipping, as one vector; or why ``fit`` refuses it, in words."""
    model = copy.deepcopy(model)
    optimizer = Recorder(model.parameters(), lr=1.0)
    config = TrainConfig(
        steps=1, batch_size=len(batch[0]), precision="fp32", device="cpu", grad_clip=float("inf"), **options
    )
    with mock.patch.object(step, "make_optimizers", return_value=[optimizer]), the_same_noise():
        try:
            history = fit(model, Fixed(batch), config)
        except (TypeError, ValueError) as error:
            return f"refused: {error}"
    return torch.cat([gradient.flatten() for gradient in optimizer.found]), history.rows[0]["loss"]


def validation(model, batch, batch_size):
    """The mean loss, or why it is refused."""
    with the_same_noise():
        try:
            return validate(model, Fixed(batch, validates=True), batch_size)
        except (TypeError, ValueError) as error:
            return f"refused: {error}"


def validation_in_processes(model, batch):
    """What ``fit`` says the validation loss is, before anything is learned."""
    model = copy.deepcopy(model)
    config = TrainConfig(
        steps=1, batch_size=len(batch[0]), precision="fp32", device="cpu", parallel="ddp", lr=1e-30, weight_decay=0.0
    )
    with the_same_noise():
        try:
            return fit(model, Fixed(batch, validates=True), config).rows[-1]["validation_loss"]
        except (TypeError, ValueError) as error:
            return f"refused: {error}"


def main():
    torch.set_num_threads(1)
    given, out = sys.argv[1:]
    found = {}
    for name, (model, batch) in torch.load(given, weights_only=False).items():
        found[name] = gradients(model, batch, parallel="ddp"), validation_in_processes(model, batch)
    model, (tokens, targets) = torch.load(given, weights_only=False)["gpt"]
    targets = targets.clone()
    targets[: int(os.environ["RANK"])] = -100  # data that do not draw by step and seed alone
    found["other data"] = gradients(model, (tokens, targets), parallel="ddp")
    torch.save(found, out)


if __name__ == "__main__":
    main()

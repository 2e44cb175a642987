"""A line that is fitted to points: the smallest model that a run can be made of."""

import torch
from torch import nn

from companion.data import TensorBatches
from companion.training import TrainConfig


class Line(nn.Module):
    def __init__(self, dropout=0.0, n_head=1):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5], [-1.0], [2.0]]))
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout, self.n_head = nn.Dropout(dropout), n_head

    def loss(self, x, y):
        return ((self.dropout(x) @ self.weight + self.bias - y) ** 2).mean()

    def n_targets(self, x, y):
        return y.numel()


def line_data(seed=0, rows=41):
    x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))
    y = x @ torch.tensor([[1.0], [2.0], [-3.0]])
    return TensorBatches((x[7:], y[7:]), (x[:7], y[:7]))


def config(folder, **options):
    options = {"steps": 23, "batch_size": 5, "lr": 1e-2, "precision": "fp32", "device": "cpu", **options}
    return TrainConfig(checkpoint_dir=folder, **options)


class BestAt(Line):
    """Validation gets worse from the step ``best`` on, whatever is learned."""

    def __init__(self, best):
        super().__init__()
        self.best = best
        self.register_buffer("steps", torch.zeros(()))

    def loss(self, x, y):
        if self.training:
            self.steps += 1
            return super().loss(x, y)
        return (self.steps - self.best).abs()

"""Makes the recorded runs of the chapter *Ensembles* again: ``python book/recorded/ensembles/record.py``.

``splits``: the diabetes patients split anew 200 times, fifty small networks trained on each, every one on its own bootstrap
sample; of the patients left out, what the first five predict, and the average of all fifty.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record

HERE = Path(__file__).parent
SPLITS, MEMBERS, SHOWN = 200, 50, 5
HIDDEN, STEPS, LR = 8, 80, 0.02  # of a network


def networks(X: torch.Tensor, y: torch.Tensor, members: int, seed: int) -> list:
    """Weights of networks with one hidden layer, all trained at once, each on its own bootstrap sample."""
    generator = torch.Generator().manual_seed(seed)
    n, d = X.shape
    drawn = torch.randint(n, (members, n), generator=generator)
    counts = torch.zeros(members, n).scatter_add_(1, drawn, torch.ones(members, n))
    shapes = (members, d, HIDDEN), (members, HIDDEN, 1)
    W, v = (torch.randn(s, generator=generator) / s[1] ** 0.5 for s in shapes)
    weights = [W, torch.zeros(members, 1, HIDDEN), v, torch.zeros(members, 1, 1)]
    adam = torch.optim.Adam([w.requires_grad_() for w in weights], lr=LR)
    for _ in range(STEPS):
        adam.zero_grad()
        (counts * (outputs(weights, X) - y) ** 2).mean(1).sum().backward()
        adam.step()
    return [w.detach() for w in weights]


def outputs(weights: list, X: torch.Tensor) -> torch.Tensor:
    """What each network says of each row, [members, rows]."""
    W, b, v, c = weights
    return (torch.tanh(X @ W + b) @ v + c)[..., 0]


def split(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One split: the patients left out, what five networks say of them, and the average of fifty."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(seed).permutation(len(y))
    fit_on, test_on = order[:221], order[221:]
    X = (X - X[fit_on].mean(0)) / X[fit_on].std(0)
    mean, spread = y[fit_on].mean(), y[fit_on].std()
    X, z = torch.tensor(X).float(), torch.tensor((y - mean) / spread).float()
    weights = networks(X[fit_on], z[fit_on], MEMBERS, seed)
    said = outputs(weights, X[test_on]).numpy() * spread + mean
    return test_on, said[:SHOWN], said.mean(0)


def record_splits() -> None:
    """All splits."""
    patients, five, fifty = zip(*(split(s) for s in range(SPLITS)), strict=True)
    table = {  # in C order: safetensors writes any other one scrambled, and says nothing
        "patients": np.stack(patients).astype(np.int16, order="C"),
        "five": np.stack(five).astype(np.float32, order="C"),
        "fifty": np.stack(fifty).astype(np.float32, order="C"),
    }
    save_file(table, HERE / "splits.safetensors")


RUNS = {"splits": Run(record_splits, range(SPLITS), ("scikit-learn",))}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

"""Makes the recorded runs of the chapter *Convolution* again: ``python book/recorded/convolution/record.py``.

``rates``: for each network three learning rates, scored on a quarter of the training scans that it did not see.
``long``: what each network says of the test scans after 3,000 steps on moved scans, and on moved scans in clutter; and
the weights of the convolution that was trained in clutter with seed 0. ``svm``: what a support vector machine says that
learned from ten copies of each training scan, placed anew.
"""

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.nn import functional as F

from companion.data import digits, on_canvas, stratified_split, with_clutter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
SIZE, SHIFT, BATCH = 16, 3, 32
COPIES = 10
SEEDS = {"moved": (0,), "clutter": (0, 1, 2)}
RATES = {
    "plain": (0.003, 0.01, 0.03),
    "wide": (0.001, 0.003, 0.01),
    "convolution": (0.005, 0.015, 0.045),
}
Make = Callable[[Tensor, np.random.Generator], Tensor]


def plain(hidden: int) -> nn.Sequential:
    """One hidden layer."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(SIZE * SIZE, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def convolution() -> nn.Sequential:
    """Three convolutions and the largest value of each channel."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "plain": lambda: plain(31),
    "wide": lambda: plain(1_970),
    "convolution": convolution,
}

(SCANS, LABELS), (TEST, _) = stratified_split(*digits(), validation_fraction=1 / 3)


def moved(scans: Tensor, draw: np.random.Generator) -> Tensor:
    """Each scan up to three pixels from the middle, both ways."""
    shifts = draw.integers(-SHIFT, SHIFT + 1, size=(len(scans), 2))
    return on_canvas(scans, shifts, size=SIZE)


def cluttered(scans: Tensor, draw: np.random.Generator) -> Tensor:
    """Moved, with two pieces of training scans."""
    return with_clutter(moved(scans, draw), SCANS, pieces=2, edge=4, seed=draw)


PLACES: dict[str, Make] = {"moved": moved, "clutter": cluttered}


def train(
    network: nn.Module,
    scans: Tensor,
    labels: Tensor,
    make: Make,
    *,
    steps: int,
    lr: float,
    seed: int,
) -> nn.Module:
    """AdamW with one cycle of the rate; every batch is placed anew."""
    draw = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps)
    for _ in range(steps):
        rows = draw.integers(len(scans), size=BATCH)
        loss = F.cross_entropy(network(make(scans[rows], draw)), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cycle.step()
    return network


def trained(
    name: str,
    scans: Tensor,
    labels: Tensor,
    make: Make,
    steps: int,
    lr: float,
    seed: int,
) -> nn.Module:
    """A network of that name, from that seed."""
    torch.manual_seed(seed)
    return train(
        NETWORKS[name](), scans, labels, make, steps=steps, lr=lr, seed=seed
    )


@torch.no_grad()
def answers(network: nn.Module, canvases: Tensor) -> Tensor:
    """The class of the largest logit."""
    return network(canvases).argmax(1)


def record_rates() -> None:
    """Accuracy in clutter on a quarter of the training scans, after 600 steps on the rest."""
    (scans, labels), (held, held_labels) = stratified_split(
        SCANS, LABELS, validation_fraction=1 / 4, seed=1
    )
    canvases = cluttered(held, np.random.default_rng(3))
    rows = []
    for name, rates in RATES.items():
        for lr in rates:
            network = trained(name, scans, labels, cluttered, 600, lr, seed=0)
            accuracy = (
                (answers(network, canvases) == held_labels).float().mean().item()
            )
            rows.append((name, lr, round(accuracy, 4)))
    write(HERE / "rates.csv", ("network", "lr", "accuracy"), rows)


def best_rates() -> dict[str, float]:
    """The rate of each network with the highest accuracy in rates.csv."""
    with (HERE / "rates.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: float(
            max(
                (r for r in rows if r["network"] == name),
                key=lambda r: float(r["accuracy"]),
            )["lr"]
        )
        for name in RATES
    }


def record_long() -> None:
    """One row a network, place and seed: its answers to the test scans, a digit each."""
    rows = []
    for place, make in PLACES.items():
        canvases = make(TEST, np.random.default_rng(7))
        for name, lr in best_rates().items():
            for seed in SEEDS[place]:
                network = trained(name, SCANS, LABELS, make, 3_000, lr, seed)
                rows.append(
                    (
                        place,
                        name,
                        seed,
                        "".join(map(str, answers(network, canvases).tolist())),
                    )
                )
                if (place, name, seed) == ("clutter", "convolution", 0):
                    save_file(network.state_dict(), HERE / "long.safetensors")
    write(HERE / "long.csv", ("place", "network", "seed", "answers"), rows)


def record_svm() -> None:
    """One row a place: the answers to the same test scans."""
    rows = []
    for place, make in PLACES.items():
        canvases = make(TEST, np.random.default_rng(7)).flatten(1)
        draw = np.random.default_rng(0)
        copies = torch.cat([make(SCANS, draw).flatten(1) for _ in range(COPIES)])
        machine = SVC(C=10).fit(copies, LABELS.repeat(COPIES))
        said = "".join(map(str, machine.predict(canvases).tolist()))
        rows.append((place, "SVM, copies", 0, said))
    write(HERE / "svm.csv", ("place", "network", "seed", "answers"), rows)


LEARN = ("scikit-learn",)
RUNS = {
    "rates": Run(record_rates, packages=LEARN),
    "long": Run(record_long, SEEDS["clutter"], LEARN),
    "svm": Run(record_svm, packages=LEARN),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

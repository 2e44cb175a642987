"""Makes the recorded runs of the chapter *Scaling up* again: ``python book/recorded/scaling_up/record.py``.

``small``, ``middle``, ``large``: one budget of operations each, spent on models of several widths, each trained on as
many tokens of NumPy's docstrings as the budget leaves it. A row a run: its width, parameters, tokens, seed, and the
loss on validation text at the end of a schedule of its own.

``batches``: logistic regression on scikit-learn's digits by plain gradient descent with batches of several sizes. A row a
run: batch size, learning rate, seed, and the first of every five steps at which the loss on all digits is at most 0.15.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from companion import data, training
from companion.models import GPT, GPTConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
VOCABULARY, BLOCK, BATCH, DEPTH = 300, 64, 8, 2
BUDGETS = {"small": 1e10, "middle": 3e10, "large": 9e10}  # operations, 6ND
WIDTHS = {
    "small": (8, 12, 16, 24, 32, 48),
    "middle": (8, 12, 16, 24, 32, 48, 64),
    "large": (16, 24, 32, 48, 64, 96),
}
SEEDS = {"small": (0, 1), "middle": (0,), "large": (0,)}
BATCHES, RATES, TARGET = (
    (4, 8, 16, 32, 64, 128, 256, 512),
    (1, 2, 4, 8, 16, 32),
    0.15,
)
LONGEST, STARTS = 1_000, 3  # steps of a run, seeds


def tokens() -> tuple[np.ndarray, np.ndarray]:
    """Training tokens, and those of every eighth validation document."""
    train, validation, _ = (
        [document.text for document in part]
        for part in data.split_by_overlap(data.docstrings(("numpy",)))
    )
    tokenizer = data.train_tokenizer(train, VOCABULARY)
    watched = validation[::8]
    return data.encode(tokenizer, train), data.encode(tokenizer, watched)


def cell(
    batches: data.TokenBatches, budget: str, width: int, seed: int
) -> tuple[int, int, float]:
    """Parameters, tokens read, and nats a token on the validation text."""
    torch.manual_seed(seed)
    heads = max(1, width // 16)
    model = GPT(GPTConfig(VOCABULARY, BLOCK, DEPTH, n_head=heads, n_embd=width))
    parameters = sum(each.numel() for each in model.parameters())
    steps = round(BUDGETS[budget] / (6 * parameters * BATCH * BLOCK))
    plan = training.TrainConfig(
        steps=steps,
        batch_size=BATCH,
        optimizer="muon",
        lr=1.2e-2,
        min_lr_ratio=0.02,
        warmup_steps=max(1, steps // 20),
        precision="fp32",
        seed=seed,
    )
    history = training.fit(model, batches, plan)
    nats = float(history.validation.iloc[-1])
    return parameters, steps * BATCH * BLOCK, nats


def make(budget: str) -> None:
    """All widths and seeds of one budget."""
    batches = data.TokenBatches(*tokens(), block_size=BLOCK)
    rows = []
    for seed in SEEDS[budget]:
        for width in WIDTHS[budget]:
            parameters, read, nats = cell(batches, budget, width, seed)
            rows.append((width, parameters, read, seed, round(nats, 5)))
            print(*rows[-1], flush=True)
    header = ("width", "parameters", "tokens", "seed", "validation_nats")
    write(HERE / f"{budget}.csv", header, rows)


def steps_to_target(
    pictures: torch.Tensor, labels: torch.Tensor, batch: int, seed: int
) -> list[int | None]:
    """The step at which each rate reaches the target, all of them at once on the same batches; None for never."""
    draw = torch.Generator().manual_seed(seed)
    wanted = torch.nn.functional.one_hot(labels, 10).float()
    rates = torch.tensor(RATES)[:, None, None]
    weights = torch.zeros(len(RATES), pictures.shape[1], 10)
    found: list[int | None] = [None] * len(RATES)
    for step in range(1, LONGEST + 1):
        rows = torch.randint(len(pictures), (batch,), generator=draw)
        x = pictures[rows]
        error = torch.softmax(x @ weights, -1) - wanted[rows]
        weights -= rates * (x.T @ error) / batch
        if step % 5 == 0:
            surprise = -torch.log_softmax(pictures @ weights, -1)
            loss = (surprise * wanted).sum(-1).mean(-1)
            for i in torch.nonzero(loss <= TARGET).flatten().tolist():
                found[i] = found[i] or step
            if None not in found:
                break
    return found


def make_batches() -> None:
    """All batch sizes, rates and seeds."""
    raw, labels = load_digits(return_X_y=True)
    ones = np.ones((len(raw), 1))
    pictures = torch.tensor(np.hstack([raw / 16, ones]), dtype=torch.float32)
    rows = [
        (batch, rate, seed, step or "")
        for batch in BATCHES
        for seed in range(STARTS)
        for rate, step in zip(
            RATES,
            steps_to_target(pictures, torch.tensor(labels), batch, seed),
            strict=True,
        )
    ]
    write(HERE / "batches.csv", ("batch", "rate", "seed", "steps"), rows)


if __name__ == "__main__":
    runs = {
        name: Run(lambda name=name: make(name), seeds=SEEDS[name])
        for name in BUDGETS
    }
    runs["batches"] = Run(
        make_batches, seeds=range(STARTS), packages=("scikit-learn",)
    )
    record(__file__, __doc__, runs)

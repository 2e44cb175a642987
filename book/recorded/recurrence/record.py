"""Makes the recorded runs of the chapter *Recurrence* again: ``python book/recorded/recurrence/record.py``.

``adding``: how many steps five recurrent networks need for the adding problem, by length, rate and seed. ``text``: an
LSTM and a GPT of the same size after as many steps on the same docstrings, and their weights.
``longer``: that LSTM, trained for longer.
"""

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from companion import data, training
from companion.models import GPT, GPTConfig
from companion.models.recurrent import Recurrent

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
KINDS = ("rnn", "orthogonal rnn", "lstm", "lstm, bias 1", "lstm, chrono")
LENGTHS, RATES, SEEDS = (20, 150), (1e-2, 3e-3), (0,)
WIDTH, BATCH, LIMIT, SOLVED = 24, 32, 1_000, 0.01
TEXT_RATE, TEXT_STEPS, BLOCK, TEXT_BATCH = 1.2e-2, 1_500, 128, 8

#: The same schedule for both models.
PLAN = training.TrainConfig(
    steps=TEXT_STEPS,
    optimizer="muon",
    batch_size=TEXT_BATCH,
    lr=TEXT_RATE,
    min_lr_ratio=0.02,
    warmup_steps=TEXT_STEPS // 20,
    precision="fp32",
)
HEADER = ("model", "parameters", "steps", "lr", "seed", "validation_nats")


def adding(
    n: int, length: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Numbers and marks [n, length, 2], and the sum of the two marked numbers."""
    numbers = torch.rand(n, length, generator=generator)
    marks, rows, half = torch.zeros(n, length), torch.arange(n), length // 2
    marks[rows, torch.randint(half, (n,), generator=generator)] = 1
    marks[rows, torch.randint(half, length, (n,), generator=generator)] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(1)


def recurrent(kind: str, length: int) -> Recurrent:
    """A recurrent layer, started as its name says."""
    layer = Recurrent("rnn" if kind.endswith("rnn") else "lstm", 2, WIDTH)
    inner, forget = slice(WIDTH), slice(WIDTH, 2 * WIDTH)
    with torch.no_grad():
        if kind == "orthogonal rnn":
            nn.init.orthogonal_(layer.weight_hh_l0)
        if kind == "lstm, bias 1":
            layer.bias_hh_l0[forget] += 1
        if kind == "lstm, chrono":
            bias = torch.log(1 + torch.rand(WIDTH) * (length - 2))
            layer.bias_ih_l0.zero_()
            layer.bias_hh_l0.zero_()
            layer.bias_hh_l0[forget], layer.bias_hh_l0[inner] = bias, -bias
    return layer


def adding_run(kind: str, length: int, rate: float, seed: int) -> tuple[int, float]:
    """Steps until the mean loss of 100 steps is below ``SOLVED`` (or ``LIMIT``), and that mean."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(1_000 + seed)
    layer, head = recurrent(kind, length), nn.Linear(WIDTH, 1)
    nn.init.ones_(head.bias)
    parameters = [*layer.parameters(), *head.parameters()]
    optimizer, losses = torch.optim.Adam(parameters, lr=rate), []
    while len(losses) < LIMIT and not (
        len(losses) >= 100 and np.mean(losses[-100:]) < SOLVED
    ):
        x, y = adding(BATCH, length, generator)
        loss = (head(layer(x)[:, -1])[:, 0] - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return len(losses), float(np.mean(losses[-100:]))


def record_adding() -> None:
    """Every network at every length and rate."""
    rows = []
    for length, kind, rate, seed in itertools.product(LENGTHS, KINDS, RATES, SEEDS):
        steps, loss = adding_run(kind, length, rate, seed)
        rows.append((kind, length, rate, seed, steps, round(loss, 5)))
        write(
            HERE / "adding.csv",
            ("kind", "length", "lr", "seed", "steps", "loss"),
            rows,
        )


class Reader(nn.Module):
    """A model of bytes: embedding, LSTM, logits."""

    def __init__(self, width: int = 128, n_embd: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, n_embd)
        self.lstm = nn.LSTM(n_embd, width, batch_first=True)
        self.head = nn.Linear(width, 256)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of each next byte."""
        return self.head(self.lstm(self.embedding(tokens))[0])

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats a byte."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def n_targets(self, tokens: Tensor, targets: Tensor) -> int:
        """What the mean is over."""
        return int((targets != -100).sum())


def gpt() -> GPT:
    """A GPT with as many parameters as the reader, within 2%."""
    return GPT(GPTConfig(256, BLOCK, 2, n_head=2, n_embd=64))


def as_bytes(documents: list[data.Document]) -> np.ndarray:
    """The documents as one sequence, a zero behind each."""
    raw = b"".join(document.text.encode() + b"\0" for document in documents)
    return np.frombuffer(raw, dtype=np.uint8).astype(np.int64)


def batches() -> data.TokenBatches:
    """The training bytes, and 60,000 bytes to watch."""
    train, validation, _ = map(
        as_bytes, data.split_by_overlap(data.docstrings(("numpy",)))
    )
    return data.TokenBatches(train, validation[:60_000], block_size=BLOCK)


def record_text() -> None:
    """Both models, trained alike."""
    rows = [
        trained("text", "lstm", Reader, PLAN),
        trained("text", "gpt", gpt, PLAN),
    ]
    write(HERE / "text.csv", HEADER, rows)


def record_longer() -> None:
    """The LSTM alone, for four times as many steps."""
    plan = replace(PLAN, steps=4 * PLAN.steps, warmup_steps=4 * PLAN.warmup_steps)
    write(HERE / "longer.csv", HEADER, [trained("longer", "lstm", Reader, plan)])


def trained(
    run: str, name: str, make: Callable[[], nn.Module], plan: training.TrainConfig
) -> tuple[object, ...]:
    """Trains and keeps the weights; a row of the table."""
    torch.manual_seed(0)
    model = make()
    history = training.fit(model, batches(), plan)
    weights = {key: each.clone() for key, each in model.state_dict().items()}
    save_file(weights, HERE / f"{run}.{name}.safetensors")
    n = sum(each.numel() for each in model.parameters())
    nats = round(float(history.validation.iloc[-1]), 5)
    return name, n, plan.steps, plan.lr, plan.seed, nats


RUNS = {
    "adding": Run(record_adding, SEEDS),
    "text": Run(record_text),
    "longer": Run(record_longer),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

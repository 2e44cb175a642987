"""Makes the recorded runs of the chapter *Pretraining* again: ``python book/recorded/pretraining/record.py``.

``gpt``: the chapter's model, trained for longer than a minute. ``short``: the same on a schedule of 300 steps; a row a step,
weights in half precision. ``grid``: small models by width, steps and seed, each at the end of a schedule of its own.
``optimizers``: AdamW and Muon at three rates each. ``assistant``: what a pretrained assistant and a compressor need for
documents of the test text. ``compressors``: by how many bytes each module makes the compressed test text longer.
"""

import gzip
import hashlib
import itertools
import lzma
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from companion import data, training
from companion.models import GPT, GPTConfig, smollm2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
VOCABULARY, BLOCK, BATCH = 500, 128, 8
STEPS, SHORT = 8_000, 300  # of the runs gpt and short
WIDTHS, LENGTHS, SEEDS = (16, 32, 64), (100, 200, 400), (0, 1, 2)
RATES = {"adamw": (2e-3, 4e-3, 8e-3), "muon": (6e-3, 1.2e-2, 2.4e-2)}
XZ = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
PER_MODULE = 500  # bytes of each test module that the assistant reads


def texts() -> tuple[list[data.Document], list[data.Document], list[data.Document]]:
    """Training, validation and test documents."""
    return data.split_by_overlap(data.docstrings(("numpy",)))


def tokens() -> tuple[np.ndarray, np.ndarray]:
    """Training tokens, and those of every fourth validation document: the watched ones."""
    train, validation, _ = (
        [document.text for document in part] for part in texts()
    )
    tokenizer = data.train_tokenizer(train, VOCABULARY)
    watched = validation[::4]  # a part of every module, not the first modules
    return data.encode(tokenizer, train), data.encode(tokenizer, watched)


def new_model(width: int, depth: int, seed: int) -> GPT:
    """A model with heads 32 wide."""
    torch.manual_seed(seed)
    return GPT(
        GPTConfig(
            VOCABULARY, BLOCK, depth, n_head=max(1, width // 32), n_embd=width
        )
    )


def plan(
    steps: int,
    seed: int = 0,
    eval_every: int = 0,
    optimizer: str = "muon",
    lr: float = 1.2e-2,
) -> training.TrainConfig:
    """The chapter's settings; only the number of steps differs from run to run."""
    return training.TrainConfig(
        steps=steps,
        batch_size=BATCH,
        optimizer=optimizer,
        lr=lr,
        min_lr_ratio=0.02,
        warmup_steps=max(1, steps // 20),
        eval_every=eval_every,
        precision="fp32",
        seed=seed,
    )


def record_gpt() -> None:
    """Weights of the long run, and its loss on the way."""
    train, watched = tokens()
    model = new_model(96, 2, seed=0)
    batches = data.TokenBatches(train, watched, block_size=BLOCK)
    history = training.fit(model, batches, plan(STEPS, eval_every=STEPS // 8))
    save_file(
        {name: each.clone() for name, each in model.state_dict().items()},
        HERE / "gpt.safetensors",
    )
    write(
        HERE / "gpt.csv",
        ("step", "training_nats", "validation_nats"),
        curve(history),
    )


def record_short() -> None:
    """Loss of every step of the short run, loss on the watched text at some, and the weights."""
    train, watched = tokens()
    model = new_model(96, 2, seed=0)
    batches = data.TokenBatches(train, watched, block_size=BLOCK)
    history = training.fit(model, batches, plan(SHORT, eval_every=SHORT // 6))
    weights = {name: each.half() for name, each in model.state_dict().items()}
    save_file(weights, HERE / "short.safetensors")
    watched_at = history.validation.to_dict()
    write(
        HERE / "short.csv",
        ("step", "training_nats", "validation_nats"),
        (
            (
                step,
                f"{loss:.5f}",
                f"{watched_at[step]:.5f}" if step in watched_at else "",
            )
            for step, loss in history.frame["loss"].items()
        ),
    )


def curve(history: training.History) -> list[tuple[int, float, float]]:
    """Step, mean training loss of the steps since the row before, and loss on the watched text."""
    rows, before = [], 0
    for step, validated in history.validation.items():
        trained = history.frame["loss"].loc[before + 1 : step].mean()
        rows.append((int(step), round(trained, 5), round(float(validated), 5)))
        before = step
    return rows


def grid_cell(
    train: np.ndarray, watched: np.ndarray, width: int, steps: int, seed: int
) -> tuple[int, float]:
    """Parameters, and nats a token on the watched text."""
    model = new_model(width, 2, seed)
    history = training.fit(
        model,
        data.TokenBatches(train, watched, block_size=BLOCK),
        plan(steps, seed),
    )
    return sum(each.numel() for each in model.parameters()), float(
        history.validation.iloc[-1]
    )


def record_grid() -> None:
    """Every width at every length, three seeds each."""
    train, watched = tokens()
    rows = []
    for width in WIDTHS:
        for steps in LENGTHS:
            for seed in SEEDS:
                parameters, loss = grid_cell(train, watched, width, steps, seed)
                rows.append((width, parameters, steps, seed, round(loss, 5)))
    write(
        HERE / "grid.csv",
        ("width", "parameters", "steps", "seed", "validation_nats"),
        rows,
    )


def record_optimizers() -> None:
    """The model of the long run after 400 steps of each optimizer at each rate, two seeds each."""
    train, watched = tokens()
    batches = data.TokenBatches(train, watched, block_size=BLOCK)
    rows = []
    for optimizer, rates in RATES.items():
        for lr, seed in itertools.product(rates, SEEDS[:2]):
            settings = plan(400, seed, optimizer=optimizer, lr=lr)
            history = training.fit(new_model(96, 2, seed), batches, settings)
            nats = float(history.validation.iloc[-1])
            rows.append((optimizer, lr, seed, round(nats, 5)))
    write(
        HERE / "optimizers.csv",
        ("optimizer", "lr", "seed", "validation_nats"),
        rows,
    )


def excerpts(test: list[data.Document]) -> list[data.Document]:
    """The first documents of each test module, as many as fit ``PER_MODULE`` bytes."""
    chosen, used = [], dict.fromkeys((document.module for document in test), 0)
    for document in test:
        n = len(document.text.encode())
        if n >= 200 and used[document.module] + n <= PER_MODULE:
            chosen.append(document)
            used[document.module] += n
    return chosen


def xz(raw: bytes) -> int:
    """Bytes of the compressed text, without the container around it."""
    return len(lzma.compress(raw, format=lzma.FORMAT_RAW, filters=XZ))


def record_assistant() -> None:
    """Nats of each excerpt under the pretrained assistant, and what xz adds for it, each read by itself."""
    model, tokenizer = smollm2()
    train, _, test = texts()
    before = "\n\n".join(document.text for document in train).encode() + b"\n\n"
    alone = xz(before)
    rows = []
    for document in excerpts(test):
        ids = np.array(tokenizer.encode(document.text))
        end = data.end_of_text_id(tokenizer.tokenizer)
        nats = training.token_losses(model, ids, end_of_text=end).sum()
        digest = hashlib.sha256(document.text.encode()).hexdigest()[:16]
        rows.append(
            (
                document.module,
                document.name,
                digest,
                len(document.text.encode()),
                len(ids),
                round(nats, 3),
                xz(before + document.text.encode()) - alone,
            )
        )
    write(
        HERE / "assistant.csv",
        ("module", "name", "sha256", "bytes", "tokens", "nats", "xz_bytes"),
        rows,
    )


def record_compressors() -> None:
    """The test text as one stream: by how many bytes each module makes its compressed file longer."""
    train, _, test = texts()
    before = "\n\n".join(document.text for document in train).encode()
    xz_as_file = {"format": lzma.FORMAT_XZ, "filters": XZ}
    ways = {
        "gzip": lambda raw: len(gzip.compress(raw, 9)),
        "xz": lambda raw: len(lzma.compress(raw, **xz_as_file)),
        "xz_after": lambda raw: len(lzma.compress(before + raw, **xz_as_file)),
    }
    so_far, rows = b"", []
    was = {"gzip": 0, "xz": 0, "xz_after": ways["xz_after"](b"")}
    for module, of_module in itertools.groupby(test, key=lambda each: each.module):
        piece = "\n\n".join(document.text for document in of_module).encode()
        so_far += (b"\n\n" if so_far else b"") + piece
        now = {name: way(so_far) for name, way in ways.items()}
        rows.append((module, *(now[name] - was[name] for name in ways)))
        was = now
    write(HERE / "compressors.csv", ("module", *ways), rows)


TOKENIZERS = ("tokenizers",)
RUNS = {
    "gpt": Run(record_gpt, packages=TOKENIZERS),
    "short": Run(record_short, packages=TOKENIZERS),
    "grid": Run(record_grid, SEEDS, TOKENIZERS),
    "optimizers": Run(record_optimizers, SEEDS[:2], TOKENIZERS),
    "assistant": Run(record_assistant, packages=TOKENIZERS),
    "compressors": Run(record_compressors),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

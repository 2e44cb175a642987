"""Makes the recorded runs of the chapter *Compression* again: ``python book/recorded/compression/record.py``.

``plain``, ``rounded``, ``shuffled``, ``float32``, ``gptq``, ``pruned``: SmolLM2 as it is and made smaller in many ways, each on the same
real reviews; a row a variant and review: what its text costs in nats, how many of its likeliest tokens are those of
the plain model, and how far "yes" lies above "no" where it is asked whether the customer is happy. ``layers``: what heads
and layers were worth, by which some were left out. ``digits``: students of a teacher, a row a seed and student.
``planted``: explanations of networks whose inputs that matter are known, a row a seed and network.
"""

import copy
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from companion import compress
from companion.compress.weights import Scheme
from companion.data import digits, r_table
from companion.models import GPT, smollm2
from companion.models.gpt_layers.cache import KVCache

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recording import Run, record, write

HERE = Path(__file__).parent
N, N_THRESHOLD, N_LOOK, LONGEST = 64, 48, 12, 400  # reviews, and characters of one
EXAMPLES = """Review: Tastes awful, I threw it away.
Happy customer: no

Review: My family loves it, will buy again!
Happy customer: yes

Review: """
ASKED = "\nHappy customer:"
YES, NO = " yes", " no"
HEADS, LAYERS = 27, 3  # of 270 and 30: a tenth
TRAINED, WARM, BIASES = 1_200, 20.0, (0, 2, 4)  # digits

plain, tokenizer = smollm2()
yes, no = (tokenizer.encode(word)[0] for word in (YES, NO))
N_ASKED = len(tokenizer.encode(ASKED))


def reviews(table: str, n: int) -> list[tuple[str, str]]:
    """Real reviews of food and whether they came with five stars, drawn once, spaces put in order."""
    rows = r_table("modeldata", table).sample(frac=1, random_state=0)
    texts = (" ".join(text.split()) for text in rows["review"])
    pairs = zip(texts, rows["score"], strict=True)
    return [each for each in pairs if len(each[0]) <= LONGEST][:n]


def encode(text: str) -> tuple[Tensor, Tensor]:
    """The examples, and behind them a review with the question: tokens [1, time]."""
    before, inside = (
        tokenizer.encode(EXAMPLES.strip()),
        tokenizer.encode(" " + text),
    )
    return torch.tensor([before]), torch.tensor([inside + tokenizer.encode(ASKED)])


class Reader:
    """A model that has read the examples once, and reads each review behind them."""

    def __init__(self, model: GPT, kind: type[KVCache] = KVCache) -> None:
        self.model = model
        self.cache = kind(model.config, 1, 512, model.ln_f.weight)
        with torch.inference_mode():
            self.first = model.cached_logits(encode("")[0], self.cache)[:, -1:]
        self.start = self.cache.length

    @torch.inference_mode()
    def read(self, text: str) -> tuple[float, Tensor, float]:
        """What a review costs in nats, the likeliest token at each of its places, and "yes" above "no" behind it."""
        ids, self.cache.length = encode(text)[1], self.start
        new = self.model.cached_logits(ids, self.cache)
        logits, told = torch.cat([self.first, new], dim=1)[0].float(), N_ASKED
        nats = F.cross_entropy(logits[: -1 - told], ids[0, :-told], reduction="sum")
        difference = logits[-1, yes] - logits[-1, no]
        return nats.item(), logits[: -1 - told].argmax(1), difference.item()


# What heads and layers are worth, on reviews that nothing is scored on


def worth() -> tuple[Tensor, Tensor]:
    """Of each head how much the loss would change without it, to first order; of each layer how far it turns its input."""
    heads, layers = torch.zeros(30, 9), torch.zeros(30)
    read_by: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        given[0].retain_grad()
        read_by.append(given[0])

    def turned(layer: int, given: Tensor, made: Tensor) -> None:
        layers[layer] += 1 - F.cosine_similarity(given, made, dim=-1).mean().item()

    hooks = [b.attn.c_proj.register_forward_pre_hook(keep) for b in plain.h]
    hooks += [
        b.register_forward_hook(
            lambda _, given, made, i=i: turned(i, given[0], made)
        )
        for i, b in enumerate(plain.h)
    ]
    for text, _ in reviews("training_data", N_LOOK):
        ids = torch.cat(encode(text), dim=1)
        read_by.clear()
        plain.loss(ids[:, :-1], ids[:, 1:]).backward()
        parts = [
            (x * x.grad).unflatten(-1, (9, -1)).sum((0, 1, 3)) for x in read_by
        ]
        heads += torch.stack(parts).abs()
    for hook in hooks:
        hook.remove()
    plain.zero_grad(set_to_none=True)
    return heads / N_LOOK, layers / N_LOOK


def record_layers() -> list[str]:
    """A row a layer: how far it turns what it is given, then what its heads are worth."""
    heads, layers = worth()
    header = ("layer", "turns", *(f"head_{i}" for i in range(9)))
    rows = (
        (i, f"{turn:.5f}", *(f"{each:.6f}" for each in of_layer))
        for i, (turn, of_layer) in enumerate(zip(layers, heads, strict=True))
    )
    write(HERE / "layers.csv", header, rows)
    return ["layers.csv"]


def recorded_worth() -> tuple[Tensor, Tensor]:
    """The same, as it was recorded."""
    table = np.loadtxt(HERE / "layers.csv", delimiter=",", skiprows=1)
    return torch.tensor(table[:, 2:]), torch.tensor(table[:, 1])


# The variants


def shuffled(model: GPT) -> GPT:
    """The same function with channels in another order: what the 4-bit groups of its file had in common is gone."""
    random = torch.Generator().manual_seed(0)
    width, inner = model.config.n_embd, model.config.inner
    size, shared = (
        model.config.head_dim,
        model.config.n_head // model.config.kv_heads,
    )
    stream = torch.randperm(width, generator=random)
    with torch.no_grad():
        model.wte.weight.copy_(model.wte.weight[:, stream])
        for norm in (model.ln_f, *(n for b in model.h for n in (b.ln_1, b.ln_2))):
            norm.weight.copy_(norm.weight[stream])
        for block in model.h:
            unit = torch.randperm(inner, generator=random)
            value = torch.stack(
                [
                    torch.randperm(size, generator=random) + size * head
                    for head in range(model.config.kv_heads)
                ]
            )
            qkv, out = block.attn.c_attn.weight, block.attn.c_proj.weight
            first = len(qkv) - value.numel()
            qkv[first:] = qkv[first:][value.flatten()]
            own = value % size + size * torch.arange(len(value))[:, None] * shared
            heads = torch.arange(shared)[None, :, None] * size
            out.copy_(out[:, (own[:, None] + heads).flatten()])
            for layer in (block.attn.c_attn, block.mlp.c_gate, block.mlp.c_fc):
                layer.weight.copy_(layer.weight[:, stream])
            for layer in (block.attn.c_proj, block.mlp.c_proj):
                layer.weight.copy_(layer.weight[stream])
            for layer in (block.mlp.c_gate, block.mlp.c_fc):
                layer.weight.copy_(layer.weight[unit])
            block.mlp.c_proj.weight.copy_(block.mlp.c_proj.weight[:, unit])
    return model


@torch.no_grad()
def made_whole(model: GPT, scheme: Scheme) -> GPT:
    """Rounded to 4 bits in groups of 64, and multiplied in float32; embeddings have 8 bits as elsewhere.

    NF4 has no kernel on the CPU. Its scales have 8 bits, as QLoRA keeps them.
    """
    for block in model.h:
        for layer in (
            each for each in block.modules() if isinstance(each, nn.Linear)
        ):
            q = compress.quantize_weight(
                layer.weight, bits=4, group_size=64, scheme=scheme
            )
            q = compress.double_quantize(q) if scheme == "nf4" else q
            layer.weight.copy_(q.dequantize())
    model.wte.weight.copy_(compress.quantize_weight(model.wte.weight).dequantize())
    return model


def with_gptq(model: GPT, group_size: int) -> GPT:
    """Rounded by GPTQ for reviews that nothing is scored on, some 2,000 tokens."""
    texts = [text for text, _ in reviews("training_data", N_THRESHOLD)]
    ids = [token for text in texts for token in tokenizer.encode(text)]
    rows = torch.tensor(ids[: len(ids) // 128 * 128]).view(-1, 128)
    moments = compress.input_moments(model, rows)
    return compress.quantize(model, bits=4, group_size=group_size, moments=moments)


def without_least_heads(model: GPT) -> GPT:
    """Without the heads that are worth least."""
    least = recorded_worth()[0].flatten().argsort()[:HEADS].tolist()
    return compress.prune_heads(model, [divmod(place, 9) for place in least])


def without_any_heads(model: GPT) -> GPT:
    """Without as many heads drawn by chance."""
    drawn = torch.randperm(270, generator=torch.Generator().manual_seed(0))[:HEADS]
    return compress.prune_heads(
        model, [divmod(place, 9) for place in drawn.tolist()]
    )


def without_layers(model: GPT) -> GPT:
    """Without the layers that turn their input least."""
    out = set(recorded_worth()[1].argsort()[:LAYERS].tolist())
    model.h = nn.ModuleList(b for i, b in enumerate(model.h) if i not in out)
    model.config = dataclasses.replace(model.config, n_layer=30 - LAYERS)
    return model


def pruned(model: GPT, prune: Callable[[GPT], object]) -> GPT:
    """Zeros in place of weights."""
    prune(model)
    return model


int8 = compress.quantize
int4 = functools.partial(compress.quantize, bits=4)
VARIANTS: dict[str, Callable[[GPT], GPT]] = {
    "bf16": lambda m: m.to(torch.bfloat16),
    "int8": int8,
    "int4 g32": lambda m: int4(m, group_size=32),
    "int4 g64": lambda m: int4(m, group_size=64),
    "shuffled int8": lambda m: int8(shuffled(m)),
    "shuffled int4 g32": lambda m: int4(shuffled(m), group_size=32),
    "shuffled int4 g64": lambda m: int4(shuffled(m), group_size=64),
    "shuffled NF4 g64": lambda m: made_whole(shuffled(m), "nf4"),
    "float32 int4 g64": lambda m: made_whole(shuffled(m), "offset"),
    "shuffled GPTQ g32": lambda m: with_gptq(shuffled(m), 32),
    "magnitude 30%": lambda m: pruned(
        m, lambda x: compress.prune_magnitude(x, 0.3)
    ),
    "magnitude 50%": lambda m: pruned(
        m, lambda x: compress.prune_magnitude(x, 0.5)
    ),
    "2:4": lambda m: pruned(m, compress.prune_2_4),
    "27 least heads": without_least_heads,
    "27 heads by chance": without_any_heads,
    "3 layers": without_layers,
}
GROUPS = {
    "rounded": ("bf16", "int8", "int4 g32", "int4 g64"),
    "shuffled": tuple(
        n for n in VARIANTS if n.startswith("shuffled") and "GPTQ" not in n
    ),
    "float32": ("float32 int4 g64",),
    "gptq": ("shuffled GPTQ g32",),
    "pruned": tuple(VARIANTS)[-6:],
}
HEADER = ("variant", "review", "tokens", "nats", "same", "happy", "yes_above_no")


def rows_of(
    name: str, reader: Reader, right: Tensor | None, table: str, n: int
) -> Iterator[tuple[object, ...]]:
    """A row a review; ``right`` has the likeliest tokens of the plain model, one review behind the other."""
    start = 0
    for place, (text, stars) in enumerate(reviews(table, n)):
        nats, top, score = reader.read(text)
        theirs = top if right is None else right[start : start + len(top)]
        start += len(top)
        same, happy = int((top == theirs).sum()), int(stars == "great")
        yield name, place, len(top), round(nats, 4), same, happy, round(score, 4)


def record_plain() -> list[str]:
    """The plain model: the same reviews as its variants, others for its threshold, and its likeliest tokens."""
    own = Reader(plain)
    rows = list(rows_of("fp32", own, None, "testing_data", N))
    rows += rows_of("threshold", own, None, "training_data", N_THRESHOLD)
    tops = [own.read(text)[1] for text, _ in reviews("testing_data", N)]
    save_file({"likeliest": torch.cat(tops).int()}, HERE / "plain.safetensors")
    right = torch.cat(tops)
    reader = Reader(plain, compress.QuantizedKVCache)
    rows += rows_of("int8 cache", reader, right, "testing_data", N)
    write(HERE / "plain.csv", HEADER, rows)
    return ["plain.csv", "plain.safetensors"]


def record_group(group: str, n: int = N) -> list[str]:
    """Some variants on the same reviews."""
    right = load_file(HERE / "plain.safetensors")["likeliest"]
    rows: list[tuple[object, ...]] = []
    for name in GROUPS[group]:
        reader = Reader(VARIANTS[name](copy.deepcopy(plain)))
        rows += rows_of(name, reader, right, "testing_data", n)
    write(HERE / f"{group}.csv", HEADER, rows)
    return [f"{group}.csv"]


# Small networks


def trained(
    model: nn.Sequential,
    x: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int = 400,
    masks: dict[str, Tensor] | None = None,
) -> nn.Sequential:
    """The model after some steps on rows drawn at random; weights outside the masks stay 0."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=random)
        optimizer.zero_grad()
        loss(model(x[rows]), rows).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for path, mask in (masks or {}).items():
                model.get_submodule(path).get_parameter("weight").mul_(mask)
    return model.eval()


def network(*sizes: int, seed: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    torch.manual_seed(seed)
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    between = [each for layer in layers for each in (layer, nn.ReLU())]
    return nn.Sequential(*between[:-1])


@torch.no_grad()
def digits_row(
    model: nn.Sequential, x: Tensor, y: Tensor, bias: float
) -> tuple[float, float]:
    """Right of all and of the threes, where the logit of a three is raised."""
    logits = model(x)
    logits[:, 3] += bias
    right = (logits.argmax(1) == y).float()
    return round(right.mean().item(), 4), round(right[y == 3].mean().item(), 4)


def students(seed: int) -> Iterator[tuple[object, ...]]:
    """A teacher, students that saw labels or its answers, and students that never saw a three."""
    x, y = digits()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    x, y = x.flatten(1)[order], y[order]
    held, x, held_y, y = x[TRAINED:], x[:TRAINED], y[TRAINED:], y[:TRAINED]
    teacher = trained(
        network(64, 256, 10, seed=seed),
        x,
        lambda z, rows: F.cross_entropy(z, y[rows]),
    )
    with torch.no_grad():
        told = teacher(x)
    kept = torch.nonzero(y != 3)[:, 0]
    both = {"all digits": torch.arange(len(y)), "no threes": kept}
    yield seed, "teacher", "all digits", 0, *digits_row(teacher, held, held_y, 0)
    for seen, rows in both.items():
        for kind, alpha in (("labels", 0.0), ("teacher's answers", 1.0)):

            def loss(z: Tensor, batch: Tensor, rows=rows, alpha=alpha) -> Tensor:
                places = rows[batch]
                return compress.distillation_loss(
                    z, told[places], y[places], temperature=WARM, alpha=alpha
                )

            model = trained(network(64, 16, 10, seed=100 + seed), x[rows], loss)
            for bias in BIASES:
                yield seed, kind, seen, bias, *digits_row(model, held, held_y, bias)


def record_digits() -> list[str]:
    """Ten seeds, each with its own split."""
    header = (
        "seed",
        "learned_from",
        "saw",
        "bias_of_three",
        "right",
        "threes_right",
    )
    write(HERE / "digits.csv", header, (r for s in range(10) for r in students(s)))
    return ["digits.csv"]


def planted(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Twelve inputs, of which the first four decide; the next four only go along with them."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 12)).astype("float32")
    x[:, 4:8] = 0.7 * x[:, :4] + 0.71 * x[:, 4:8]
    decided = 1.5 * x[:, 0] - 1.5 * x[:, 1] + 2 * x[:, 2] * x[:, 3] > 0
    return torch.from_numpy(x), torch.from_numpy(decided).float()


def explained(model: nn.Sequential, x: Tensor) -> Tensor:
    """Integrated gradients from 0, in 32 steps: what each input adds to the output, [row, input]."""
    along = (torch.arange(32) + 0.5)[:, None, None] / 32 * x
    along.requires_grad_()
    (gradient,) = torch.autograd.grad(model(along.flatten(0, 1)).sum(), along)
    return x * gradient.mean(0)


def planted_rows(seed: int) -> Iterator[tuple[object, ...]]:
    """How often each network is right, and what part of its explanations falls on the inputs that decide."""
    x, y = planted(4_000, seed)
    held, held_y = planted(1_000, 1_000 + seed)

    def loss(z: Tensor, rows: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(z[:, 0], y[rows])

    whole = trained(network(12, 64, 64, 1, seed=seed), x, loss)
    found = {"whole": whole, "rounded to 4 bits": copy.deepcopy(whole)}
    with torch.no_grad():
        for layer in found["rounded to 4 bits"][::2]:
            small = compress.quantize_weight(layer.weight, bits=4).dequantize()
            layer.weight.copy_(small)
    found["pruned by 50%"] = copy.deepcopy(whole)
    compress.prune_magnitude(found["pruned by 50%"], 0.5)
    cut = copy.deepcopy(whole)
    masks = compress.prune_magnitude(cut, 0.8)
    found["pruned by 80%"] = copy.deepcopy(cut)
    found["pruned by 80%, trained on"] = trained(cut, x, loss, masks=masks)
    found["whole, trained on"] = trained(copy.deepcopy(whole), x, loss)
    found["8 units from the start"] = trained(
        network(12, 8, 8, 1, seed=seed), x, loss
    )
    for name, model in found.items():
        parts = explained(model, held[:300]).abs()
        on_truth = (parts[:, :4].sum(1) / parts.sum(1)).mean().item()
        right = ((model(held)[:, 0] > 0) == (held_y > 0)).float().mean().item()
        yield seed, name, round(right, 4), round(on_truth, 4)


def record_planted() -> list[str]:
    """Ten seeds, each with data of its own."""
    header = ("seed", "network", "right", "on_truth")
    rows = (row for seed in range(10) for row in planted_rows(seed))
    write(HERE / "planted.csv", header, rows)
    return ["planted.csv"]


RUNS = {
    "layers": Run(record_layers),
    "plain": Run(record_plain),
    **{name: Run(functools.partial(record_group, name)) for name in GROUPS},
    "digits": Run(record_digits, range(10)),
    "planted": Run(record_planted, range(10)),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

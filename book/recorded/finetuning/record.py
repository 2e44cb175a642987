"""Makes the recorded runs of the chapter *Fine-tuning* again: ``python book/recorded/finetuning/record.py``.

``prompted``: SmolLM2 as it is on requests of seven intents, told the labels, without and with solved examples.
``lora_0``, ``lora_1``, ``lora_2``, ``blocks_0``, ``all_0``: the same requests after adapters, the last blocks or all
weights were tuned on 70 examples, the number being the seed. A row a request: the right intent, the chosen one, whether
greedy decoding writes exactly the right one, the prompt's tokens, the labels' log-likelihoods. ``….texts``: losses of
other texts; ``….steps``: losses of training. ``adapter``: what the first seed trained. ``states``: what blocks make of
each request, at the prompt's last token.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from companion.data import ChoiceQuestion, benchmark_questions, r_table
from companion.finetune import (
    ChatBatches,
    LoRAConfig,
    add_lora,
    freeze,
    save_adapter,
)
from companion.models import GPT, smollm2
from companion.models.gpt_layers.cache import KVCache
from companion.models.hub.chat import ChatTokenizer
from companion.training import TrainConfig, fit, text_losses

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
LISTED = (
    "Which of these intents does the request have: {}? Answer with one of them."
)
END = "<|im_end|>"  # of an answer, by the chat template
SHORT = "Name the intent."  # for a model that was tuned and knows the labels
PER_INTENT = 10  # examples to learn from, of each intent
N_BLOCKS = 4  # of 30: the last ones, where only blocks are tuned
STEPS, BATCH = 42, 10  # six times through the examples
#: Adapters were first tried at 1e-3 over 28 steps, which left 1.4 nats a token on the rows that they learn from.
RATES = {"lora": 5e-3, "blocks": 5e-4, "all": 1e-4}
REVIEWS, LONGEST = 24, 300
TEXT_HEADER = ("nats", "tokens", "words", "bytes")
SHOTS = (0, 1)
LAYERS = (9, 14, 19, 24, 29)
HEADER = (
    "answer",
    "chosen",
    "written",
    "tokens",
    *(f"label_{i}" for i in range(7)),
)

Conversation = list[dict[str, str]]


# Requests


@cache
def split() -> tuple[list[ChoiceQuestion], list[ChoiceQuestion]]:
    """The requests to learn from, ten of each intent, the last ones in a shuffled order; and the others."""
    questions = benchmark_questions("intents")
    random.Random(0).shuffle(questions)
    places: dict[int, list[int]] = {}
    for place, question in enumerate(questions):
        places.setdefault(question.answer, []).append(place)
    kept = {place for each in places.values() for place in each[-PER_INTENT:]}
    learned = [questions[place] for place in sorted(kept)]
    return learned, [
        each for place, each in enumerate(questions) if place not in kept
    ]


def intents() -> tuple[str, ...]:
    """The seven labels."""
    return tuple(split()[0][0].choices)


def told(*, listed: bool) -> Conversation:
    """What the assistant is told first: with the labels, or without."""
    text = LISTED.format(", ".join(intents())) if listed else SHORT
    return [{"role": "system", "content": text}]


def asked(question: ChoiceQuestion) -> Conversation:
    """The user's message."""
    return [{"role": "user", "content": question.question}]


def solved(question: ChoiceQuestion, answer: int | None = None) -> Conversation:
    """A request with its answer, the right one by default."""
    label = question.choices[question.answer if answer is None else answer]
    return [*asked(question), {"role": "assistant", "content": label}]


def examples(n: int) -> Conversation:
    """A conversation in which ``n`` requests of each intent were answered right, in mixed order."""
    by_intent = [
        [each for each in split()[0] if each.answer == intent][:n]
        for intent in range(len(intents()))
    ]
    shown = [each for group in by_intent for each in group]
    random.Random(0).shuffle(shown)
    return told(listed=True) + [
        message for each in shown for message in solved(each)
    ]


# Scores


@torch.inference_mode()
def label_scores(
    model: GPT, tokenizer: ChatTokenizer, chat: Conversation, begun: KVCache | None
) -> tuple[list[float], list[bool]]:
    """Of each label its log-likelihood as an answer, and whether greedy decoding would write it, end included.

    ``begun`` has read what all chats begin with.
    """
    tokens = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
    [end] = [
        each for each in tokenizer.stop_tokens if tokenizer.decode([each]) == END
    ]
    labels = [[*tokenizer.encode(label), end] for label in intents()]
    longest = max(map(len, labels)) - 1
    read = KVCache(model.config, 1, len(tokens), model.ln_f.weight)
    if begun is not None:
        copy_cache(begun, read)
    first = model.cached_logits(torch.tensor([tokens[read.length :]]), read)[:, -1:]
    rest = torch.zeros(len(labels), longest, dtype=torch.long)
    for row, label in zip(rest, labels, strict=True):
        row[: len(label) - 1] = torch.tensor(label[:-1])
    going_on = KVCache(
        model.config, len(labels), len(tokens) + longest, model.ln_f.weight
    )
    copy_cache(read, going_on)
    more = model.cached_logits(rest, going_on)
    log_p = torch.cat([first.expand(len(labels), -1, -1), more], 1).log_softmax(2)
    scores, greedy = [], []
    for row, label in zip(log_p, labels, strict=True):
        steps = torch.arange(len(label))
        scores.append(round(row[steps[:-1], label[:-1]].sum().item(), 4))
        greedy.append(row[: len(label)].argmax(1).tolist() == label)
    return scores, greedy


def copy_cache(old: KVCache, new: KVCache) -> None:
    """Lets a cache go on where another of one row stands."""
    for into, out_of in zip(new.layers, old.layers, strict=True):
        into[:, :, : old.length] = out_of[:, :, : old.length]
    new.length = old.length


def score_rows(
    model: GPT,
    tokenizer: ChatTokenizer,
    before: Conversation,
    limit: int | None = None,
) -> Iterator[tuple[object, ...]]:
    """A row a request: right intent, chosen one, whether the right one is written, tokens, log-likelihoods."""
    chats = [before + asked(each) for each in split()[1][:limit]]
    begun = common_cache(model, tokenizer, chats)
    for question, chat in zip(split()[1][:limit], chats, strict=True):
        scores, greedy = label_scores(model, tokenizer, chat, begun)
        length = len(
            tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        )
        chosen = scores.index(max(scores))
        written = int(greedy[question.answer])
        yield question.answer, chosen, written, length, *scores


@torch.inference_mode()
def common_cache(
    model: GPT, tokenizer: ChatTokenizer, chats: Sequence[Conversation]
) -> KVCache:
    """A cache that has read the tokens with which all chats begin."""
    rows = [tokenizer.apply_chat_template(chat) for chat in chats[:20]]
    n = next(
        i
        for i, column in enumerate(zip(*rows, strict=False))
        if len(set(column)) > 1
    )
    cache_ = KVCache(model.config, 1, n, model.ln_f.weight)
    model.cached_logits(torch.tensor([rows[0][:n]]), cache_)
    return cache_


def general_rows(model: GPT, tokenizer: ChatTokenizer) -> list[tuple[object, ...]]:
    """Losses of reviews, which have nothing to do with intents: a row a text."""
    table = r_table("modeldata", "testing_data").sample(frac=1, random_state=0)
    texts = [
        " ".join(text.replace("<br />", " ").split()) for text in table["review"]
    ]
    texts = [text for text in texts if len(text) <= LONGEST][:REVIEWS]
    losses = text_losses(model, tokenizer, texts)
    return [tuple(row) for row in losses.round({"nats": 4}).itertuples(index=False)]


# Tuning


def prepare(model: GPT, method: str) -> None:
    """Says which weights move."""
    if method == "lora":
        add_lora(model, LoRAConfig(r=8, lora_alpha=16))
    elif method == "blocks":
        last = range(model.config.n_layer - N_BLOCKS, model.config.n_layer)
        freeze(model, but=tuple(f"h.{layer}." for layer in last))


def tuned(
    method: str, seed: int, steps: int = STEPS
) -> tuple[GPT, ChatTokenizer, list[tuple[object, ...]]]:
    """The assistant after its steps on the 70 examples, its tokenizer, and step by step the loss and seconds."""
    model, tokenizer = smollm2()
    torch.manual_seed(seed)
    prepare(model, method)
    chats = [told(listed=False) + solved(each) for each in split()[0]]
    config = TrainConfig(
        steps=steps,
        batch_size=BATCH,
        lr=RATES[method],
        warmup_steps=4,
        weight_decay=0.0,
        precision="bf16",
        device="cpu",
        seed=seed,
    )
    rows: list[tuple[object, ...]] = []

    def note_step(row: dict[str, float]) -> None:
        rows.append((row["step"], round(row["loss"], 4)))

    started = time.process_time()
    fit(
        model,
        ChatBatches(tokenizer, chats, block_size=512),
        config,
        watch=note_step,
    )
    rows = [
        (*row, round((time.process_time() - started) / steps, 2)) for row in rows
    ]
    return model.eval(), tokenizer, rows


def record_tuned(method: str, seed: int) -> list[str]:
    """Trains, then scores requests and other texts; keeps the adapters of the first seed."""
    model, tokenizer, steps = tuned(method, seed)
    run = f"{method}_{seed}"
    write(HERE / f"{run}.steps.csv", ("step", "loss", "seconds"), steps)
    files = [f"{run}.csv", f"{run}.steps.csv", f"{run}.texts.csv"]
    if (method, seed) == ("lora", 0):
        files += keep_adapter(model)
    write(
        HERE / f"{run}.csv",
        HEADER,
        score_rows(model, tokenizer, told(listed=False)),
    )
    write(HERE / f"{run}.texts.csv", TEXT_HEADER, general_rows(model, tokenizer))
    return files


def keep_adapter(model: GPT) -> list[str]:
    """Writes the adapters in half precision, and leaves the model with what was written."""
    moving = [each for each in model.parameters() if each.requires_grad]
    for each in moving:
        each.data = each.data.half()
    save_adapter(model, HERE / "adapter", base="SmolLM2-135M-Instruct")
    for each in moving:
        each.data = each.data.float()
    return ["adapter/adapter_config.json", "adapter/adapter_model.safetensors"]


def record_prompted() -> list[str]:
    """The model as it is: told the labels, then with an example of each intent too."""
    model, tokenizer = smollm2()
    files = []
    for shots in SHOTS:
        files.append(f"prompted.{shots}.csv")
        write(
            HERE / files[-1], HEADER, score_rows(model, tokenizer, examples(shots))
        )
    write(HERE / "prompted.texts.csv", TEXT_HEADER, general_rows(model, tokenizer))
    return [*files, "prompted.texts.csv"]


# A linear probe


@torch.inference_mode()
def states(
    model: GPT, tokenizer: ChatTokenizer, questions: list[ChoiceQuestion]
) -> Tensor:
    """What every third block makes of each request, at the prompt's last token: [layer, request, width]."""
    kept: list[Tensor] = []
    hooks = [
        model.h[layer].register_forward_hook(
            lambda block, given, made: kept.append(made[0, -1])
        )
        for layer in LAYERS
    ]
    chats = [told(listed=False) + asked(each) for each in questions]
    for chat in chats:
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        model._hidden(torch.tensor([ids]))  # the logits are not needed
    for hook in hooks:
        hook.remove()
    return torch.stack(kept).view(len(chats), len(LAYERS), -1).transpose(0, 1)


def record_states() -> list[str]:
    """Of all requests: those to learn from first, then the others; in half precision."""
    model, tokenizer = smollm2()
    learned, others = split()
    found = states(model, tokenizer, [*learned, *others])
    save_file({"states": found.half().contiguous()}, HERE / "states.safetensors")
    return ["states.safetensors"]


RUNS = {
    "lora_0": Run(partial(record_tuned, "lora", 0)),
    "prompted": Run(record_prompted),
    "blocks_0": Run(partial(record_tuned, "blocks", 0)),
    "states": Run(record_states),
    "all_0": Run(partial(record_tuned, "all", 0)),
    "lora_1": Run(partial(record_tuned, "lora", 1), (1,)),
    "lora_2": Run(partial(record_tuned, "lora", 2), (2,)),
}


if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

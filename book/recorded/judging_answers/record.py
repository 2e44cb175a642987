"""Makes the recorded runs of the chapter *Judging answers* again: ``python book/recorded/judging_answers/record.py``.

``choices``: variants of SmolLM2 on multiple choice, a row a variant and question, with the log-likelihood of each
choice; ``tuned``: the same with the first seed's adapter of *Fine-tuning*. ``written``: answers in its own words about
paragraphs. ``code``: programs for tasks of HumanEval. ``verdicts``: the assistant as a judge of sentences of reviews. ``preferences``: the assistant as a judge of two
replies, each pair in both orders. Each begins where it was broken off.
"""

import csv
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from companion.compress import prune_magnitude, quantize_weight
from companion.data import (
    ChoiceQuestion,
    OpenQuestion,
    benchmark_questions,
    human_eval,
    rated_sentences,
)
from companion.finetune import load_adapter, merge_and_unload
from companion.models import GPT, smollm2
from companion.models.gpt_layers.cache import KVCache
from companion.models.hub.chat import ChatTokenizer
from companion.training import solve_tasks, write_answers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record

HERE = Path(__file__).parent
SETS = {
    "general_knowledge": 60,
    "odd_one_out": 60,
    "addition": 60,
    "intents": 42,
}
SHOTS = 9  # questions of each set that only serve as examples: up to three draws of three
INTENTS = (
    "Predict the intent of the utterance. The possible choices for the intents are: add_to_playlist, "
    "book_restaurant, get_weather, play_music, search_screening_event, search_creative_work, and rate_book.\n\n"
)
JUDGE = (
    "Is this sentence from a product review positive or negative about the product? "
    "Answer with one word.\n\n"
)
SENTENCES, PASSAGES, TASKS, SAMPLES = 500, 12, 5, 8


# Variants


def plain(model: GPT) -> None:
    """The assistant as it is."""


def pruned(model: GPT, sparsity: float) -> None:
    """The smallest weights of each layer set to zero."""
    prune_magnitude(model, sparsity)


@torch.no_grad()
def rounded(model: GPT, bits: int, group_size: int | None, scheme: str) -> None:
    """The layers inside the blocks rounded to few bits; the arithmetic stays that of float32."""
    for each in model.h.modules():
        if isinstance(each, nn.Linear):
            kept = quantize_weight(
                each.weight,
                bits=bits,
                group_size=group_size,
                scheme=scheme,
            )
            each.weight.copy_(kept.dequantize())


def tuned(model: GPT) -> None:
    """With the adapter that *Fine-tuning* trained on 70 requests of the intents."""
    merge_and_unload(load_adapter(model, HERE.parent / "finetuning" / "adapter"))


#: What is done to the weights, how many examples it is shown, and which draw of them.
VARIANTS: dict[str, tuple[Callable[[GPT], None], int, int]] = {
    "plain": (plain, 0, 0),
    "3 examples": (plain, 3, 0),
    "nf4": (partial(rounded, bits=4, group_size=64, scheme="nf4"), 0, 0),
    "pruned 50%": (partial(pruned, sparsity=0.5), 0, 0),
    "pruned 30%": (partial(pruned, sparsity=0.3), 0, 0),
    "1 example": (plain, 1, 0),
    "int8": (partial(rounded, bits=8, group_size=None, scheme="symmetric"), 0, 0),
    "3 examples, draw 2": (plain, 3, 1),
    "tuned": (tuned, 0, 0),
}
ON_BOARD = [name for name in VARIANTS if name != "tuned"]


@cache
def assistant() -> tuple[GPT, ChatTokenizer]:
    """The model, whose weights variants change and :func:`variant` puts back, and its tokenizer."""
    return smollm2()


@cache
def original() -> dict[str, Tensor]:
    """The weights as they were."""
    return {key: each.clone() for key, each in assistant()[0].state_dict().items()}


def variant(name: str) -> GPT:
    """The assistant with that variant's weights."""
    weights = original()
    model = assistant()[0]
    model.load_state_dict(weights)
    VARIANTS[name][0](model)
    return model


# Multiple choice


def split(name: str) -> tuple[list[ChoiceQuestion], list[ChoiceQuestion]]:
    """Of a set, the questions that serve as examples, and those that are asked."""
    questions = benchmark_questions(name)
    random.Random(0).shuffle(questions)
    return questions[:SHOTS], questions[SHOTS : SHOTS + SETS[name]]


def asked(name: str, question: ChoiceQuestion) -> str:
    """A question as the model reads it, up to the answer."""
    if name == "intents":
        return f"Utterance: {question.question}\nIntent:"
    return f"Question: {question.question}\nAnswer:"


def header(name: str, shots: int, draw: int) -> str:
    """What stands before each question of a set: instructions, and examples with their answers."""
    shown = split(name)[0][3 * draw : 3 * draw + shots]
    solved = (
        f"{asked(name, each)} {each.choices[each.answer]}\n\n" for each in shown
    )
    return (INTENTS if name == "intents" else "") + "".join(solved)


def begin(model: GPT, text: str, room: int) -> KVCache:
    """A cache that has read a text."""
    kept = KVCache(model.config, 1, room, model.ln_f.weight)
    if text:
        model.cached_logits(torch.tensor([assistant()[1].encode(text)]), kept)
    return kept


def copies(model: GPT, kept: KVCache, rows: Sequence[int], more: int) -> KVCache:
    """A cache that goes on from rows of another, with room for more tokens."""
    copied = KVCache(model.config, len(rows), kept.length + more, model.ln_f.weight)
    for new, old in zip(copied.layers, kept.layers, strict=True):
        new[:, :, : kept.length] = old[rows, :, : kept.length]
    copied.length = kept.length
    return copied


@torch.inference_mode()
def choice_scores(
    model: GPT,
    kept: KVCache,
    questions: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
) -> list[list[float]]:
    """Log-likelihoods of each question's choices behind what the cache has read and the question.

    All are tokens; the questions have the same number of them.
    """
    read = copies(model, kept, [0] * len(questions), len(questions[0]))
    first = model.cached_logits(torch.tensor(questions), read)[:, -1]
    first = first.log_softmax(1)
    flat = [(row, each) for row, given in enumerate(choices) for each in given]
    scores = torch.stack([first[row, each[0]] for row, each in flat]).double()
    longest = max(len(each) for _, each in flat) - 1
    if longest:
        rest = torch.zeros(len(flat), longest, dtype=torch.long)
        for row, (_, each) in zip(rest, flat, strict=True):
            row[: len(each) - 1] = torch.tensor(each[:-1])
        going_on = copies(model, read, [row for row, _ in flat], longest)
        log_p = model.cached_logits(rest, going_on).log_softmax(2)
        for place, (_, each) in enumerate(flat):
            for step, token in enumerate(each[1:]):
                scores[place] += log_p[place, step, token]
    parts = scores.split([len(given) for given in choices])
    return [[round(score, 4) for score in part.tolist()] for part in parts]


def in_batches(lengths: Sequence[int], size: int = 8) -> Iterator[list[int]]:
    """Places of equal lengths, at most so many at a time."""
    same = defaultdict(list)
    for place, length in enumerate(lengths):
        same[length].append(place)
    for places in same.values():
        yield from (places[i : i + size] for i in range(0, len(places), size))


def choice_rows(
    name: str, limit: int | None = None
) -> Iterator[tuple[object, ...]]:
    """Of one variant, a row a question."""
    _, shots, draw = VARIANTS[name]
    model, encode = variant(name), assistant()[1].encode
    for each in SETS:
        questions = split(each)[1][:limit]
        with torch.inference_mode():
            kept = begin(model, header(each, shots, draw), 512)
        texts = [encode(asked(each, question)) for question in questions]
        found: dict[int, list[float]] = {}
        for places in in_batches(list(map(len, texts))):
            choices = [
                [encode(f" {choice}") for choice in questions[place].choices]
                for place in places
            ]
            scores = choice_scores(
                model, kept, [texts[place] for place in places], choices
            )
            found.update(zip(places, scores, strict=True))
        for number in range(len(questions)):
            yield name, each, number, " ".join(map(str, found[number]))


# Answers in its own words


def passages(n: int) -> list[OpenQuestion]:
    """The questions of the n shortest paragraphs, with a request to be brief."""
    questions = benchmark_questions("squad")
    groups = sorted(
        {each.group for each in questions},
        key=lambda group: min(
            len(each.question) for each in questions if each.group == group
        ),
    )[:n]
    return [
        OpenQuestion(
            f"{each.question} Answer in a few words.", each.answers, each.group
        )
        for each in questions
        if each.group in groups
    ]


def written_rows(name: str, n: int = PASSAGES) -> Iterator[tuple[object, ...]]:
    """Of one variant, a row a question."""
    questions = passages(n)
    rows = write_answers(
        variant(name), assistant()[1], questions, max_new_tokens=20, batch_size=5
    )
    for number, row in enumerate(rows.itertuples()):
        yield name, row.group, number, " ".join(row.prediction.split())


# Programs


def code_rows(place: str) -> Iterator[tuple[object, ...]]:
    """Programs for one of the tasks with the shortest prompts and solutions."""
    tasks = sorted(human_eval(), key=lambda task: len(task.prompt + task.solution))
    [row] = solve_tasks(
        variant("plain"),
        assistant()[1],
        [tasks[int(place)]],
        n_samples=SAMPLES,
        temperature=0.8,
        max_new_tokens=72,
        seed=100 * int(place),
    ).itertuples()
    for sample, outcome in enumerate(row.outcomes):
        yield place, row.task, sample, outcome


# A judge


def sentences() -> list[int]:
    """Which sentences are judged: of all that are no longer than 100 characters, drawn once."""
    table = rated_sentences()
    short = table.index[table["text"].str.len().between(10, 100)].tolist()
    return sorted(random.Random(0).sample(short, SENTENCES))


def verdict_rows(part: str) -> Iterator[tuple[object, ...]]:
    """A hundred sentences: log-likelihoods of the first tokens of Positive and Negative."""
    model, tokenizer, table = variant("plain"), assistant()[1], rated_sentences()
    places = sentences()[100 * int(part) :][:100]
    texts = [chat(tokenizer, JUDGE + table["text"][place]) for place in places]
    shared = next(
        i for i, row in enumerate(zip(*texts, strict=False)) if len(set(row)) > 1
    )
    with torch.inference_mode():
        kept = KVCache(model.config, 1, shared, model.ln_f.weight)
        model.cached_logits(torch.tensor([texts[0][:shared]]), kept)
    rest = [text[shared:] for text in texts]
    answers = [tokenizer.encode(word)[:1] for word in ("Positive", "Negative")]
    for batch in in_batches(list(map(len, rest))):
        scores = choice_scores(
            model, kept, [rest[i] for i in batch], [answers] * len(batch)
        )
        for i, pair in zip(batch, scores, strict=True):
            yield part, places[i], *pair


def chat(tokenizer: ChatTokenizer, text: str) -> list[int]:
    """A request by the chat template, up to the answer."""
    asked = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(asked, add_generation_prompt=True)


def preference_rows(order: str) -> Iterator[tuple[object, ...]]:
    """All pairs in one order, as they stand or the other way round: log-likelihoods of A and B."""
    model, encode = variant("plain"), assistant()[1].encode
    kept = KVCache(model.config, 1, 1, model.ln_f.weight)
    answers = [encode(" A"), encode(" B")]
    for number, pair in enumerate(benchmark_questions("preferences")):
        one, two = pair.choices if order == "as listed" else pair.choices[::-1]
        text = (
            f"Request: {pair.question}\n\nReply A: {one}\n\nReply B: {two}\n\n"
            "Which reply is better, A or B? The better reply is Reply"
        )
        [scores] = choice_scores(model, kept, [encode(text)], [answers])
        yield order, number, *scores


# Files


def extend(
    file: str,
    header: tuple[str, ...],
    parts: Iterable[str],
    rows: Callable[[str], Iterator[tuple[object, ...]]],
) -> list[str]:
    """Writes a part after the other behind those that a table has; the first column names the part."""
    path = HERE / file
    done: set[str] = set()
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as table:
            done = {row[0] for row in csv.reader(table)}
    for part in parts:
        if part in done:
            continue
        made = list(rows(part))
        with path.open("a", newline="", encoding="utf-8") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerows([header, *made] if table.tell() == 0 else made)
        print(f"  {part}", flush=True)
    return [file]


RUNS = {
    "choices": Run(
        partial(
            extend,
            "choices.csv",
            ("variant", "set", "question", "log_likelihoods"),
            ON_BOARD,
            choice_rows,
        )
    ),
    "tuned": Run(
        partial(
            extend,
            "tuned.csv",
            ("variant", "set", "question", "log_likelihoods"),
            ["tuned"],
            choice_rows,
        )
    ),
    "verdicts": Run(
        partial(
            extend,
            "verdicts.csv",
            ("part", "sentence", "positive", "negative"),
            [str(part) for part in range(SENTENCES // 100)],
            verdict_rows,
        )
    ),
    "preferences": Run(
        partial(
            extend,
            "preferences.csv",
            ("order", "pair", "a", "b"),
            ["as listed", "swapped"],
            preference_rows,
        )
    ),
    "code": Run(
        partial(
            extend,
            "code.csv",
            ("place", "task", "sample", "outcome"),
            [str(place) for place in range(TASKS)],
            code_rows,
        ),
        [100 * place for place in range(TASKS)],
    ),
    "written": Run(
        partial(
            extend,
            "written.csv",
            ("variant", "passage", "question", "prediction"),
            ["plain"],
            written_rows,
        )
    ),
}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

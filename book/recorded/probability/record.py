"""Makes the recorded run of the chapter *Probability* again: ``python book/recorded/probability/record.py``.

``answers``: how long SmolLM2 works on requests about real reviews, one at a time: a label of one word, or a reply.
A row a request: its kind, the tokens of the prompt and of the answer, and the processor's seconds on one thread.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from companion.data import r_table
from companion.models import GPT, smollm2
from companion.models.hub.chat import ChatTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recording import Run, record, write

HERE = Path(__file__).parent
PROMPTS = {
    "label": "Is the writer of this review happy? Answer yes or no.\n\n",
    "reply": "Write a short, friendly reply to this review.\n\n",
}
LIMITS = {"label": 4, "reply": 256}  # tokens of an answer
N, LONGEST, SEED = 100, 600, 0  # requests of a kind, characters of a review

Row = tuple[str, int, int, float]


def reviews() -> list[str]:
    """Real reviews of food, drawn once, spaces put in order."""
    table = r_table("modeldata", "training_data").sample(frac=1, random_state=SEED)
    texts = (" ".join(text.split()) for text in table["review"])
    return [text for text in texts if len(text) <= LONGEST]


def answer(
    model: GPT, tokenizer: ChatTokenizer, kind: str, review: str, seed: int
) -> Row:
    """One request, served alone."""
    asked = [{"role": "user", "content": PROMPTS[kind] + review}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True)
    started = time.process_time()
    written = model.generate(
        torch.tensor([prompt]),
        LIMITS[kind],
        temperature=0.7,
        seed=seed,
        stop_tokens=tokenizer.stop_tokens,
    )
    seconds = time.process_time() - started
    return kind, len(prompt), written.shape[1] - len(prompt), round(seconds, 3)


def rows(n: int) -> Iterator[Row]:
    """The first ``n`` requests of each kind; no review is used twice."""
    model, tokenizer = smollm2()
    texts = reviews()
    answer(model, tokenizer, "label", texts[-1], SEED)  # warms up
    for i in range(n):
        yield answer(model, tokenizer, "label", texts[2 * i], SEED + i)
        yield answer(model, tokenizer, "reply", texts[2 * i + 1], SEED + i)


def record_answers() -> None:
    """All requests of both kinds."""
    header = ("kind", "prompt_tokens", "answer_tokens", "seconds")
    write(HERE / "answers.csv", header, rows(N))


RUNS = {"answers": Run(record_answers, (SEED,), ("pandas",))}

if __name__ == "__main__":
    record(__file__, __doc__, RUNS)

"""Rows of a running batch draw what each would draw alone, whenever they join and leave."""

import pytest
import torch

from companion.models import GPT, GPTConfig
from companion.serving import Batch, Sampling
from companion.serving.batch import Row

PROMPTS = [[1, 2, 3], [7], [4, 5, 6, 7, 8, 9, 10], [3] * 20]


def gpt(positions: str) -> GPT:
    torch.manual_seed(0)
    config = GPTConfig(50, 64, n_layer=2, n_head=2, n_embd=16, positions=positions)  # type: ignore[arg-type]
    return GPT(config).double().eval()


def run(model: GPT, prompts: list[list[int]], options: list[Sampling], every: int) -> list[list[int]]:
    """A prompt joins every few steps; a row leaves when it has all its tokens."""
    batch, rows, written = Batch(model), list[Row](), list[list[int]]()
    for step in range(200):
        if step % every == 0 and len(rows) < len(prompts):
            rows.append(batch.join(prompts[len(rows)], options[len(rows)]))
            written.append([rows[-1].last])
        batch.leave([row for row in batch.rows if row.written == row.sampling.max_new_tokens])
        batch.step()
        for row, tokens in zip(rows, written, strict=True):
            if row.written > len(tokens):
                tokens.append(row.last)
    assert not batch.rows
    return written


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("every", [1, 3, 50])
def test_greedy_rows_are_those_of_generate(positions: str, every: int) -> None:
    model = gpt(positions)
    alone = [model.generate(torch.tensor([p]), 20, temperature=0)[0, len(p) :].tolist() for p in PROMPTS]
    assert run(model, PROMPTS, [Sampling(20, temperature=0)] * 4, every) == alone


def test_drawn_rows_do_not_depend_on_their_neighbors() -> None:
    model = gpt("rotary")
    options = [Sampling(5 + 3 * i, temperature=1.3, top_p=0.9, seed=i) for i in range(4)]
    alone = [run(model, [p], [o], 1)[0] for p, o in zip(PROMPTS, options, strict=True)]
    assert run(model, PROMPTS, options, 2) == alone
    assert len({tuple(tokens[:5]) for tokens in alone}) > 1
    generated = model.generate(torch.tensor([PROMPTS[1]]), 8, temperature=1.3, top_p=0.9, seed=1)
    assert generated[0, 1:].tolist() == alone[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens of at least 1"),
        ({"max_new_tokens": 1, "temperature": -1}, "temperature of at least 0"),
        ({"max_new_tokens": 1, "top_p": 0}, r"top_p in \(0, 1\]"),
    ],
)
def test_bad_options_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sampling(**options)  # type: ignore[arg-type]

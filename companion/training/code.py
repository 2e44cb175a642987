"""Programs that a language model writes, decided by tests; the rows go into :func:`companion.stats.pass_at_k_ci`."""

import re
from collections.abc import Sequence

import pandas as pd
import torch

from companion.data.code_tasks import CodeTask
from companion.models import GPT, ChatTokenizer
from companion.training.sandbox import run_limited

#: Where a function has ended: what begins in the first column is no part of it (Chen et al. 2021, section 2.1).
_ENDS = re.compile(r"\n(?=class |def |#|if |print|@|```)")


def solve_tasks(
    model: GPT,
    tokenizer: ChatTokenizer,
    tasks: Sequence[CodeTask],
    *,
    n_samples: int = 1,
    temperature: float = 0.2,
    max_new_tokens: int = 256,
    seconds: float = 10,
    seed: int | None = None,
) -> pd.DataFrame:
    """The model goes on with each task's prompt, several times; each program is run by :func:`run_limited`.

    Args:
        model: in evaluation mode meanwhile.
        tokenizer: the model's.
        tasks: such as :func:`companion.data.human_eval`.
        n_samples: programs a task; for pass@k at least k.
        temperature: of the drawing; 0.2 for pass@1 and 0.8 for many tries were best in the paper.
        max_new_tokens: tokens of a program, at most; what stands behind the function is cut off.
        seconds: that a program may take.
        seed: of the drawing.

    Returns:
        A row a task, with ``task`` (its name), ``n_samples``, ``n_correct``, ``completions`` and ``outcomes`` (tuples).

    Raises:
        ValueError: for no task, or as :meth:`companion.models.GPT.generate`.

    Example:
        >>> from companion.data import train_tokenizer
        >>> from companion.models import GPTConfig
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=64, n_layer=1, n_head=2, n_embd=8))
        >>> task = CodeTask("one", "def one():\\n", "one", "def check(f):\\n    assert f() == 1\\n", "    return 1\\n")
        >>> solve_tasks(model, tokenizer, [task], n_samples=2, max_new_tokens=8, seed=0)["n_correct"].tolist()
        [0]
    """
    if not len(tasks):
        raise ValueError("expected at least one task, got none")
    rows = []
    for place, task in enumerate(tasks):
        prompt = torch.tensor([tokenizer.encode(task.prompt.rstrip("\n") + "\n")] * n_samples)
        whole = model.generate(
            prompt.to(next(model.parameters()).device),
            max_new_tokens,
            temperature=temperature,
            seed=None if seed is None else seed + place,
            stop_tokens=tokenizer.stop_tokens,
        )
        written = [tokenizer.decode(row, skip_special_tokens=True) for row in whole[:, prompt.shape[1] :]]
        completions = [_ENDS.split(text, maxsplit=1)[0] for text in written]
        outcomes = [run_limited(task.program(text.replace("\0", "")), seconds=seconds) for text in completions]
        rows.append(
            {
                "task": task.name,
                "n_samples": n_samples,
                "n_correct": outcomes.count("passed"),
                "completions": tuple(completions),
                "outcomes": tuple(outcomes),
            }
        )
    return pd.DataFrame(rows)

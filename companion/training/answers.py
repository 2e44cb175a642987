"""What an assistant answers, scored question by question; the rows go into :mod:`companion.stats` as they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from companion.data import ChoiceQuestion, OpenQuestion, pad_left
from companion.models import GPT, ChatTokenizer
from companion.training.likelihood import Continuation, encode_continuation, log_likelihoods
from companion.training.text_scores import answer_f1, exact_match


def choose_answers(
    model: GPT,
    tokenizer: ChatTokenizer,
    questions: Sequence[ChoiceQuestion],
    *,
    chat: bool = False,
    batch_size: int = 8,
) -> pd.DataFrame:
    r"""Multiple choice by log-likelihood: the model chooses what it finds likeliest behind the question.

    The two definitions of lm-evaluation-harness: ``by_sum`` takes the choice with the largest
    :math:`\log p(y \mid x)` (its accuracy is their ``acc``), ``by_length`` that with the largest
    :math:`\log p(y \mid x) / |y|`, where :math:`|y|` counts the choice's characters (their ``acc_norm``). Which of the
    two is fairer depends on the questions: long choices lose by the sum whatever they say. Decide before you look.

    Args:
        model: in evaluation mode meanwhile.
        tokenizer: the model's.
        questions: at least one. The model sees the question as it is, a space, and the choice.
        chat: ask as in a conversation, by the chat template, and take the choice for the whole of the answer's
            beginning, without a space before it.
        batch_size: choices at a time. The logits take 4 · batch_size · time · vocab_size bytes.

    Returns:
        A row a question, with ``answer`` (the right place), ``by_sum`` and ``by_length`` (the chosen places, from 0),
        ``n_choices``, ``group``, and ``log_likelihoods``, a tuple with one a choice, in nats.

    Raises:
        ImportError: with ``chat``, where Jinja2 is not installed.
        ValueError: for no question; with ``chat``, where there is no template; or as :func:`log_likelihoods`.

    Example:
        >>> from companion.data import train_tokenizer
        >>> from companion.models import GPTConfig
        >>> from companion.stats import metric_ci
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=2, n_embd=8))
        >>> questions = [ChoiceQuestion("2 + 2 =", ["4", "5"], 0), ChoiceQuestion("2 + 3 =", ["4", "5"], 1)]
        >>> rows = choose_answers(model, tokenizer, questions)
        >>> score = metric_ci(rows["answer"], rows["by_sum"])  # of models: compare_paired(answer, by_sum, by_sum)
        >>> list(rows.columns)
        ['answer', 'by_sum', 'by_length', 'n_choices', 'group', 'log_likelihoods']
    """
    _check_some(questions)
    pairs = [_pair(tokenizer, each.question, choice, chat) for each in questions for choice in each.choices]
    scores = log_likelihoods(model, pairs, batch_size=batch_size)
    ends = np.cumsum([len(each.choices) for each in questions])
    rows = []
    for each, of_choices in zip(questions, np.split(scores, ends[:-1]), strict=True):
        rows.append(
            {
                "answer": each.answer,
                "by_sum": int(of_choices.argmax()),
                "by_length": int((of_choices / [len(choice) for choice in each.choices]).argmax()),
                "n_choices": len(each.choices),
                "group": each.group,
                "log_likelihoods": tuple(of_choices.tolist()),
            }
        )
    return pd.DataFrame(rows)


def write_answers(
    model: GPT,
    tokenizer: ChatTokenizer,
    questions: Sequence[OpenQuestion],
    *,
    chat: bool = True,
    max_new_tokens: int = 48,
    batch_size: int = 8,
) -> pd.DataFrame:
    """The model answers in its own words, greedily; each answer is held to the right ones.

    Args:
        model: in evaluation mode meanwhile.
        tokenizer: the model's.
        questions: at least one.
        chat: ask as in a conversation, by the chat template; else the model goes on with the question's text, and what
            it says up to the first line break is its answer.
        max_new_tokens: tokens an answer, at most; it ends before where the model ends it.
        batch_size: questions at a time.

    Returns:
        A row a question, with ``prediction`` (the text), ``exact`` (:func:`exact_match`, 0 or 1), ``f1``
        (:func:`answer_f1`), ``group``.

    Raises:
        ImportError: with ``chat``, where Jinja2 is not installed.
        ValueError: for no question; with ``chat``, where there is no template; or as
            :meth:`companion.models.GPT.generate`, such as for too many tokens.

    Example:
        >>> from companion.data import train_tokenizer
        >>> from companion.models import GPTConfig
        >>> from companion.stats import mean_ci
        >>> tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=2, n_embd=8))
        >>> questions = [OpenQuestion("2 + 2 =", ["4"]), OpenQuestion("2 + 3 =", ["5", "five"])]
        >>> rows = write_answers(model, tokenizer, questions, chat=False, max_new_tokens=4)
        >>> score = mean_ci(rows["f1"], bounds=(0, 1))
        >>> list(rows.columns)
        ['prediction', 'exact', 'f1', 'group']
    """
    _check_some(questions)
    prompts = [_prompt(tokenizer, each.question, chat) for each in questions]
    texts = [""] * len(prompts)
    order = np.argsort([len(prompt) for prompt in prompts], kind="stable").tolist()
    for places in (order[i : i + batch_size] for i in range(0, len(order), batch_size)):
        written = _written(model, tokenizer, [prompts[place] for place in places], max_new_tokens)
        for place, text in zip(places, written, strict=True):
            texts[place] = text.strip() if chat else text.strip().partition("\n")[0].strip()
    scored = zip(texts, questions, strict=True)
    return pd.DataFrame(
        [
            {
                "prediction": text,
                "exact": exact_match(text, each.answers),
                "f1": answer_f1(text, each.answers),
                "group": each.group,
            }
            for text, each in scored
        ]
    )


def _written(model: GPT, tokenizer: ChatTokenizer, prompts: list[list[int]], max_new_tokens: int) -> list[str]:
    tokens, mask = pad_left(prompts, next(model.parameters()).device)
    whole = model.generate(tokens, max_new_tokens, temperature=0, stop_tokens=tokenizer.stop_tokens, padding_mask=mask)
    return [tokenizer.decode(row, skip_special_tokens=True) for row in whole[:, tokens.shape[1] :]]


def _pair(tokenizer: ChatTokenizer, question: str, choice: str, chat: bool) -> Continuation:
    if chat:
        return Continuation(_prompt(tokenizer, question, chat), tokenizer.encode(choice))
    return encode_continuation(tokenizer, question, f" {choice}")


def _prompt(tokenizer: ChatTokenizer, question: str, chat: bool) -> list[int]:
    if chat:
        return tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True)
    return tokenizer.encode(question.rstrip()) or [tokenizer.end_of_text]


def _check_some(questions: Sequence[ChoiceQuestion] | Sequence[OpenQuestion]) -> None:
    if not len(questions):
        raise ValueError("expected at least one question, got none")


def scores_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each question what the model earned, from 0 to 1, in a column a score."""
    if "answer" not in rows:
        return rows[["exact", "f1"]].rename(columns={"exact": "exact match", "f1": "F1 of words"})
    rights = {"likeliest choice": "by_sum", "likeliest a character": "by_length"}
    return pd.DataFrame({name: (rows[chosen] == rows["answer"]).astype(float) for name, chosen in rights.items()})

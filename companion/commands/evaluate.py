"""``python -m companion evaluate``: what an assistant scores on questions, alone or beside another."""

import argparse
from pathlib import Path

import pandas as pd

from companion import data, runtime, training
from companion.commands.opening import ASSISTANT, PLACES, open_model
from companion.commands.options import reader
from companion.commands.question_scores import print_difference, print_scores

Questions = list[data.ChoiceQuestion] | list[data.OpenQuestion]


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    rows = (
        'JSON lines such as {"question": "2 + 2 =", "choices": ["4", "5"], "answer": "4"}, or {"question": "2 + 2?", '
        '"answers": ["4", "four"]}; a field "group" names what questions share that are alike'
    )
    for name, kind, default, text in (
        ("data", str, None, rows),
        ("model", str, ASSISTANT, f"{PLACES} (default: {ASSISTANT})"),
        ("against", str, None, "another model, as for --model, that is asked the same questions"),
        ("limit", int, None, "ask this many of the questions, the first ones"),
        ("max-new-tokens", int, 48, "tokens of a written answer, at most (default: 48)"),
        ("batch-size", int, 8, "questions, or choices, at a time (default: 8)"),
        ("out", str, None, "CSV file for a row a question and model"),
        ("device", str, "auto", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    ):
        flag, metavar = f"--{name}", {int: "N", str: "TEXT"}[kind]
        parser.add_argument(
            flag, type=reader(kind, flag), default=default, metavar=metavar, help=text, required=name == "data"
        )
    chat = "ask by the chat template, or let the model go on with the question (default: for answers it writes itself)"
    parser.add_argument("--chat", action=argparse.BooleanOptionalAction, default=None, help=chat)


def run(options: argparse.Namespace) -> None:
    """Asks one model, or one after the other; prints scores with intervals, and the paired difference."""
    for name in ("limit", "max_new_tokens", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"expected --{name.replace('_', '-')} of at least 1, got {value}")
    questions = data.read_questions(options.data)[: options.limit]
    runtime.pick_device(options.device)  # what is wrong with it is said before a model is read
    if options.out is not None and not Path(options.out).parent.is_dir():
        raise FileNotFoundError(f"expected --out in a folder that exists, got {options.out}")
    places = [place for place in (options.model, options.against) if place is not None]
    tables = [_asked(place, questions, options) for place in places]
    if options.out is not None:
        named = [
            rows.assign(model=place, question=range(len(rows))) for place, rows in zip(places, tables, strict=True)
        ]
        pd.concat(named).to_csv(options.out, index=False)
    for place, rows in zip(places, tables, strict=True):
        print_scores(place, rows)
    if options.against is not None:
        print_difference(options.model, options.against, *tables)


def _asked(place: str, questions: Questions, options: argparse.Namespace) -> pd.DataFrame:
    model, tokenizer = open_model(place)
    model.to(runtime.pick_device(options.device))
    size = options.batch_size
    if isinstance(questions[0], data.ChoiceQuestion):
        return training.choose_answers(model, tokenizer, questions, chat=bool(options.chat), batch_size=size)
    chat = tokenizer.template is not None if options.chat is None else options.chat
    return training.write_answers(
        model, tokenizer, questions, chat=chat, max_new_tokens=options.max_new_tokens, batch_size=size
    )  # fmt: skip

"""``python -m companion generate``: a trained GPT writes."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from companion import data, runtime
from companion.commands.options import reader
from companion.models import GPT, ChatTokenizer

HELP = "write text with a trained GPT"


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    for name, kind, default, text in (
        ("model", str, None, "folder that pretrain wrote, or a .gguf file"),
        ("prompt", str, "", "text to go on from; none starts a new text"),
        (
            "max-new-tokens",
            int,
            100,
            "tokens to write at most, about 3 bytes each; the end of a text ends it (default: 100)",
        ),
        ("temperature", float, 0.8, "0 takes the likeliest token, 1 draws as learned (default: 0.8)"),
        ("top-k", int, None, "draw from this many of the likeliest tokens"),
        ("top-p", float, None, "draw from the fewest tokens that reach this probability"),
        ("seed", int, None, "the same seed writes the same text"),
        ("device", str, "auto", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    ):
        flag, required = f"--{name}", name == "model"
        metavar = {int: "N", float: "X", str: "TEXT"}[kind]
        parser.add_argument(
            flag, type=reader(kind, flag), default=default, required=required, metavar=metavar, help=text
        )


def run(options: argparse.Namespace) -> None:
    """Prints the prompt, and what the model writes after it as it is drawn."""
    folder = Path(options.model)
    model = GPT.from_pretrained(folder)
    own = folder.suffix == ".gguf"
    tokenizer = (
        ChatTokenizer.from_pretrained(folder).tokenizer if own else data.load_tokenizer(folder / "tokenizer.json")
    )
    model.to(runtime.pick_device(options.device))
    end = data.end_of_text_id(tokenizer)
    prompt = data.encode(tokenizer, [options.prompt])[:-1].tolist() if options.prompt else []
    written = model.generate_stream(
        data.as_batch(np.array([end, *prompt]), next(model.parameters()).device),
        options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        stop_tokens=[end],
    )
    _show(tokenizer, prompt, (int(token) for token in written))


def _show(tokenizer: Tokenizer, prompt: list[int], written: Iterable[int]) -> None:
    """Prints text as soon as its characters are whole: one of three bytes may be three tokens."""
    tokens, text = list(prompt), tokenizer.decode(prompt)
    print(text, end="", flush=True)
    shown = len(text)
    for token in written:
        tokens.append(token)
        text = tokenizer.decode(tokens)
        whole = len(text.rstrip("\ufffd"))
        print(text[shown:whole], end="", flush=True)
        shown = max(shown, whole)
    print(text[shown:])

"""``python -m companion generate``: a trained GPT writes."""

import argparse
from itertools import takewhile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from companion import data, runtime
from companion.commands.options import reader
from companion.models import GPT, ChatTokenizer
from companion.models.hub.gguf import find_gguf
from companion.models.hub.text_stream import TextStream


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    for name, kind, default, text in (
        (
            "model",
            str,
            None,
            "folder that pretrain wrote, or a .gguf file; one for conversations goes on with the text as any other",
        ),
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
    path, device = Path(options.model), runtime.pick_device(options.device)
    model = GPT.from_pretrained(path).to(device)
    tokenizer, before, stop_tokens = _reading(path, new=not options.prompt)
    prompt = tokenizer.encode(options.prompt, add_special_tokens=False).ids
    written = model.generate_stream(
        data.as_batch(np.array([*before, *prompt]), device),
        options.max_new_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        stop_tokens=stop_tokens,
    )
    text = TextStream(tokenizer.decode, before=prompt)
    print(text.before, end="", flush=True)
    for piece in text.pieces(int(token) for token in written):
        print(piece, end="", flush=True)
    print()


def _reading(path: Path, *, new: bool) -> tuple[Tokenizer, list[int], list[int]]:
    """The model's tokenizer, the tokens that stand before a prompt, and those that end a text.

    Before a prompt stands what the tokenizer itself puts there, such as a beginning of text. In the texts of pretrain
    that is the end of the text before, with which any other model begins a text that has no prompt.
    """
    if find_gguf(path) is None:
        tokenizer = data.load_tokenizer(path / "tokenizer.json")
        end = data.end_of_text_id(tokenizer)
        return tokenizer, _put_before(tokenizer) or [end], [end]
    chat = ChatTokenizer.from_pretrained(path)
    before = _put_before(chat.tokenizer)
    return chat.tokenizer, before or [chat.end_of_text] * new, chat.stop_tokens


def _put_before(tokenizer: Tokenizer) -> list[int]:
    encoding = tokenizer.encode("a")
    marked = takewhile(lambda pair: pair[1], zip(encoding.ids, encoding.special_tokens_mask, strict=True))
    return [token for token, _ in marked]

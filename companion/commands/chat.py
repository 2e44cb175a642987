"""``python -m companion chat``: an assistant in the terminal."""

import argparse
import contextlib
import sys
from collections.abc import Generator

from companion import runtime
from companion.commands.chat_session import ChatSession
from companion.commands.opening import ASSISTANT, PLACES, open_model
from companion.commands.options import reader
from companion.models.sampling import check_filters, check_temperature


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    for name, kind, default, text in (
        ("model", str, ASSISTANT, f"{PLACES} (default: {ASSISTANT})"),
        ("prompt", str, None, "one message: prints the answer and ends, without a conversation"),
        ("system", str, None, "what the assistant is told before the conversation"),
        ("max-new-tokens", int, 400, "tokens of an answer at most, about 4 bytes each (default: 400)"),
        ("temperature", float, 0.2, "0 takes the likeliest token, 1 draws as learned (default: 0.2)"),
        ("top-k", int, None, "draw from this many of the likeliest tokens"),
        ("top-p", float, 0.9, "draw from the fewest tokens that reach this probability (default: 0.9)"),
        ("seed", int, None, "the same seed gives the same answers to the same messages"),
        ("device", str, "auto", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    ):
        flag, metavar = f"--{name}", {int: "N", float: "X", str: "TEXT"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Answers one message, or message after message until the input ends."""
    if options.max_new_tokens < 1:
        raise ValueError(f"expected --max-new-tokens of at least 1, got {options.max_new_tokens}")
    check_temperature(options.temperature)
    check_filters(options.top_k, options.top_p)
    device = runtime.pick_device(options.device)
    model, tokenizer = open_model(options.model)
    session = ChatSession(
        model.to(device),
        tokenizer,
        system=options.system,
        max_new_tokens=options.max_new_tokens,
        options={
            "temperature": options.temperature,
            "top_k": options.top_k,
            "top_p": options.top_p,
            "seed": options.seed,
        },
    )
    if options.prompt is not None:
        _print(session.answer(options.prompt))
    else:
        _talk(session, options.model)


def _talk(session: ChatSession, name: str) -> None:
    """Asks for messages until the input ends; Ctrl-C ends an answer, or where there is none the conversation."""
    asks = sys.stdin.isatty()
    if asks:
        with contextlib.suppress(ImportError):  # lines that can be edited, where the system has it
            import readline  # noqa: F401
        print(f"{name}: Ctrl-C stops an answer, Ctrl-D ends the conversation.", flush=True)
    while True:
        try:
            said = input("> " if asks else "")
        except (EOFError, KeyboardInterrupt) as end:
            print(end="\n" if asks else "")
            if isinstance(end, KeyboardInterrupt):
                raise
            return
        if said.strip():
            _answer(session, said)


def _answer(session: ChatSession, said: str) -> None:
    known = session.forgotten
    try:
        _print(session.answer(said))
    except KeyboardInterrupt:
        print(" …", flush=True)
    except ValueError as error:  # the conversation goes on without this message
        print(f"error: {error}", file=sys.stderr)
    if session.forgotten > known:
        print(f"(no room: {session.forgotten} of the first questions are forgotten)", file=sys.stderr)


def _print(pieces: Generator[str, None, None]) -> None:
    with contextlib.closing(pieces):  # so that an answer that is cut short is remembered as far as it went
        for piece in pieces:
            print(piece, end="", flush=True)
    print(flush=True)

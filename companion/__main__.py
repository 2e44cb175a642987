"""The command line: ``python -m companion COMMAND``."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from companion.commands import recipes
from companion.commands.options import Parser

#: Each is a module of ``companion.commands``, imported when it is asked for: all of them take seconds.
_COMMANDS = {
    "pretrain": "train a GPT on text of your own, or on the docstrings of installed packages",
    "generate": "write text with a trained GPT",
    "finetune": "teach an assistant conversations of your own, by low-rank adapters",
    "chat": "talk to an assistant in the terminal",
    "evaluate": "score an assistant on questions of your own, with an interval, alone or beside another",
    "estimate": "say what a model needs to be trained and served: operations, memory, time and money",
    "serve": "serve a chat model on this machine, with OpenAI's API and a chat page",
    "voice": "listen to a spoken order, say what it means, and obey in a simulated home",
    "ask": "answer a question by a quotation from this book or your documents, or say that it does not know",
    "imaging": "look for regions in one medical slice; no medical device",
    "picture": "say whether people made what a picture shows, how surely, and which training pictures are nearest",
    "recommend": "recommend items to each user of a file of ratings: what, why, beside the most popular",
    "score": "score applicants for credit: points, reasons, and a decision at the stated cost",
    "match": "find pictures for words, or words for a picture, among 1,391 pictograms",
    "apps": "serve the cases as one page on this machine: upload or type, and see the answer",
    "dataroom": "make the folder that investors and customers ask for from a run: each number with its file",
    "decide": "write a decision memo from a plan: GO, NO-GO or LEARN, and what would change the answer",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status.

    0, 2 for what the user can put right, 130 after Ctrl-C, 141 where nobody reads the output any more.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal cannot show is no reason to end
        sys.stdout.reconfigure(errors="replace")
    try:
        options = _parser(arguments[:1]).parse_args(recipes.expand(arguments))
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads the output has had enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would flush, and complain
        return 141  # what a shell reports of a process that SIGPIPE ended
    except argparse.ArgumentError as error:
        known = error.message.startswith("expected --")
        return _refused(error.message if known else f"expected other options, got these ({error})")
    except (ValueError, OSError, ImportError, OverflowError) as error:
        return _refused(str(error))
    except (MemoryError, RuntimeError) as error:
        from companion import runtime

        if not runtime.is_out_of_memory(error):
            raise
        return _refused(f"expected a run that fits the memory, got one that does not ({error!r}): take smaller sizes")
    except KeyboardInterrupt as stop:
        where = f": {stop}; the same command goes on from there" if str(stop) else ""
        print(f"interrupted{where}", file=sys.stderr)
        return 130
    return 0


def _refused(why: str) -> int:
    line = " ".join(why.split())  # one line, whatever a library says
    print(f"error: {line if line.startswith('expected ') else f'expected this to work, got: {line}'}", file=sys.stderr)
    return 2


def _parser(chosen: Sequence[str] = tuple(_COMMANDS)) -> Parser:
    """The parser of all commands, of which those that are ``chosen`` have their options."""
    parser = Parser(
        prog="python -m companion", description="Trains, adapts, talks to, scores and serves language models, here."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        of_one = commands.add_parser(name, help=text)
        if name in chosen:
            command = import_module(f"companion.commands.{name}")
            of_one.set_defaults(run=command.run)
            command.add(of_one)
            if name in recipes.COMMANDS:
                recipes.add(of_one, name)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m companion COMMAND``."""

import argparse
import sys
from collections.abc import Sequence

from companion import runtime
from companion.commands import generate, pretrain, serve
from companion.commands.options import Parser

_COMMANDS = {"pretrain": pretrain, "generate": generate, "serve": serve}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for what the user can put right, 130 after Ctrl-C."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except argparse.ArgumentError as error:
        known = error.message.startswith("expected --")
        return _refused(error.message if known else f"expected other options, got these ({error})")
    except (ValueError, OSError, ImportError, OverflowError) as error:
        return _refused(str(error))
    except (MemoryError, RuntimeError) as error:
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


def _parser() -> Parser:
    parser = Parser(
        prog="python -m companion",
        description="Trains a GPT on text that is on this machine, writes with it, and serves it.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        of_one = commands.add_parser(name, help=command.HELP)
        of_one.set_defaults(run=command.run)
        command.add(of_one)
    return parser


if __name__ == "__main__":
    sys.exit(main())

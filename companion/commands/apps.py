"""``python -m companion apps``: the cases as one page on this machine."""

import argparse

from companion.commands.options import reader


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--port", type=reader(int, "--port"), default=8001, metavar="N", help="port (default: 8001)")


def run(options: argparse.Namespace) -> None:
    """Serves until Ctrl-C or SIGTERM."""
    try:
        from companion.cases.apps import AppServer
        from companion.serving.server import check_port
    except ImportError as error:
        raise ImportError(
            f"expected FastAPI, uvicorn and what the cases read, got none ({error}): run pip install "
            '"large-models-companion[pretrained,serving,speech,imaging]"'
        ) from error
    check_port("127.0.0.1", options.port)
    print(f"the cases at http://127.0.0.1:{options.port} (Ctrl-C ends it)", flush=True)
    AppServer().run(options.port)

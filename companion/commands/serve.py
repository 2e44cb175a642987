"""``python -m companion serve``: a model behind OpenAI's chat API, and a chat page."""

import argparse
import os
from pathlib import Path

from companion import runtime
from companion.commands.opening import ASSISTANT, PLACES, open_model
from companion.commands.options import reader

KEY_VARIABLE = "COMPANION_API_KEYS"


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    for name, kind, default, text in (
        ("model", str, ASSISTANT, f"{PLACES} (default: {ASSISTANT})"),
        (
            "host",
            str,
            "127.0.0.1",
            f"address; another than loopback needs keys in the variable {KEY_VARIABLE}, by commas",
        ),
        ("port", int, 8000, "port (default: 8000)"),
        ("max-batch", int, 8, "requests that are answered at the same time (default: 8)"),
        ("max-waiting", int, 64, "requests in line, beyond which others are refused (default: 64)"),
        ("log", str, None, "file for one line a request, without what was said"),
        ("device", str, "auto", "auto, cpu, cuda, cuda:1, mps (default: auto)"),
    ):
        flag = f"--{name}"
        metavar = {int: "N", str: "TEXT"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Serves until Ctrl-C or SIGTERM."""
    try:
        from companion.serving import Server
        from companion.serving.server import check_host, check_port
    except ImportError as error:
        raise ImportError(
            f'expected FastAPI and uvicorn, got none ({error}): run pip install "large-models-companion[serving]"'
        ) from error
    keys = [key.strip() for key in os.environ.get(KEY_VARIABLE, "").split(",") if key.strip()]
    check_host(options.host, keys)  # before the model is loaded
    check_port(options.host, options.port)
    model, tokenizer = open_model(options.model)
    name = Path(options.model).stem
    server = Server(
        model.to(runtime.pick_device(options.device)),
        tokenizer,
        name=name,
        keys=keys,
        log=options.log,
        max_batch=options.max_batch,
        max_waiting=options.max_waiting,
    )
    print(f"{name} at http://{options.host}:{options.port} (API below /v1; Ctrl-C ends it)", flush=True)
    server.run(options.host, options.port)

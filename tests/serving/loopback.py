"""Servers on loopback, their clients, and patience."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openai
import uvicorn

from companion.serving import Server


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The server in a thread of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = uvicorn.Server(uvicorn.Config(server.app, port=port, log_level="error", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=served.run)
    thread.start()
    until = time.monotonic() + 20
    while not served.started and time.monotonic() < until:
        time.sleep(0.01)
    assert served.started
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        served.should_exit = True
        thread.join()


def client(address: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=30)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()

"""A server for one model on one machine, with OpenAI's chat API: for trying, measuring and planning.

Who outgrows it writes the model with ``save_pretrained`` and starts vLLM on that folder: clients keep their code.
"""

import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from companion.models import GPT, ChatTokenizer
from companion.serving.engine import BusyError, Engine
from companion.serving.pages import page_of
from companion.serving.protocol import ChatRequest, error_body
from companion.serving.reply import Reply
from companion.serving.request_log import RequestLog, key_label

MAX_BODY = 2**20  # bytes


class Server:
    """A model behind ``POST /v1/chat/completions``, ``GET /v1/models``, ``GET /health`` and a chat page at ``/``.

    Args:
        model: the language model.
        tokenizer: with a chat template.
        name: what clients call the model.
        keys: API keys; with none, everybody who reaches the server is served, and it runs on loopback only.
        log: a file for one line a request, without what was said; none for no log.
        limits: what :class:`companion.serving.Engine` takes by name: ``max_batch``, ``max_waiting``, ``max_positions``.

    Raises:
        ValueError: for a tokenizer without a chat template, or a limit out of its range.
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: ChatTokenizer,
        *,
        name: str,
        keys: Sequence[str] = (),
        log: str | Path | None = None,
        **limits: int | None,
    ) -> None:
        if tokenizer.template is None:
            raise ValueError("expected a tokenizer with a chat template, got one without: is it a chat model?")
        if not all(keys):
            raise ValueError("expected keys with at least one character each, got an empty one")
        self.name, self.keys, self.tokenizer = name, tuple(keys), tokenizer
        self.engine = Engine(model, tokenizer.stop_tokens, **limits)  # type: ignore[arg-type]
        self.log = RequestLog(Path(log)) if log is not None else None
        self.app = self._app()

    def run(self, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Serves until SIGINT or SIGTERM; requests that have begun get up to 30 s to end.

        Raises:
            ValueError: for another host than loopback where there is no key.
        """
        check_host(host, self.keys)
        uvicorn.run(self.app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=30)

    @contextmanager
    def in_thread(self) -> Iterator[str]:
        """Serves on a free port of loopback from a thread, as long as this is open, and gives its address.

        For notebooks and tests, where :meth:`run` would not return.

        Raises:
            RuntimeError: where it has not started within 20 seconds.

        Example:
            ``with server.in_thread() as address: openai.OpenAI(base_url=f"{address}/v1", api_key="none")``
        """
        with in_thread(self.app) as address:
            yield address

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.engine.start()
        yield
        self.engine.close(finish=False)

    def _app(self) -> FastAPI:
        app = FastAPI(lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        app.middleware("http")(self._guard)
        app.exception_handler(RequestValidationError)(_bad_request)
        app.exception_handler(HTTPException)(_http_error)
        app.post("/v1/chat/completions", response_model=None)(self._chat)
        app.get("/v1/models")(self._models)
        app.get("/health")(self._health)
        app.get("/", response_class=HTMLResponse)(self._page)
        return app

    async def _guard(self, request: Request, go_on: Any) -> Response:
        """Refuses foreign pages, bodies that are too large, and requests to the API without a key."""
        if not self.keys and not is_loopback(request.url.hostname or ""):
            return _refusal(403, "expected this server by its own address, got another name for it")
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not length.isdecimal():
            return _refusal(411, "expected a Content-Length, got none: send the body in one piece")
        if length.isdecimal() and int(length) > MAX_BODY:
            return _refusal(413, f"expected a body of at most {MAX_BODY:,} bytes, got {length}")
        request.state.key = self._key(request.headers.get("authorization", ""))
        if self.keys and request.url.path.startswith("/v1/") and request.state.key is None:
            return _refusal(
                401,
                "expected a known API key (Authorization: Bearer …), got none",
                "invalid_api_key",
            )
        return await go_on(request)

    def _key(self, authorization: str) -> str | None:
        """The label of the key that a request gave, where it is one of ours."""
        given = authorization.removeprefix("Bearer ").encode()
        return next((key_label(key) for key in self.keys if hmac.compare_digest(key.encode(), given)), None)

    async def _chat(self, body: ChatRequest, request: Request) -> Response:
        if body.model != self.name:
            return _refusal(404, f"expected model {self.name!r}, got {body.model!r}", "model_not_found")
        reply = Reply(self, body, request.state.key)
        try:
            reply.submit()
        except (ValueError, BusyError) as error:
            status = 429 if isinstance(error, BusyError) else 400
            reply.end(status)
            return _refusal(status, str(error))
        if body.stream:
            return StreamingResponse(reply.stream(), media_type="text/event-stream")
        return await reply.whole(request)

    async def _models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": self.name, "object": "model", "created": 0, "owned_by": "local"}]}

    async def _health(self) -> dict[str, Any]:
        return {"status": "ok", "running": self.engine.running, "waiting": self.engine.waiting}

    async def _page(self) -> str:
        page = page_of("companion.serving")
        return page.replace('"MODEL"', json.dumps(self.name)).replace('"KEYS"', json.dumps(bool(self.keys)))


@contextmanager
def in_thread(app: FastAPI) -> Iterator[str]:
    """Serves an app on a free port of loopback from a thread, as long as this is open, and gives its address.

    Raises:
        RuntimeError: where it has not started within 20 seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=served.run, name="server", daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not served.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    try:
        if not served.started:
            raise RuntimeError(f"expected the server to start on port {port} within 20 s, and it did not: see its log")
        yield f"http://127.0.0.1:{port}"
    finally:
        served.should_exit = True
        thread.join()


def check_host(host: str, keys: Sequence[str]) -> None:
    """Refuses to serve a network without keys.

    Raises:
        ValueError: saying what to do.
    """
    if not keys and not is_loopback(host):
        raise ValueError(
            f"expected a loopback address such as 127.0.0.1 for a server without API keys, got {host!r}: give it a key"
        )


def check_port(host: str, port: int) -> None:
    """Refuses a port that another program has, before a model is read: uvicorn would say it afterwards.

    Raises:
        ValueError: for a number that is no port.
        OSError: where nobody can listen there, saying why.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"expected --port from 0 to {2**16 - 1}, got {port}")
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise OSError(f"expected a free port at {host}, got {port} ({error}): take another --port") from error


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(status: int, message: str, code: str | None = None) -> JSONResponse:
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    headers = {"Retry-After": "1"} if status == 429 else None
    return JSONResponse(error_body(message, kind, code), status, headers)


async def _bad_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refusal(400, f"expected a body in JSON, got none ({first['ctx']['error']})")
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return _refusal(400, f"expected another request, got {where}: {first['msg']}")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    wanted = "a body in JSON" if error.status_code == 400 else "a known path and method"
    return _refusal(error.status_code, f"expected {wanted}, got none ({error.detail})")

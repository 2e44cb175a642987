"""A server for the page: loopback only, one request at a time, no foreign page may ask it."""

import base64
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response

from companion.cases.apps.answers import APPS, AppAnswer
from companion.serving.pages import page_of
from companion.serving.server import in_thread, is_loopback

MAX_BODY = 2**25  # bytes: as many as the largest upload that a case takes
MAX_TEXT = 2_000  # letters


class AppServer:
    """The page at ``/``, the list of cases at ``GET /apps``, and their answers at ``POST /apps/{name}``.

    A body of ``text/plain`` is what somebody typed; any other is a file, whose name stands in ``?name=``.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self.app.middleware("http")(_guard)
        self.app.get("/", response_class=HTMLResponse)(_page)
        self.app.get("/apps")(_list)
        self.app.post("/apps/{name}")(self._answer)

    def run(self, port: int = 8001) -> None:
        """Serves on 127.0.0.1 until SIGINT or SIGTERM."""
        uvicorn.run(self.app, host="127.0.0.1", port=port, log_level="warning")

    @contextmanager
    def in_thread(self) -> Iterator[str]:
        """Serves on a free port as long as this is open, and gives its address; for tests and notebooks."""
        with in_thread(self.app) as address:
            yield address

    async def _answer(self, name: str, request: Request) -> JSONResponse:
        body = await request.body()
        typed = request.headers.get("content-type", "").startswith("text/plain")
        try:
            answer = await run_in_threadpool(self._computed, name, body, typed, request.query_params.get("name", ""))
        except (ValueError, OSError, ImportError) as error:
            return _refusal(400, " ".join(str(error).split()))
        picture = None if answer.picture is None else base64.b64encode(answer.picture).decode()
        return JSONResponse({"answer": answer.answer, "rows": answer.rows, "picture": picture})

    def _computed(self, name: str, body: bytes, typed: bool, file_name: str) -> AppAnswer:
        app = APPS.get(name)
        if app is None:
            raise ValueError(f"expected one of {', '.join(APPS)}, got {name!r}")
        with self._one_at_a_time:
            if typed:
                text = body.decode("utf-8", "strict").strip()
                if app.text is None or not 0 < len(text) <= MAX_TEXT:
                    raise ValueError(
                        f"expected a {'file' if app.text is None else f'text of at most {MAX_TEXT:,} letters'}"
                    )
                return app.text(text)
            suffix = Path(file_name).suffix.lower()
            if app.file is None or suffix not in app.suffixes or not body:
                wanted = ", ".join(app.suffixes) or "none: type a text"
                raise ValueError(
                    f"expected a file of {wanted}, got {Path(file_name).name[:80]!r} of {len(body):,} bytes"
                )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"upload{suffix}"
                path.write_bytes(body)
                try:
                    return app.file(path)
                except ValueError as error:  # speaks of the file as the reader knows it
                    raise ValueError(str(error).replace(str(path), Path(file_name).name[:80])) from error


async def _guard(request: Request, go_on: Any) -> Response:
    """Refuses other names for this machine, requests from foreign pages, and bodies that are too large."""
    if not is_loopback(request.url.hostname or ""):
        return _refusal(403, "expected this server by its own address, got another name for it")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return _refusal(403, "expected a request from this page, got one from another")
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not (length.isdecimal() and int(length) <= MAX_BODY):
        return _refusal(
            413, f"expected a body of at most {MAX_BODY:,} bytes that says its length, got {length or 'none'}"
        )
    response: Response = await go_on(request)
    response.headers["content-security-policy"] = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    )
    return response


def _page() -> str:
    return page_of("companion.cases.apps")


def _list() -> list[dict[str, object]]:
    return [
        {"name": name, "title": app.title, "about": app.about, "text": app.text is not None, "hint": app.hint,
         "suffixes": list(app.suffixes)}
        for name, app in APPS.items()
    ]  # fmt: skip


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)

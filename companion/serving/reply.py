"""One request to the server, from its prompt to its last piece of text, and its line in the log."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from companion.models.hub.text_stream import TextStream
from companion.serving.batch import Sampling
from companion.serving.engine import Event, Ticket
from companion.serving.protocol import Answer, ChatRequest, error_body, usage
from companion.serving.request_log import Entry

if TYPE_CHECKING:
    from companion.serving.server import Server

DEFAULT_LIMIT = 512  # tokens of an answer, where a request says nothing and the context has room


class Reply:
    """Hands a request to the engine, and turns its tokens into OpenAI's bodies."""

    def __init__(self, server: "Server", body: ChatRequest, key: str | None) -> None:
        self._server, self._body, self._began = server, body, time.perf_counter()
        self._answer = Answer(server.name)
        self._text = TextStream(partial(server.tokenizer.decode, skip_special_tokens=True), body.stop)
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ticket: Ticket | None = None
        self._entry = Entry(self._answer.id, key, body.stream)

    def submit(self) -> None:
        """Puts the request in line.

        Raises:
            BusyError: as :meth:`companion.serving.Engine.submit`.
            ValueError: for a conversation that the template refuses, or that does not fit the context.
        """
        messages = [message.model_dump() for message in self._body.messages]
        tokens = self._server.tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        room = self._server.engine.model.config.block_size - len(tokens)
        sampling = Sampling(
            self._body.limit or max(1, min(room, DEFAULT_LIMIT)),
            temperature=self._body.temperature,
            top_p=None if self._body.top_p == 1 else self._body.top_p,
            seed=self._body.seed,
        )
        loop = asyncio.get_running_loop()
        ticket = Ticket(tokens, sampling, lambda event: _tell(loop, self._events, event))
        self._entry.prompt_tokens = len(tokens)
        self._server.engine.submit(ticket)
        self._ticket = ticket

    async def whole(self, request: Request) -> Response:
        """The answer in one piece."""
        pieces = []
        try:
            async for piece in self._pieces(request):
                pieces.append(piece)
        except RuntimeError as error:
            self.end(500)
            return JSONResponse(error_body(str(error), "server_error"), 500)
        self.end(200)
        return JSONResponse(self._answer.whole("".join(pieces), self._entry.finish or "stop", self._usage()))

    async def stream(self) -> AsyncIterator[str]:
        """The answer as server-sent events."""
        status = 499  # the client went away
        try:
            yield _sse(self._answer.chunk({"role": "assistant", "content": ""}))
            async for piece in self._pieces():
                yield _sse(self._answer.chunk({"content": piece}))
            yield _sse(self._answer.chunk({}, self._entry.finish))
            if self._body.stream_options is not None and self._body.stream_options.include_usage:
                yield _sse(self._answer.usage(self._usage()))
            yield "data: [DONE]\n\n"
            status = 200
        except RuntimeError as error:
            status = 500
            yield _sse(error_body(str(error), "server_error"))
        finally:
            self.end(status)

    def end(self, status: int) -> None:
        """Lets go of the engine, and writes the log's line."""
        if self._ticket is not None and self._entry.finish is None:
            self._ticket.cancel()
        self._entry.status, self._entry.total_s = status, self._since()
        if self._server.log is not None:
            self._server.log.add(self._entry)

    async def _pieces(self, request: Request | None = None) -> AsyncIterator[str]:
        """Text as it becomes whole; sets ``finish``.

        Raises:
            RuntimeError: where the engine could not finish, or nobody waits any more.
        """
        while self._entry.finish is None:
            event = await self._events.get()
            if event.error is not None:
                raise RuntimeError(f"expected the model to answer, got {event.error!r}")
            if event.finish == "cancelled" or (request is not None and await request.is_disconnected()):
                raise RuntimeError("expected to finish this answer, got a server that is shutting down")
            if piece := self._take(event):
                yield piece

    def _take(self, event: Event) -> str:
        piece = ""
        if event.token is not None:
            self._entry.completion_tokens += 1
            if self._entry.first_token_s is None:
                self._entry.first_token_s = self._since()
            piece = self._text.push(event.token)
        if self._text.stopped and self._ticket is not None:
            self._ticket.cancel()
            self._entry.finish = "stop"
        elif event.finish is not None:
            piece += self._text.flush()
            self._entry.finish = event.finish
        return piece

    def _usage(self) -> dict[str, int]:
        return usage(self._entry.prompt_tokens, self._entry.completion_tokens)

    def _since(self) -> float:
        return round(time.perf_counter() - self._began, 4)


def _tell(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event], event: Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(events.put_nowait, event)


def _sse(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

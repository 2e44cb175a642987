"""What OpenAI's chat API sends and expects: requests held to what this server does, answers, errors."""

import time
import uuid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from companion.models.hub.chat_template import Role


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid")
    role: Role
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, content: object) -> object:
        """The text of parts of text, as many clients send it, a line each; a picture is no text."""
        parts = content if isinstance(content, list) else []
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        whole = bool(parts) and len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
        return "\n".join(map(str, texts)) if whole else content


class StreamOptions(BaseModel):
    """What a stream ends with."""

    model_config = ConfigDict(extra="forbid")
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The body of ``POST /v1/chat/completions``. Unknown fields are refused: they could change the answer.

    A field of null is as an absent one, for clients send all that they know.
    """

    model_config = ConfigDict(extra="forbid")
    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
    stop: list[str] = Field(default_factory=list, max_length=4)
    n: Literal[1] = 1
    presence_penalty: Literal[0] = 0
    frequency_penalty: Literal[0] = 0
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, body: object) -> object:
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body

    @field_validator("stop", mode="before")
    @classmethod
    def _as_list(cls, stop: object) -> object:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("stop")
    @classmethod
    def _not_empty(cls, stop: list[str]) -> list[str]:
        if not all(stop):
            raise ValueError("expected stop texts with at least one character each, got an empty one")
        return stop

    @property
    def limit(self) -> int | None:
        """The most tokens that the answer may have, where the request says so."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens


class Answer:
    """One answer's identity, and the bodies that tell of it."""

    def __init__(self, model: str) -> None:
        self.id, self._model, self._created = f"chatcmpl-{uuid.uuid4().hex}", model, int(time.time())

    def whole(self, text: str, finish: str, usage: dict[str, int]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage}

    def chunk(self, delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        """A piece of a streamed answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage(self, usage: dict[str, int]) -> dict[str, Any]:
        """The last piece, where it was asked for."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self._created, "model": self._model}


def usage(prompt: int, completion: int) -> dict[str, int]:
    """Counts of tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}

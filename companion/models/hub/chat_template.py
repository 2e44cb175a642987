"""Conversations as text, by the Jinja2 template that comes with a model."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn, get_args

#: Who says a message.
Role = Literal["system", "user", "assistant"]
#: One message: its ``role``, a :data:`Role`, its ``content``, a text, and what else a template may know.
Message = Mapping[str, Any]


def check_messages(messages: Sequence[Message]) -> None:
    """Refuses what is no conversation.

    Raises:
        ValueError: for no message, or one that is not a known role with a text.
    """
    if not isinstance(messages, Sequence) or not messages:
        raise ValueError(f"expected a list of at least one message, got {messages!r}")
    for message in messages:
        known = isinstance(message, Mapping) and message.get("role") in get_args(Role)
        if not known or not isinstance(message.get("content"), str):
            raise ValueError(f"expected a message with role in {get_args(Role)} and content a text, got {message!r}")


def render(
    template: str, messages: Sequence[Message], *, add_generation_prompt: bool, special: Mapping[str, str]
) -> str:
    """The conversation as one text, rendered as transformers does: in a sandbox, since templates are others' programs.

    Departure: there is no date (``strftime_now``), without which templates take one of their own: a conversation has
    the same tokens on every day, so that a run can go on tomorrow.

    Raises:
        ImportError: where Jinja2 is not installed.
        ValueError: where the template is damaged, or refuses the conversation.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise ImportError(
            'expected Jinja2 to render a chat, got none: run pip install "large-models-companion[pretrained]"'
        )
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(text: str) -> NoReturn:
        raise TemplateError(text)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = raise_exception
    try:
        return environment.from_string(template).render(
            messages=messages, add_generation_prompt=add_generation_prompt, tools=None, documents=None, **special
        )
    except Exception as error:  # a program may fail in any way
        raise ValueError(f"expected a conversation that the model's chat template takes, got: {error}") from error

"""A tiny chat model, and servers of it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from companion.data import train_tokenizer
from companion.models import GPT, ChatTokenizer, GPTConfig
from companion.serving import Server

TEMPLATE = """{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


@pytest.fixture(scope="session")
def tokenizer() -> ChatTokenizer:
    return ChatTokenizer(
        train_tokenizer(["a question and an answer, é"], 270), TEMPLATE, {"eos_token": "<|endoftext|>"}
    )


@pytest.fixture(scope="session")
def model(tokenizer: ChatTokenizer) -> GPT:
    torch.manual_seed(0)
    config = GPTConfig(tokenizer.vocab_size, 256, n_layer=2, n_head=2, n_embd=32, positions="rotary")
    return GPT(config).double().eval()  # float64: rows of a batch then draw what they draw alone


@pytest.fixture
def make(model: GPT, tokenizer: ChatTokenizer) -> Callable[..., Server]:
    def build(**options: Any) -> Server:
        return Server(model, tokenizer, name="tiny", **options)

    return build

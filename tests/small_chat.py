"""A chat model of no knowledge and few numbers, in a folder, for tests of what works with any."""

from pathlib import Path

import torch

from companion.data import train_tokenizer
from companion.models import GPT, ChatTokenizer, GPTConfig

TEMPLATE = """\
{%- for m in messages %}{{ m.role[0] }}:{{ m.content }}<|endoftext|>
{% endfor %}{% if add_generation_prompt %}a:{% endif %}"""


def small_tokenizer(template: str | None = TEMPLATE) -> ChatTokenizer:
    """A token a byte."""
    return ChatTokenizer(train_tokenizer(["a text"], 257), template, {"eos_token": "<|endoftext|>"})


def write_chat_model(folder: Path, *, seed: int = 0, template: str | None = TEMPLATE, block_size: int = 256) -> str:
    """A Llama that writes letters and spaces, and sometimes ends."""
    torch.manual_seed(seed)
    model = GPT(
        GPTConfig(
            vocab_size=257, block_size=block_size, n_layer=1, n_head=2, n_embd=16, n_inner=44, positions="rotary",
            norm="rms", feed_forward="swiglu", tied=False,
        )
    )  # fmt: skip
    tokenizer = small_tokenizer(template)
    likely = [tokenizer.encode(letter)[0] for letter in "abcdefghijklmnopqrstuvwxyz  "] + [tokenizer.end_of_turn]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    quiet = torch.full((257, 1), 0.1)
    quiet[likely] = 1.5
    model.lm_head.weight.data *= quiet
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)

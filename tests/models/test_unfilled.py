"""Models without weights."""

import subprocess
import sys

import torch

from companion.models import GPT, GPTConfig
from companion.models.hub.unfilled import unfilled

CONFIG = GPTConfig(vocab_size=31, block_size=13, n_layer=2, n_head=3, n_embd=15)


def test_shapes_are_those_of_the_model() -> None:
    with unfilled():
        model = GPT(CONFIG)
    shapes = {name: tensor.shape for name, tensor in GPT(CONFIG).named_parameters()}
    assert {name: tensor.shape for name, tensor in model.named_parameters()} == shapes
    assert all(tensor.is_meta for tensor in model.parameters())


def test_random_starts_are_as_before_afterwards() -> None:
    with unfilled():
        torch.nn.Linear(3, 5)
    assert torch.nn.init.ones_(torch.nn.init.normal_(torch.zeros(7))).eq(1).all()
    assert torch.nn.init.normal_(torch.zeros(7)).ne(0).all()


def test_torch_dynamo_is_not_loaded() -> None:
    code = """
import sys, torch
from companion.models.hub.unfilled import unfilled
with unfilled():
    torch.nn.Embedding(31, 5), torch.nn.Linear(5, 3)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

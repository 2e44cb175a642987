"""Models that are short enough to read and good enough to use."""

from companion.models.gpt import GPT, GPTConfig
from companion.models.mlp import MLP, MLPConfig
from companion.models.ngram import NGram

__all__ = ["GPT", "MLP", "GPTConfig", "MLPConfig", "NGram"]

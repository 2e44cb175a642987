r"""GPT-2: a decoder-only transformer language model (Radford et al. 2019).

With token embeddings :math:`E`, position embeddings :math:`P`, and pre-norm blocks (Vaswani et al. 2017, with the
normalisation moved before each sub-layer):

.. math::

    h^{(0)}_t = E_{x_t} + P_t, \qquad
    u^{(l)} = h^{(l-1)} + \mathrm{Attention}(\mathrm{LN}(h^{(l-1)})), \qquad
    h^{(l)} = u^{(l)} + \mathrm{MLP}(\mathrm{LN}(u^{(l)})),

    p(x_{t+1} \mid x_{\le t}) = \mathrm{softmax}(\mathrm{LN}(h^{(L)}_t)\, E^\top).

The output weights are the token embeddings (tied). Attention is causal: position t sees positions up to t only.
Departure from the paper: ``bias=False`` by default leaves the additive constants out of linear layers and
normalisations, which costs no quality at these sizes and makes the model smaller.

Axes: batch; time (position in the sequence); width (``n_embd``); head (``n_head``); dim (width / head); vocab.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.checks import check_dropout, check_sizes, check_values, values_are_hidden
from companion.models.gpt2_folder import read_sizes, read_weights, write_folder
from companion.models.sampling import sample
from companion.models.weights import copy_weights

IGNORED = -100


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a :class:`GPT`. The defaults are those of GPT-2 'small', but for ``bias``.

    Attributes:
        vocab_size: number of distinct tokens.
        block_size: longest sequence, in tokens.
        n_layer: number of blocks.
        n_head: attention heads a block; divides ``n_embd``.
        n_embd: width of the residual stream, in numbers a token.
        dropout: probability with which activations are dropped in training.
        bias: whether linear layers and normalisations have additive constants, as GPT-2 has.

    Raises:
        ValueError: naming the field and the value that cannot be.
    """

    vocab_size: int = 50_257
    block_size: int = 1_024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size", "block_size", "n_layer", "n_head", "n_embd")
        check_dropout(self)
        if self.n_embd % self.n_head:
            lower, upper = self.n_embd // self.n_head * self.n_head, -(-self.n_embd // self.n_head) * self.n_head
            near = " or ".join(str(width) for width in (lower, upper) if width)
            raise ValueError(
                f"expected n_embd to be a multiple of n_head, got n_embd={self.n_embd} and n_head={self.n_head}: "
                f"take n_embd={near}"
            )


class KVCache:
    """The keys and values of the positions already seen, so that each new token costs one position's work.

    Memory: 2 · n_layer · batch · block_size · n_embd numbers.
    """

    def __init__(self, config: GPTConfig, batch: int, like: Tensor) -> None:
        shape = (2, batch, config.n_head, config.block_size, config.n_embd // config.n_head)
        self.layers = [torch.empty(shape, dtype=like.dtype, device=like.device) for _ in range(config.n_layer)]
        self.length = 0

    def extend(self, layer: int, new: Float[Tensor, "2 batch head new dim"]) -> Float[Tensor, "2 batch head time dim"]:
        """Stores a layer's new keys and values; returns all of that layer's. ``length`` moves once a forward pass."""
        count = new.shape[3]
        self.layers[layer].narrow(3, self.length, count).copy_(new)
        return self.layers[layer].narrow(3, 0, self.length + count)


class CausalSelfAttention(nn.Module):
    r"""Multi-head attention, :math:`\mathrm{softmax}(QK^\top/\sqrt{d} + M)V` with M = -∞ where a position is later.

    Computed by torch's fused kernel, whose memory is linear in time (Dao et al. 2022), not by the formula as it stands.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self, x: Float[Tensor, "batch time width"], cache: KVCache | None, layer: int
    ) -> Float[Tensor, "batch time width"]:
        """Mixes positions; with a cache, ``x`` holds the new positions only."""
        batch, time, width = x.shape
        qkv = self.c_attn(x).view(batch, time, 3, self.n_head, width // self.n_head).permute(2, 0, 3, 1, 4)
        q, kv = qkv[0], qkv[1:]
        k, v = kv if cache is None else cache.extend(layer, kv)
        # One new position sees everything: no mask. Several are only ever asked for on an empty cache: the causal one.
        y = F.scaled_dot_product_attention(
            q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=time > 1
        )
        return self.c_proj(y.transpose(1, 2).reshape(batch, time, width))


class FeedForward(nn.Module):
    r"""Two layers with four times the width between them, :math:`W_2\,\mathrm{GELU}(W_1 x)`, a position at a time."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """What is added to the residual stream."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))  # GPT-2 was trained with this approximation


class Block(nn.Module):
    """Attention, then the feed-forward layers, each normalised first and added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(
        self, x: Float[Tensor, "batch time width"], cache: KVCache | None, layer: int
    ) -> Float[Tensor, "batch time width"]:
        """The residual stream after this block."""
        x = x + self.dropout(self.attn(self.ln_1(x), cache, layer))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """A GPT-2 language model. Parameters carry the names that Hugging Face gives them.

    Weights start as in GPT-2: normal with standard deviation 0.02, and 0.02/√(2·n_layer) where a layer writes to the
    residual stream, so that its variance does not grow with depth.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for layer in (module.attn.c_proj, module.mlp.c_proj):
                nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * self.config.n_layer))

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time vocab"]:
        """The logits of each position's next token.

        Raises:
            ValueError: where the tokens are not integers [batch, time], are too long, or lie outside the vocabulary
                (the last is checked on the CPU only: on a GPU it would wait for the device at every step).
        """
        self._check(tokens)
        return self._logits(tokens)

    def loss(self, tokens: Int[Tensor, "batch time"], targets: Int[Tensor, "batch time"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a token; targets of -100 do not count.

        Raises:
            ValueError: where ``targets`` has another shape than ``tokens`` or holds no token to predict.
        """
        if tokens.shape != targets.shape:
            raise ValueError(f"expected targets of shape {tuple(tokens.shape)}, as tokens, got {tuple(targets.shape)}")
        logits = self(tokens)
        if not values_are_hidden(targets):
            scored = targets[targets != IGNORED]
            if not scored.numel():
                raise ValueError(f"expected a target to predict, got only {IGNORED}, the mark of what does not count")
            self._check_vocabulary(scored, "targets")
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    def generate(
        self,
        tokens: Int[Tensor, "batch time"],
        max_new_tokens: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Int[Tensor, "batch longer"]:
        """``tokens`` followed by ``max_new_tokens`` more, drawn one at a time; the model is used in evaluation mode.

        Past ``block_size`` the model sees the last ``block_size`` tokens, and each token costs a whole forward pass:
        positions are learned, so the cache cannot slide.

        Args:
            tokens: the prompts, all of one length, at most ``block_size``.
            max_new_tokens: how many tokens to add.
            temperature: logits are divided by it; 0 takes the likeliest token (greedy).
            top_k: draw from the k likeliest tokens only.
            top_p: draw from the smallest set of tokens whose probability reaches p (Holtzman et al. 2020).
            seed: the same seed gives the same tokens, on the same device.

        Raises:
            ValueError: for bad tokens (as :meth:`forward`), or an option out of its range.
        """
        self._check(tokens)
        if max_new_tokens < 0:
            raise ValueError(f"expected max_new_tokens of at least 0, got {max_new_tokens}")
        generator = None if seed is None else torch.Generator(tokens.device).manual_seed(seed)
        time, block = tokens.shape[1], self.config.block_size
        out = torch.cat([tokens, tokens.new_empty(tokens.shape[0], max_new_tokens)], dim=1)
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                cache = KVCache(self.config, tokens.shape[0], self.wte.weight)
                for end in range(time, time + max_new_tokens):
                    start, used = (cache.length, cache) if end <= block else (end - block, None)
                    logits = self._logits(out[:, start:end], used, last_only=True)[:, -1]
                    out[:, end] = sample(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
        finally:
            self.train(was_training)
        return out

    def _logits(
        self, tokens: Int[Tensor, "batch time"], cache: KVCache | None = None, *, last_only: bool = False
    ) -> Float[Tensor, "batch time vocab"]:
        start = 0 if cache is None else cache.length
        end = start + tokens.shape[1]
        x = self.dropout(F.embedding(tokens, self.wte.weight) + self.wpe.weight[start:end])
        for layer, block in enumerate(self.h):
            x = block(x, cache, layer)
        if cache is not None:
            cache.length = end
        return F.linear(self.ln_f(x[:, -1:] if last_only else x), self.wte.weight)

    def _check(self, tokens: Tensor) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point() or tokens.is_complex() or not tokens.numel():
            got = f"{tokens.dtype} of shape {tuple(tokens.shape)}"
            raise ValueError(f"expected integer tokens [batch, time] with at least one token, got {got}")
        if tokens.shape[1] > self.config.block_size:
            raise ValueError(
                f"expected at most block_size={self.config.block_size} tokens, got {tokens.shape[1]}: "
                f"cut the sequence, or build the model with a larger block_size"
            )
        self._check_vocabulary(tokens, "tokens")

    def _check_vocabulary(self, tokens: Tensor, name: str) -> None:
        do = f"vocab_size is {self.config.vocab_size}: was the text encoded with this model's tokenizer?"
        check_values(name, tokens, 0, self.config.vocab_size - 1, do=do)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """The model of a Hugging Face GPT-2 folder (``config.json`` and ``model.safetensors``), in evaluation mode.

        Raises:
            FileNotFoundError: where one of the two files is missing.
            ValueError: where the config asks for what this model does not have, or the weights do not fit it.
        """
        model = cls(GPTConfig(**read_sizes(Path(folder) / "config.json")))
        copy_weights(model, read_weights(Path(folder) / "model.safetensors"))
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the folder that :meth:`from_pretrained` reads; with ``bias=True`` transformers' GPT-2 reads it too."""
        weights = {name: parameter.detach().cpu() for name, parameter in self.named_parameters()}
        write_folder(Path(folder), dataclasses.asdict(self.config), weights)

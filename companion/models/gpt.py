r"""A decoder-only transformer language model: GPT-2 (Radford et al. 2019), by its options Llama (Touvron et al. 2023).

With token embeddings :math:`E`, position embeddings :math:`P`, and pre-norm blocks (Vaswani et al. 2017, with the
normalization moved before each sub-layer):

.. math::

    h^{(0)}_t = E_{x_t} + P_t,

    u^{(l)} = h^{(l-1)} + \mathrm{Attention}(\mathrm{Norm}(h^{(l-1)})),

    h^{(l)} = u^{(l)} + \mathrm{MLP}(\mathrm{Norm}(u^{(l)})),

    p(x_{t+1} \mid x_{\le t}) = \mathrm{softmax}(\mathrm{Norm}(h^{(L)}_t)\, E^\top).

Attention is causal: position t sees positions up to t only. GPT-2 is the default: Norm is layer normalization, and the
output weights are the token embeddings (tied). Departure from the paper: ``bias=False`` by default leaves the biases
out of linear layers and normalizations, which costs no quality at these sizes and makes the model smaller.

A Llama has no :math:`P` but turns queries and keys (``positions="rotary"``); its Norm is RMSNorm (Zhang & Sennrich
2019), :math:`g \odot x / \sqrt{\mathrm{mean}(x^2) + \epsilon}` with a learned gain :math:`g` (``norm="rms"``); its MLP
is gated (``feed_forward="swiglu"``); its output weights are its own (``tied=False``). Some share heads of keys and
values between queries (``n_kv_head``). Each option can be taken by itself.

Axes: batch; time (position in the sequence); width (``n_embd``); head (``n_head``); dim (width / head); vocab.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.checks import check_targets, check_values, count_targets
from companion.models.gpt_config import GPTConfig
from companion.models.gpt_layers.attention import CausalSelfAttention
from companion.models.gpt_layers.cache import KVCache
from companion.models.gpt_layers.feed_forward import FeedForward, SwiGLU
from companion.models.gpt_layers.generation import make_writer, stream, write
from companion.models.gpt_layers.loss import token_loss
from companion.models.gpt_layers.rotary import Rotation, rotation
from companion.models.gpt_layers.writing import Writer, WritingOptions, positions, visible
from companion.models.hub.gpt import read_folder, write_folder
from companion.models.hub.unfilled import unfilled
from companion.models.hub.weights import copy_weights, named_weights


def make_norm(config: GPTConfig) -> nn.RMSNorm | nn.LayerNorm:
    """A normalization of the residual stream."""
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, eps=config.norm_eps)
    return nn.LayerNorm(config.n_embd, eps=config.norm_eps, bias=config.bias)


class Block(nn.Module):
    """Attention, then the feed-forward layers, each normalized first and added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = make_norm(config)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = make_norm(config)
        self.mlp = SwiGLU(config) if config.feed_forward == "swiglu" else FeedForward(config)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch new width"],
        cache: KVCache | None,
        layer: int,
        turn: Rotation | None = None,
        mask: Bool[Tensor, "batch 1 new seen"] | None = None,
    ) -> Float[Tensor, "batch new width"]:
        """The residual stream after this block; ``cache``, ``turn`` and ``mask`` as attention takes them."""
        x = x + self.dropout(self.attn(self.ln_1(x), cache, layer, turn, mask))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """A decoder-only language model. Parameters carry the names that Hugging Face gives those of GPT-2.

    Weights start as in GPT-2, whatever the options: normal with standard deviation 0.02, and 0.02/√(2·n_layer) where a
    layer writes to the residual stream, so that its variance does not grow with depth; normalizations start at 1,
    biases at 0.

    Example:
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=64, n_layer=2, n_head=4, n_embd=32))
        >>> tokens = torch.randint(257, (3, 65))
        >>> model.loss(tokens[:, :-1], tokens[:, 1:]).backward()  # predict each token from those before it
        >>> model.generate(tokens[:, :5], 7, temperature=0.8, top_p=0.9, seed=0).shape
        torch.Size([3, 12])
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd) if config.positions == "learned" else None
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = make_norm(config)
        self.lm_head = None if config.tied else nn.Linear(config.n_embd, config.vocab_size, bias=False)
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
        return self._head(self._hidden(tokens))

    def loss(self, tokens: Int[Tensor, "batch time"], targets: Int[Tensor, "batch time"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats a token; targets of -100 do not count.

        Raises:
            ValueError: where ``targets`` has another shape than ``tokens`` or holds no token to predict.
        """
        if tokens.shape != targets.shape:
            raise ValueError(f"expected targets of shape {tuple(tokens.shape)}, as tokens, got {tuple(targets.shape)}")
        logits = self(tokens)
        check_targets("targets", targets, self.config.vocab_size, do=self._other_vocabulary)
        return token_loss(logits.flatten(0, 1), targets.flatten())

    def n_targets(self, tokens: Int[Tensor, "batch time"], targets: Int[Tensor, "batch time"]) -> int:
        """The number of tokens that count: what the mean of :meth:`loss` is over."""
        return count_targets(targets)

    def generate(
        self,
        tokens: Int[Tensor, "batch time"],
        max_new_tokens: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop_tokens: Sequence[int] | None = None,
        padding_mask: Bool[Tensor, "batch time"] | None = None,
        cache_class: type[KVCache] | None = None,
    ) -> Int[Tensor, "batch longer"]:
        """``tokens`` followed by up to ``max_new_tokens`` more, drawn one at a time, in evaluation mode.

        A row that has drawn one of ``stop_tokens`` is finished, and repeats it until all rows are.

        A row sees at most ``block_size`` tokens. Where it would be longer, it forgets all but the last half of them
        (``(block_size + 1) // 2``) and goes on from there as from a prompt. Departure from a window that moves by one
        token at a time: there each token would cost a whole forward pass, since what the cache holds was computed from
        tokens that are no longer seen; so it costs that of two tokens, and a token sees 3/4 of the window on average.

        Args:
            tokens: the prompts, at most ``block_size`` long; shorter ones are filled on the left.
            max_new_tokens: how many tokens to add at most.
            temperature: logits are divided by it; 0 takes the likeliest token (greedy).
            top_k: draw from the k likeliest tokens only.
            top_p: draw from the smallest set of tokens whose probability reaches p (Holtzman et al. 2020).
            seed: the same seed gives the same tokens, on the same device.
            stop_tokens: what ends a row, such as ``[data.end_of_text_id(tokenizer)]``; none for a fixed length.
            padding_mask: True at tokens, False at what fills a shorter prompt on its left; none where all are tokens.
            cache_class: what keeps keys and values, such as :class:`companion.compress.QuantizedKVCache`; none for the
                plain one.

        Raises:
            ValueError: for bad tokens (as :meth:`forward`), an option out of its range, a padding mask of another shape
                or with padding elsewhere than on the left, or logits that are NaN or infinite.

        Example:
            >>> import torch
            >>> from companion.models import GPT, GPTConfig
            >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=1, n_embd=4))
            >>> prompts = torch.tensor([[1, 2, 3], [0, 0, 7]])
            >>> mask = torch.tensor([[True, True, True], [False, False, True]])
            >>> model.generate(prompts, 20, temperature=0, padding_mask=mask).shape
            torch.Size([2, 23])
        """
        options: WritingOptions = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        options |= {"stop_tokens": stop_tokens, "padding_mask": padding_mask, "cache_class": cache_class}
        return write(self, self._writer(tokens, max_new_tokens, **options))

    def generate_stream(
        self, tokens: Int[Tensor, "batch time"], max_new_tokens: int, **options: Unpack[WritingOptions]
    ) -> Iterator[Int[Tensor, " batch"]]:
        """The tokens that :meth:`generate` would add, one of each row at a time, as they are drawn.

        The model is in evaluation mode until the iterator is exhausted or closed.

        Args:
            tokens: as :meth:`generate`.
            max_new_tokens: as :meth:`generate`.
            options: those of :meth:`generate`, by name.

        Raises:
            ValueError: as :meth:`generate`; bad arguments before the first token is asked for.
        """
        return stream(self, self._writer(tokens, max_new_tokens, **options))

    def _writer(
        self, tokens: Int[Tensor, "batch time"], max_new_tokens: int, **options: Unpack[WritingOptions]
    ) -> Writer:
        self._check(tokens)
        return make_writer(self.config, self.next_logits, self.ln_f.weight, tokens, max_new_tokens, **options)

    def next_logits(
        self, tokens: Int[Tensor, "batch new"], cache: KVCache, first: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch vocab"]:
        """The logits after the last of new ``tokens``, which ``cache`` holds afterwards beside those that it held.

        Several new tokens are for an empty cache; to one that holds some, they come one at a time.

        Args:
            tokens: the new columns; nothing is checked.
            cache: with room for them.
            first: of each row, its first column, where what stands before is padding; None where all start at 0.
        """
        return self._head(self._hidden(tokens, cache, first)[:, -1])

    def cached_logits(self, tokens: Int[Tensor, "batch new"], cache: KVCache) -> Float[Tensor, "batch new vocab"]:
        """The logits after each of new ``tokens``, which ``cache`` holds afterwards beside those that it held.

        Setting ``cache.length`` back takes tokens out again.

        Args:
            tokens: as many new columns as there are; nothing is checked.
            cache: with room for them; all rows start at its beginning.
        """
        several = cache.length > 0 and tokens.shape[1] > 1  # of which each sees what stands before it
        first = torch.zeros(tokens.shape[0], dtype=torch.int64, device=tokens.device) if several else None
        return self._head(self._hidden(tokens, cache, first))

    def _head(self, x: Float[Tensor, "*positions width"]) -> Float[Tensor, "*positions vocab"]:
        x = self.ln_f(x)
        return F.linear(x, self.wte.weight) if self.lm_head is None else self.lm_head(x)

    def _hidden(
        self,
        tokens: Int[Tensor, "batch new"],
        cache: KVCache | None = None,
        first: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch new width"]:
        """The residual stream after the last block; rows start at ``first``, where it is given."""
        start = 0 if cache is None else cache.length
        end = start + tokens.shape[1]
        x, turn, mask = self.wte(tokens), None, None
        if first is not None:
            mask = visible(first, start, end)
        if self.wpe is None:
            turn = rotation(
                positions(start, end, tokens.device, first),
                self.config.head_dim,
                self.config.rope_theta,
                self.config.rope_scaling,
            )
        elif first is None:
            x = x + self.wpe.weight[start:end]
        else:
            x = x + self.wpe.weight[positions(start, end, tokens.device, first)]
        x = self.dropout(x)
        for layer, block in enumerate(self.h):
            x = block(x, cache, layer, turn, mask)
        if cache is not None:
            cache.length = end
        return x

    def _check(self, tokens: Tensor) -> None:
        if tokens.dtype not in (torch.int64, torch.int32) or tokens.ndim != 2 or not tokens.numel():
            got = f"{tokens.dtype} of shape {tuple(tokens.shape)}"  # of others torch makes no rows
            raise ValueError(f"expected int64 tokens [batch, time] with at least one token, got {got}")
        if tokens.shape[1] > self.config.block_size:
            raise ValueError(
                f"expected at most block_size={self.config.block_size} tokens, got {tokens.shape[1]}: "
                f"cut the sequence, or build the model with a larger block_size"
            )
        check_values("tokens", tokens, 0, self.config.vocab_size - 1, do=self._other_vocabulary)

    @property
    def _other_vocabulary(self) -> str:
        return f"vocab_size is {self.config.vocab_size}: was the text encoded with this model's tokenizer?"

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Self:
        """The model of a Hugging Face folder of GPT-2, Llama, Mistral, Qwen2 or Qwen3, of our own, or of a GGUF file.

        The folder holds ``config.json`` and ``model.safetensors``, or several such files and their index; or one GGUF
        file, whose quantized weights are dequantized. The model is in evaluation mode, its weights in ``dtype``.

        Raises:
            FileNotFoundError: where one of the files is missing.
            ImportError: for a GGUF file where the ``gguf`` package is not installed.
            ValueError: where the config asks for what this model does not have, or the weights do not fit it.
        """
        config, weights = read_folder(Path(folder))
        with unfilled():  # each weight is replaced
            model = cls(config).to(dtype)
        model.to_empty(device=torch.get_default_device())
        copy_weights(model, weights)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the folder that :meth:`from_pretrained` reads.

        Where the options are those of a GPT-2 with ``bias=True``, or of a Llama, transformers reads it too (but for a
        Llama's ``dropout``). Another mixture of options is written by our own names.
        """
        write_folder(Path(folder), self.config, named_weights(self))

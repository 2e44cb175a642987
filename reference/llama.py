"""GPT with rotary positions, RMSNorm, SwiGLU and shared keys and values, beside transformers' Llama."""

import torch
import transformers

from companion.models import GPT, GPTConfig
from companion.models.hub.llama import from_tensors, to_tensors
from companion.models.hub.weights import named_weights
from reference.case import Case
from reference.gpt import Logits


def case(*, large: bool = False) -> Case:
    """Two small layers; large: 12 million parameters, 8 sequences of 256 tokens."""
    vocab, block, layers, heads, kv_heads, width, inner, batch = (
        (4_096, 256, 6, 6, 2, 384, 1_024, 8) if large else (211, 37, 2, 15, 5, 90, 53, 3)
    )
    config = GPTConfig(
        vocab_size=vocab, block_size=block, n_layer=layers, n_head=heads, n_kv_head=kv_heads, n_embd=width,
        n_inner=inner, positions="rotary", rope_theta=501.0, norm="rms", norm_eps=1e-4, feed_forward="swiglu",
        tied=False,
    )  # fmt: skip
    model = GPT(config)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=vocab, max_position_embeddings=block, num_hidden_layers=layers, num_attention_heads=heads,
            num_key_value_heads=kv_heads, hidden_size=width, intermediate_size=inner, rms_norm_eps=1e-4,
            rope_theta=501.0, tie_word_embeddings=False,
        )
    )  # fmt: skip
    theirs.load_state_dict(to_tensors(named_weights(model), config))
    tokens, targets = torch.randint(vocab, (2, batch, block))
    return Case(
        model=model,
        inputs=(tokens,),
        batch=(tokens, targets),
        reference=Logits(theirs),
        reference_name="transformers.LlamaForCausalLM",
        reference_gradients=lambda: from_tensors({name: p.grad for name, p in theirs.named_parameters()}, config),
        sizes={"batch": batch, "time": block},
    )

"""GPT beside transformers' GPT-2."""

import torch
import transformers
from torch import Tensor, nn

from companion.models import GPT, GPTConfig
from companion.models.hub.weights import named_weights
from reference.case import Case


class Logits(nn.Module):
    """A transformers model that returns its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of every position."""
        return self.model(tokens, use_cache=False).logits


def case(*, large: bool = False) -> Case:
    """Two small layers; large: 12 million parameters, 8 sequences of 256 tokens."""
    vocab, block, layers, heads, width, batch = (4_096, 256, 6, 6, 384, 8) if large else (211, 37, 2, 5, 35, 3)
    config = GPTConfig(vocab_size=vocab, block_size=block, n_layer=layers, n_head=heads, n_embd=width, bias=True)
    model = GPT(config)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=vocab, n_positions=block, n_embd=width, n_layer=layers, n_head=heads,
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    ours = named_weights(model)
    with torch.no_grad():
        for name, parameter in theirs.transformer.named_parameters():
            parameter.copy_(_transposed(name, ours[name]))
    tokens, targets = torch.randint(vocab, (2, batch, block))
    return Case(
        model=model,
        inputs=(tokens,),
        batch=(tokens, targets),
        reference=Logits(theirs),
        reference_name="transformers.GPT2LMHeadModel",
        reference_gradients=lambda: {n: _transposed(n, p.grad) for n, p in theirs.transformer.named_parameters()},
        sizes={"batch": batch, "time": block},
    )


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """GPT-2's linear layers inside blocks are stored [in, out], torch's are [out, in]."""
    return tensor.T if name.startswith("h.") and tensor.ndim == 2 else tensor

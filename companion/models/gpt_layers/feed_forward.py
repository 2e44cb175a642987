"""What a transformer block does to each position by itself: two layers, or three with a gate."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models.gpt_config import GPTConfig


class FeedForward(nn.Module):
    r"""Two layers with a wider one between them, :math:`W_2\,\mathrm{GELU}(W_1 x)`."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, config.inner, bias=config.bias)
        self.c_proj = nn.Linear(config.inner, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """What is added to the residual stream."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))  # GPT-2 was trained with this approximation


class SwiGLU(nn.Module):
    r"""Two layers whose wider one is gated by a third, :math:`W_2\,(\mathrm{SiLU}(W_g x) \odot W_1 x)` (Shazeer 2020).

    :math:`\mathrm{SiLU}(z) = z\,\sigma(z)`. With three matrices for two, 2/3 of the width gives as many parameters.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_gate = nn.Linear(config.n_embd, config.inner, bias=config.bias)
        self.c_fc = nn.Linear(config.n_embd, config.inner, bias=config.bias)
        self.c_proj = nn.Linear(config.inner, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """What is added to the residual stream."""
        return self.c_proj(F.silu(self.c_gate(x)) * self.c_fc(x))

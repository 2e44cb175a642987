"""Attention and an LSTM by themselves, beside peers of the same size."""

from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import report
from benchmarks.timing import PRECISIONS, Pass, Timed, run
from companion import runtime
from companion.models import AttentionConfig, GPTConfig, MultiHeadAttention
from companion.models.gpt import CausalSelfAttention
from companion.models.recurrent import Recurrent

#: Attention: sequences, tokens of each, numbers a token, heads.
BATCH, TIME, WIDTH, HEADS = 8, 1_024, 384, 6
#: The LSTM: sequences, steps, numbers in and out.
ROWS, STEPS, UNITS = 32, 128, 256


class Bare(nn.Module):
    """Torch's kernel between two linear layers, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Causal attention."""
        qkv = self.inner(x).view(BATCH, TIME, 3, HEADS, WIDTH // HEADS)
        y = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4), is_causal=True)
        return self.outer(y.transpose(1, 2).reshape(BATCH, TIME, WIDTH))


def attention_layers() -> dict[str, Callable[[Tensor], Tensor]]:
    """Causal attention of a sequence to itself, by ours and by peers."""
    import x_transformers

    ours = MultiHeadAttention(AttentionConfig(n_embd=WIDTH, n_head=HEADS, dropout=0.0))
    gpt = CausalSelfAttention(GPTConfig(block_size=TIME, n_head=HEADS, n_embd=WIDTH, bias=True))
    theirs, later = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), torch.ones(TIME, TIME).triu(1).bool()
    options = {"attn_mask": later, "is_causal": True, "need_weights": False}
    return {
        "companion MultiHeadAttention": lambda x: ours(x, causal=True),
        "companion CausalSelfAttention": lambda x: gpt(x, None, 0),
        "two linear layers and F.scaled_dot_product_attention": Bare(),
        "torch.nn.MultiheadAttention": lambda x: theirs(x, x, x, **options)[0],
        "x_transformers.Attention, flash": x_transformers.Attention(
            dim=WIDTH, heads=HEADS, dim_head=WIDTH // HEADS, causal=True, flash=True
        ),
    }


def lstm_layers() -> dict[str, Callable[[Tensor], Tensor]]:
    """One LSTM layer, ours and torch's."""
    theirs = nn.LSTM(UNITS, UNITS, batch_first=True)
    return {"companion Recurrent": Recurrent("lstm", UNITS, UNITS), "torch.nn.LSTM": lambda x: theirs(x)[0]}


def table(
    make_layers: Callable[[], dict[str, Callable]], sizes: tuple[int, ...], rounds: int, device: torch.device
) -> list[str]:
    """A table of layers that take one tensor of ``sizes``."""
    with device:
        contestants, x = make_layers(), torch.randn(sizes, requires_grad=True)  # as from a layer before
    columns = []
    for name in PRECISIONS:
        report.tell(f"layers: {', '.join(contestants)} in {name}")
        precision = runtime.pick_precision(name, device)
        timed = [Timed(who, Pass(layer, (x,), precision, device)) for who, layer in contestants.items()]
        run(timed, rounds, device)
        fastest = min(each.median for each in timed if not each.name.startswith("companion"))
        columns.append([f"{each.median * 1e3:,.1f} | {each.median / fastest:.2f}" for each in timed])
    heads = "".join(f" {name}, ms | of the fastest peer's time |" for name in PRECISIONS)
    rows = [f"| {who} | {' | '.join(cells)} |" for who, *cells in zip(contestants, *columns, strict=True)]
    return [f"| |{heads}", "|---" * 5 + "|", *rows]


def attention(rounds: int, device: torch.device) -> list[str]:
    """The section on attention."""
    return [
        "\n## Attention alone\n",
        f"Forward and backward pass of causal self-attention with its projections, {BATCH} sequences of {TIME:,}",
        f"tokens, {WIDTH} wide, {HEADS} heads; below 1 is faster than the fastest peer. The layer of x-transformers",
        f"{version('x-transformers')} has no biases.\n",
        *table(attention_layers, (BATCH, TIME, WIDTH), rounds, device),
    ]


def lstm(rounds: int, device: torch.device) -> list[str]:
    """The section on an LSTM."""
    return [
        "\n## An LSTM layer alone\n",
        f"Forward and backward pass of one layer, {ROWS} sequences of {STEPS} steps, {UNITS} wide; below 1 is faster",
        "than the peer.\n",
        *table(lstm_layers, (ROWS, STEPS, UNITS), rounds, device),
    ]

"""Embeddings in 8 bits, whose memory an output layer can share."""

from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from companion.compress.linear import QuantizedLinear, signed
from companion.compress.weights import quantize_weight


class QuantizedEmbedding(nn.Module):
    """Embeddings in 8 bits with a scale a row; start from :meth:`from_embedding`.

    Args:
        num_embeddings: rows.
        embedding_dim: numbers a row.

    Example:
        >>> table = nn.Embedding(11, 6)
        >>> small = QuantizedEmbedding.from_embedding(table)
        >>> tokens = torch.tensor([[3, 10]])
        >>> bool((small(tokens) - table(tokens)).abs().max() <= table.weight.abs().max() / 254 + 1e-6)
        True
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8))
        self.register_buffer("scales", torch.ones(num_embeddings))

    @classmethod
    def from_embedding(cls, table: nn.Embedding) -> Self:
        """The table with each row rounded to 8 bits.

        Raises:
            ValueError: for weights that are not finite.
        """
        small = cls(0, 0)
        small.codes, small.scales = signed(quantize_weight(table.weight))
        return small

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        """The row of each token."""
        return self.codes[tokens] * self.scales[tokens][..., None]

    def head(self) -> QuantizedLinear:
        """A linear layer from the width to the rows, with the same codes and scales in the same memory."""
        rows, width = self.codes.shape
        layer = QuantizedLinear(width, rows)
        layer.codes, layer.scales = self.codes, self.scales
        return layer

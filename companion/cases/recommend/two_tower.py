"""Two towers: a network for a user's items, a table for items, and their product as the score."""

from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional


class TwoTower(nn.Module):
    r"""Scores an item by the product of a user vector, computed from the items taken, with the item's vector.

    .. math:: s_{ui}=\mathbf v_i^\top f\Bigl(\frac1{\sqrt{|u|}}\sum_{j\in u}\mathbf e_j\Bigr)+b_i

    with :math:`f(\mathbf x)=\mathbf x+W_2\,\mathrm{relu}(W_1\mathbf x)`. In training half of a user's items, drawn
    anew each time, are hidden, and a softmax over the whole catalog is to name them: nothing is sampled. The bias
    :math:`b_i` starts at the logarithm of the item's popularity, so the untrained model is close to the most popular.

    Args:
        n_items: of the catalog.
        width: of the vectors.
        n_steps: of Adam, each over all users.
        learning_rate: of Adam.
        weight_decay: of AdamW.
        seed: of the weights and of what is hidden.

    Raises:
        ValueError: for sizes that are not positive, or a matrix of another catalog.

    Source:
        Covington, Adams & Sargin, *Deep neural networks for YouTube recommendations*, RecSys 2016, section 3; there the
        softmax is sampled and the user's tower has more features.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> taken = csr_array(np.kron(np.eye(2), np.ones((8, 4))))
        >>> model = TwoTower(8, width=4, n_steps=60).fit(taken)
        >>> sorted(model.scores(taken[:1]).argsort()[0, -4:].tolist())
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        n_items: int,
        *,
        width: int = 32,
        n_steps: int = 30,
        learning_rate: float = 0.01,
        weight_decay: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if min(n_items, width, n_steps) < 1 or not learning_rate > 0 or not weight_decay >= 0:
            raise ValueError(
                f"expected positive sizes and rates, got n_items={n_items}, width={width}, n_steps={n_steps}, "
                f"learning_rate={learning_rate}, weight_decay={weight_decay}"
            )
        self.n_steps, self.learning_rate, self.weight_decay, self.seed = n_steps, learning_rate, weight_decay, seed
        generator = torch.Generator().manual_seed(seed)
        self.taken = nn.Parameter(torch.randn(n_items, width, generator=generator) * width**-0.5)
        self.items = nn.Parameter(torch.randn(n_items, width, generator=generator) * width**-0.5)
        self.first = nn.Parameter(torch.randn(width, width, generator=generator) * width**-0.5)
        self.second = nn.Parameter(torch.zeros(width, width))
        self.bias = nn.Parameter(torch.zeros(n_items))

    def forward(self, given: Float[Tensor, "users items"]) -> Float[Tensor, "users items"]:
        """Scores of all items for users who took those that are 1."""
        user = given @ self.taken / given.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        user = user + torch.relu(user @ self.first) @ self.second
        return user @ self.items.T + self.bias

    def fit(self, taken: csr_array) -> Self:
        """Trains on all users; ``taken`` has the shape (users, items), 1 where the user took the item."""
        table = self._tensor(taken)
        with torch.no_grad():
            self.bias.copy_(torch.log(table.sum(dim=0) + 0.5))
        generator = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        for _ in range(self.n_steps):
            shown = table * (torch.rand(table.shape, generator=generator) < 0.5)
            hidden = table - shown
            loss = -(hidden * functional.log_softmax(self(shown), dim=1)).sum() / hidden.sum().clamp(min=1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return self

    @torch.no_grad()
    def scores(self, given: csr_array) -> Float[np.ndarray, "users items"]:
        """Scores of all items for users who took these, known to ``fit`` or not."""
        return np.asarray(self(self._tensor(given)).double().numpy())

    def _tensor(self, taken: csr_array) -> Float[Tensor, "users items"]:
        if taken.shape[1] != len(self.bias):
            raise ValueError(f"expected a column for each of {len(self.bias)} items, got {taken.shape[1]}")
        return torch.from_numpy(taken.toarray()).float()
